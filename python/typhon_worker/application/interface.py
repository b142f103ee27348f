"""Which interface a callable speaks, as far as that can be seen without calling it. Pure.

A call may pass through several functions: a wrapper that takes any arguments calls the function
that its `__wrapped__` names. They are looked at from the outside in, until one shows a certain
sign: a coroutine function, the parameter names of the ASGI specification, or a number of
parameters. `inspect` and `asyncio` would tell no more and take 20 ms to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# CO_COROUTINE and CO_VARARGS of the standard library's inspect.
_COROUTINE = 0x80
_VARARGS = 0x04
# How inspect and asgiref mark a plain function that returns a coroutine.
_COROUTINE_MARKS = ("_is_coroutine_mark", "_is_coroutine")
_ASGI_PARAMETERS = (("scope", "receive", "send"), ("scope",))
_ENVIRON_NAMES = ("environ", "env", "wsgi_environ")
# Wrappers of wrappers that are followed; a longer chain is a loop.
_MAX_WRAPPERS = 32


class _Layer:
    """One function that runs when an application is called."""

    __slots__ = ("bound", "code", "function", "has_keywords")

    def __init__(self, function: Any, bound: int, has_keywords: bool) -> None:
        self.function = function
        self.code: CodeType = function.__code__
        # How many of the parameters are bound already.
        self.bound = bound
        # Whether some are bound by name, which leaves the number of free ones open.
        self.has_keywords = has_keywords

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free positional parameters."""
        return self.code.co_varnames[self.bound : self.code.co_argcount]

    @property
    def is_open(self) -> bool:
        """Whether the number of its arguments tells nothing."""
        return self.has_keywords or bool(self.code.co_flags & _VARARGS)

    @property
    def has_environ(self) -> bool:
        """Whether its first parameter is named as WSGI applications name it."""
        return bool(self.names) and self.names[0] in _ENVIRON_NAMES

    def takes(self, arguments: int) -> bool:
        """False if it certainly cannot take so many positional arguments."""
        if self.has_keywords:
            return True
        given = arguments + self.bound
        least = self.code.co_argcount - len(_get(self.function, "__defaults__") or ())
        return least <= given and (given <= self.code.co_argcount or self.is_open)

    @property
    def is_asgi(self) -> bool:
        """Whether it can only be called as ASGI 2 or 3 does."""
        if self.names in _ASGI_PARAMETERS or self.names[-3:] == _ASGI_PARAMETERS[0]:
            return True
        is_coroutine = bool(self.code.co_flags & _COROUTINE) or any(
            _get(self.function, mark) is not None for mark in _COROUTINE_MARKS
        )
        return is_coroutine and self.takes(3)


def detect(app: object) -> str:
    """Returns "asgi" or "wsgi", or "" if `app` shows no certain sign of either."""
    for layer in _layers(app):
        if layer.is_asgi:
            return "asgi"
        if layer.has_environ:
            return "wsgi"
        if not layer.is_open:
            return "wsgi" if layer.takes(2) else ""
    return ""


def is_asgi(app: object) -> bool:
    """Whether this can only be an ASGI application (version 2 or 3)."""
    return detect(app) == "asgi"


def is_double_callable(app: object) -> bool:
    """Whether an ASGI application is first called with the scope alone (ASGI 2)."""
    # The marks of asgiref's guarantee_single_callable.
    if _get(app, "_asgi_single_callable"):
        return False
    if _get(app, "_asgi_double_callable"):
        return True
    for layer in _layers(app):
        if not layer.is_open:
            return layer.takes(1) and not layer.takes(3)
    return False


def may_be_called_with(app: object, arguments: int) -> bool:
    """False if `app` certainly cannot take so many positional arguments.

    Only the outermost function counts: a wrapper may add arguments of its own.
    """
    layer = next(_layers(app), None)
    return layer is None or layer.takes(arguments)


def is_factory(app: object, *, is_named_so: bool) -> bool:
    """Whether this function makes an application, and is none.

    It needs no argument, or `is_named_so`, and its first parameter is no environ.
    """
    layer = next(_layers(app), None)
    if layer is None or _get(app, "__code__") is not layer.code or layer.has_environ:
        return False
    return is_named_so or (layer.takes(0) and not layer.is_open)


def may_be_made_with(kind: type, speaks: str, wanted: str) -> bool:
    """Whether a class may be an application itself: a call makes an instance, which responds.

    `speaks`: the interface of its constructor (`detect`). `wanted`: the interface asked for.
    """
    if speaks == "asgi":
        return True
    if wanted == "asgi":
        return has_method(kind, "__await__") or has_method(kind, "__call__")
    return may_be_called_with(kind, 2) and (
        has_method(kind, "__iter__") or has_method(kind, "__getitem__")
    )


def has_method(kind: type, name: str) -> bool:
    """Whether instances of a class have a method; what the class itself can do does not count."""
    return any(name in base.__dict__ for base in kind.__mro__)


# Yields the functions that run when `app` is called, the outermost first. A wrapper's inner
# function is looked for only if the caller asks on.
def _layers(app: Any) -> Iterator[_Layer]:
    bound = 0
    has_keywords = False
    # Objects that a wrapper wraps, to be looked at where its own call tells nothing.
    wrapped: list[tuple[Any, int, bool]] = []
    for _ in range(_MAX_WRAPPERS):
        # A method has all attributes of its function.
        if isinstance(app, MethodType):
            app, bound = app.__func__, bound + 1
            continue
        inner = _get(app, "__wrapped__")
        if inner is not None:
            wrapped.append((inner, bound, has_keywords))
        if isinstance(_get(app, "__code__"), CodeType):
            yield _Layer(app, bound, has_keywords)
            app = None
        elif _is_partial(app):
            has_keywords = has_keywords or bool(app.keywords)
            app, bound = app.func, bound + len(app.args)
        elif isinstance(app, type):
            # Calling a class makes an instance: in ASGI 2 with the scope alone. mypy warns that
            # __init__ may belong to a subclass; here that is right, its signature is read.
            has_init = app.__init__ is not object.__init__  # type: ignore[misc]
            app, bound = app.__init__ if has_init else app.__new__, bound + 1  # type: ignore[misc]
        else:
            app = _call_of(app)
        if app is None:
            if not wrapped:
                return
            app, bound, has_keywords = wrapped.pop()


def _is_partial(app: object) -> bool:
    return any(
        kind.__name__ == "partial" and kind.__module__ == "functools" for kind in type(app).__mro__
    )


# What Python runs for `app(…)`: `__call__` as the class has it, bound to the instance as its kind
# asks (a method, a static method, a slot that holds another callable). None if it is written in C.
def _call_of(app: Any) -> Any:
    for base in type(app).__mro__:
        if "__call__" in base.__dict__:
            call = base.__dict__["__call__"]
            if type(call) is _C_CALL:
                return None
            bind = getattr(type(call), "__get__", None)
            try:
                return call if bind is None else bind(call, app, type(app))
            except Exception:
                # A slot that is not set yet, or a property that fails.
                return None
    return None


_C_CALL = type(type.__call__)


# Attributes may be computed by the application's code, which may raise anything.
def _get(app: object, name: str) -> Any:
    try:
        return getattr(app, name, None)
    except Exception:
        return None
