"""The event loop of an ASGI worker: which one, and how a request's task begins in it."""

from __future__ import annotations

import asyncio
import importlib
import sys
import warnings
from asyncio import AbstractEventLoop, Task
from collections.abc import Callable, Coroutine

from typhon_worker.application.importer import LoadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Start = Callable[[Coroutine[Any, Any, None]], Task[None]]

# One name for all tasks: numbering them costs as much as making them.
_TASK_NAME = "typhon-request"


def make_loop(wanted: str) -> AbstractEventLoop:
    """Makes the loop and sets it as this thread's; `wanted` is one of LOOPS. Raises LoadError.

    With "auto", a loop that the application has set at its import is kept.
    """
    if wanted == "asyncio":
        loop: AbstractEventLoop = asyncio.SelectorEventLoop()
    elif wanted == "uvloop":
        try:
            loop = _make_uvloop()
        except ImportError as error:
            text = f"--loop uvloop: the interpreter {sys.executable} cannot import it: {error}"
            raise LoadError("import", text) from None
    else:
        loop = _find_set_loop() or _make_best_loop()
    asyncio.set_event_loop(loop)
    return loop


def _make_uvloop() -> AbstractEventLoop:
    loop: AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


def _make_best_loop() -> AbstractEventLoop:
    try:
        return _make_uvloop()
    except ImportError:
        return asyncio.new_event_loop()


# Before Python 3.14, asking for a loop where none is set makes one.
def _find_set_loop() -> AbstractEventLoop | None:
    try:
        loop = asyncio.get_event_loop() if sys.version_info >= (3, 14) else _ask_policy()
    except RuntimeError:
        return None
    return None if loop.is_closed() else loop


def _ask_policy() -> AbstractEventLoop:
    policy: Any = asyncio.get_event_loop_policy()
    policy.new_event_loop = _make_no_loop
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loop: AbstractEventLoop = policy.get_event_loop()
        finally:
            del policy.new_event_loop
    return loop


def _make_no_loop() -> AbstractEventLoop:
    raise RuntimeError("nobody has set a loop")


def find_starter(loop: AbstractEventLoop) -> Start:
    """Returns a function that makes a task and runs it up to its first wait.

    A task that has ended by then costs no turn of the loop.
    """
    if loop.get_task_factory() is not None:
        # The application wants its tasks to be made by its own factory.
        return loop.create_task
    if sys.version_info >= (3, 12):
        return lambda work: Task(work, loop=loop, name=_TASK_NAME, eager_start=True)
    return EagerStart(loop).start


class EagerStart:
    """Starts tasks eagerly where asyncio cannot (before Python 3.12)."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop: Any = loop
        self._begun: list[tuple[Callable[[], None], Any]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> Task[None]:
        """Makes a task and runs its first step.

        A new task asks the loop to call that step soon, in the task's context. Here the request is
        intercepted, and the step is called at once.
        """
        loop = self._loop
        loop.call_soon = self._keep
        try:
            task = Task(work, loop=loop, name=_TASK_NAME)
        finally:
            del loop.call_soon
        step, context = self._begun.pop()
        context.run(step)
        return task

    def _keep(self, step: Callable[[], None], *, context: Any) -> None:
        self._begun.append((step, context))
