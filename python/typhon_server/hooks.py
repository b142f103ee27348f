"""Functions of an application that run when a worker starts, stops, or has ended.

    from typhon_server import hooks

    @hooks.worker_start
    def connect() -> None: ...

Under another server, or in a shell, these decorators keep the functions and call nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[..., Any])

__all__ = ["worker_exit", "worker_start", "worker_stop"]

# What a worker calls, by the name of the decorator, in the order of their registration.
registered: dict[str, list[Callable[..., Any]]] = {
    "worker_start": [],
    "worker_stop": [],
    "worker_exit": [],
}

# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of the standard library's inspect.
_NOT_PLAIN = 0x20 | 0x80 | 0x200


def worker_start(function: Hook) -> Hook:
    """Calls `function()` in each worker when the application has loaded, before any request.

    An exception fails the start of the worker. Raises TypeError on an async function.
    """
    return _register("worker_start", function)


def worker_stop(function: Hook) -> Hook:
    """Calls `function()` in each worker that ends, after its last response.

    Raises TypeError on an async function.
    """
    return _register("worker_stop", function)


def worker_exit(function: Hook) -> Hook:
    """Calls `function(pid)` when the process of a worker has ended, for whatever reason.

    It runs in a short-lived process of its own, which imports the module of the function. Raises
    TypeError on anything but a function at the top level of a module.
    """
    name = getattr(function, "__qualname__", "")
    if not name.isidentifier() or not getattr(function, "__module__", None):
        raise TypeError(
            f"worker_exit: {function!r} is no function at the top level of a module; it runs in "
            "another process, which finds it by its name"
        )
    return _register("worker_exit", function)


def _register(hook: str, function: Hook) -> Hook:
    if not callable(function):
        raise TypeError(f"{hook}: {function!r} is no function")
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & _NOT_PLAIN:
        raise TypeError(
            f"{hook}: {function!r} is an async function or a generator, and no event loop runs "
            "then; what awaits belongs into the application's lifespan"
        )
    if function not in registered[hook]:
        registered[hook].append(function)
    return function
