"""A template: a process that has loaded the application once, and forks the workers of one load.

    the launcher's fork ─▶ open ─▶ load ─▶ run ── start ──▶ fork: `run` returns in the worker
                                                └─ the end of the launcher's socket: exit

It has the files of its first worker: what the application prints while it loads is that worker's
output. Code that does not load is kept as an exception, which each forked worker reports. Workers
live on when their template ends.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
from collections.abc import Callable

from . import process_setup
from .fork_hazards import Hazards
from .hook_processes import HookContext
from .native import find_green_library, forget_children, renew_green_library
from .process_setup import FRONT_DECIDES, move_high
from .reaper import ProcessEnd
from .run_directory import RunFiles
from .worker_context import WorkerContext
from .worker_parent import WorkerParent, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "typhon-template"
# For the exit functions of an application whose last worker has ended.
EXIT_SECONDS = 5


class Template:
    """The application as one load has made it."""

    def __init__(self, context: WorkerContext, files: RunFiles) -> None:
        """In the forked process: `context` is that of the first worker, `files` the launcher's."""
        self._context = context
        self._files = files
        self._control = -1
        self._loaded: Any = None
        self._failure: Exception | None = None
        self._hazards = Hazards()

    def open(self) -> None:
        """Sets up the process as a worker's is, before the application is imported."""
        context, files = self._context, self._files
        for fd in set(context.to_close) - files.take_to_template(context):
            os.close(fd)
        context.to_close = [*files.descriptors, *context.streams()]
        self._control = move_high(context.control_fd)
        context.control_fd = -1
        context.enter()
        process_setup.take_name(NAME)
        process_setup.close_in_children(self._close_in_child)

    def load(self, load: Callable[[], object]) -> None:
        """Calls `load`, whose result or exception the workers get."""
        self._hazards.begin()
        try:
            self._loaded = load()
        except Exception as error:
            self._failure = error
        self._hazards.end(is_green=bool(find_green_library()))

    def run(self) -> WorkerContext | None:
        """Forks workers until the launcher's end → None; in a forked worker → its context."""
        # What the application has made stays in shared memory: the collector of a worker does not
        # write into it.
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        is_usable = self._failure is None
        parent = _Parent(self._context, self._files, self._control)
        context = parent.serve(is_usable=is_usable)
        if context is None and not parent.has_workers:
            _run_exit_functions()
        assert not isinstance(context, HookContext)  # A template is asked for none.
        return context

    def take(self) -> Any:
        """In a worker: returns what was loaded, or raises why it was not."""
        if self._failure is not None:
            raise self._failure
        return self._loaded

    def describe_hazards(self) -> str:
        """In a worker: what the fork has not copied as may be expected, "" if nothing."""
        return self._hazards.describe()

    # A child that the application forks while it loads.
    def _close_in_child(self) -> None:
        context = self._context
        for fd in (
            self._control,
            context.listener_fd,
            context.notes_fd,
            *context.held(),
            *context.to_close,
        ):
            try:
                os.close(fd)
            except OSError:
                continue  # The application has closed it.


# What the load has started ends with the last worker: managers and pools of multiprocessing, say.
def _run_exit_functions() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
    signal.alarm(EXIT_SECONDS)
    atexit._run_exitfuncs()


# The loop of a template, after the load.
class _Parent(WorkerParent):
    def __init__(self, first: WorkerContext, files: RunFiles, control: int) -> None:
        super().__init__(control)
        self._first = first
        self._own_files = files
        # The worker's process closes what keeps the template alive and its stacks readable.
        self._private = first.held()
        # A handler of the application must not end the template before its workers.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, FRONT_DECIDES)
        # The reaper needs it, whatever the application has blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))

    def serve(self, *, is_usable: bool) -> WorkerContext | HookContext | None:
        context = self._fork(self._own_files, self._first)
        if context is not None:
            return context
        for fd in self._first.streams():
            os.close(fd)
        self.control.say(op="loaded", ok=is_usable)
        return self.run()

    @property
    def has_workers(self) -> bool:
        return bool(self._running)

    @property
    def _files(self) -> RunFiles | None:
        return self._own_files

    def _obey(self, message: dict[str, Any]) -> WorkerContext | None:
        match message:
            case {"op": "start", "worker": int(number), "directory": str(directory)}:
                settings = self._first.settings.at(message)
                return self._start(self._own_files, number, directory, settings)
            case {"op": "signal", "worker": int(number), "signal": int(which)}:
                if number in self._running:
                    self._kill(self._running[number], which)
                if which == signal.SIGKILL:
                    self.control.say(op="signalled", worker=number)
            case _:
                raise unknown(message)
        return None

    def _fork(self, files: RunFiles, context: WorkerContext) -> WorkerContext | None:
        # A worker must not print again what waits in the buffers.
        process_setup.flush_streams()
        forked = super()._fork(files, context)
        if forked is not None:
            forked.is_from_template = forked.settings.is_entered = True
        return forked

    # Other children are the application's own affair.
    def _reap(self) -> list[ProcessEnd]:
        return self._reaper.reap_some(self._running.values())

    def _leave_in_child(self) -> list[int]:
        left = super()._leave_in_child()
        renew_green_library()
        forget_children()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        return [*left, *self._private]
