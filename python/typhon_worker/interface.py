"""Which interface a callable speaks, as far as that can be seen without calling it.

Only what is certain counts: coroutine functions and the parameter names that the ASGI specification
uses. `inspect` and `asyncio` would tell no more and take 20 ms to import. Pure.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType

_COROUTINE = 0x80  # CO_COROUTINE, see the standard library's inspect
_VARARGS = 0x04
_ASGI_PARAMETERS = (("scope", "receive", "send"), ("scope",))
# Wrappers around wrappers: more is a loop.
_MAX_WRAPPERS = 32


def is_asgi(app: object) -> bool:
    """Whether this can only be an ASGI application (version 2 or 3)."""
    code, bound = _code_of(app)
    if code is None:
        return False
    return bool(code.co_flags & _COROUTINE) or _parameters(code, bound) in _ASGI_PARAMETERS


def may_be_called_with(app: object, arguments: int) -> bool:
    """False if `app` is a plain function that cannot take so many positional arguments."""
    if not isinstance(app, FunctionType) or hasattr(app, "__wrapped__"):
        return True
    code = app.__code__
    if code.co_flags & _VARARGS:
        return code.co_argcount <= arguments
    least = code.co_argcount - len(app.__defaults__ or ())
    return least <= arguments <= code.co_argcount


# The code that runs when `app` is called, and how many of its parameters are already bound.
def _code_of(app: object) -> tuple[CodeType | None, int]:
    bound = 0
    for _ in range(_MAX_WRAPPERS):
        if isinstance(app, FunctionType):
            return app.__code__, bound
        if isinstance(app, MethodType):
            app, bound = app.__func__, bound + 1
        elif _is_partial(app):
            app, bound = app.func, bound + len(app.args)  # type: ignore[attr-defined]
        elif isinstance(app, type):
            # A class is called to make an instance: in ASGI 2 with the scope alone.
            app, bound = app.__init__, 1  # type: ignore[misc]
        else:
            app, bound = _call_of(type(app)), 1
    return None, 0


def _is_partial(app: object) -> bool:
    kind = type(app)
    return kind.__name__ == "partial" and kind.__module__ == "functools"


def _call_of(kind: type) -> object:
    for base in kind.__mro__:
        if "__call__" in base.__dict__:
            return base.__dict__["__call__"]
    return None


def _parameters(code: CodeType, bound: int) -> tuple[str, ...]:
    return code.co_varnames[bound : code.co_argcount]
