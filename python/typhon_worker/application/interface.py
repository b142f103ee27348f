"""Which interface a callable speaks, as far as that can be seen without calling it. Pure.

Only certain signs count: coroutine functions, and the parameter names that the ASGI specification
uses. `inspect` and `asyncio` would tell no more and take 20 ms to import.
"""

from __future__ import annotations

from types import FunctionType, MethodType

# CO_COROUTINE and CO_VARARGS of the standard library's inspect.
_COROUTINE = 0x80
_VARARGS = 0x04
_ASGI_PARAMETERS = (("scope", "receive", "send"), ("scope",))
# Wrappers of wrappers that are followed; a longer chain is a loop.
_MAX_WRAPPERS = 32


def is_asgi(app: object) -> bool:
    """Whether this can only be an ASGI application (version 2 or 3)."""
    function, bound, _ = _function_of(app)
    if function is None:
        return False
    code = function.__code__
    is_coroutine = bool(code.co_flags & _COROUTINE)
    return is_coroutine or code.co_varnames[bound : code.co_argcount] in _ASGI_PARAMETERS


def is_double_callable(app: object) -> bool:
    """Whether an ASGI application is first called with the scope alone (ASGI 2)."""
    # The marks of asgiref's guarantee_single_callable.
    if getattr(app, "_asgi_single_callable", False):
        return False
    if getattr(app, "_asgi_double_callable", False):
        return True
    return may_be_called_with(app, 1) and not may_be_called_with(app, 3)


def may_be_called_with(app: object, arguments: int) -> bool:
    """False if `app` certainly cannot take so many positional arguments."""
    function, bound, is_open = _function_of(app)
    if function is None or is_open or hasattr(function, "__wrapped__"):
        return True
    code = function.__code__
    given = arguments + bound
    least = code.co_argcount - len(function.__defaults__ or ())
    return least <= given and (given <= code.co_argcount or bool(code.co_flags & _VARARGS))


# Returns the function that runs when `app` is called, how many of its parameters are already bound,
# and whether some are bound by name, which leaves the number of free ones open.
def _function_of(app: object) -> tuple[FunctionType | None, int, bool]:
    bound = 0
    is_open = False
    for _ in range(_MAX_WRAPPERS):
        if isinstance(app, FunctionType):
            return app, bound, is_open
        if isinstance(app, MethodType):
            app, bound = app.__func__, bound + 1
        elif _is_partial(app):
            is_open = is_open or bool(app.keywords)  # type: ignore[attr-defined]
            app, bound = app.func, bound + len(app.args)  # type: ignore[attr-defined]
        elif isinstance(app, type):
            # Calling a class makes an instance: in ASGI 2 with the scope alone.
            app, bound = app.__init__, bound + 1  # type: ignore[misc]
        else:
            called = _call_of(type(app))
            # A static method gets no instance.
            is_static = isinstance(called, staticmethod)
            app = called.__func__ if isinstance(called, staticmethod) else called
            bound += not is_static
    return None, 0, False


def _is_partial(app: object) -> bool:
    kind = type(app)
    return kind.__name__ == "partial" and kind.__module__ == "functools"


def _call_of(kind: type) -> object:
    for base in kind.__mro__:
        if "__call__" in base.__dict__:
            return base.__dict__["__call__"]
    return None
