"""The event loop of an ASGI worker: which one, and how a request's task begins in it."""

from __future__ import annotations

import asyncio
import importlib
import sys
import warnings
from asyncio import Task

from .importer import LoadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine
    from typing import Any

    Start = Callable[[Coroutine[Any, Any, None]], Task[None]]

# One text for all: numbering them costs as much as the task.
_TASK_NAME = "typhon-request"


def make_loop(wanted: str) -> AbstractEventLoop:
    """Makes the loop and sets it as this thread's; `wanted` is of LOOPS. Raises LoadError.

    One that the application has set while it was imported stays, unless another kind is asked for.
    """
    loop = _find_set_loop() if wanted != "uvloop" else None
    if loop is None:
        loop = _make_uvloop(wanted) if wanted != "asyncio" else None
    if loop is None:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def _make_uvloop(wanted: str) -> AbstractEventLoop | None:
    try:
        loop: AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    except ImportError as error:
        if wanted == "uvloop":
            text = f"--loop uvloop: the interpreter {sys.executable} cannot import it: {error}"
            raise LoadError("import", text) from None
        return None
    return loop


# Asking for a loop that nobody has set makes one, after a warning.
def _find_set_loop() -> AbstractEventLoop | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loop = asyncio.get_event_loop()
        except (RuntimeError, DeprecationWarning):
            return None
    return None if loop.is_closed() else loop


def starter(loop: AbstractEventLoop) -> Start:
    """Returns what makes a task and runs it up to where it first waits.

    A task that is done by then costs no turn of the loop.
    """
    if loop.get_task_factory() is not None:
        # The application's own wish.
        return loop.create_task
    if sys.version_info >= (3, 12):
        return lambda work: Task(work, loop=loop, name=_TASK_NAME, eager_start=True)
    return EagerStart(loop).start


class EagerStart:
    """Begins tasks at once where they know no eager start (before Python 3.12)."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop: Any = loop
        self._begun: list[tuple[Callable[[], None], Any]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> Task[None]:
        """Makes a task and runs its first step.

        A task asks its loop to call that step soon, in the context of the task; all that is
        different here is when that is.
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
