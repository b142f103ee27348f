"""What a launcher and a template have in common: they fork workers and report their ends.

    control ── start ──▶ files of the worker ─▶ fork ─▶ `run` returns in the worker
            ◀─ started, not-started, ended

One thread polls control and the ends of processes. Knows nothing of the application.
"""

from __future__ import annotations

import errno
import os
import sys

from typhon_worker.wire.settings import Settings

from .control import Control, ControlFault, encode
from .hook_processes import HookContext
from .native import POLLIN, poll
from .process_setup import fork_own
from .reaper import ProcessEnd, Reaper
from .run_directory import RunFiles
from .worker_context import WorkerContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How often the parent looks whether the front has opened the files that are kept open for it.
HANDOVER_MS = 20

# What an operator can do where the files of a start cannot be made.
_REMEDIES = {
    errno.EFBIG: "the limit of file sizes is too low (ulimit -f, LimitFSIZE)",
    errno.ENOSPC: "the file system is full",
}


class WorkerParent:
    """Forks workers on request. `run` returns in each forked worker, too."""

    def __init__(self, control: int) -> None:
        self.control = Control(control)
        self._reaper = Reaper()
        # Process ids by worker number.
        self._running: dict[int, int] = {}
        self._poll = poll()
        self._poll.register(control, POLLIN)
        self._poll.register(self._reaper.fd, POLLIN)

    def run(self) -> WorkerContext | HookContext | None:
        """Serves control until its end → None; in a forked process → that process's context."""
        while True:
            events = self._poll.poll(self._timeout())
            if not events:
                self._on_timeout()
            for fd, _event in events:
                if fd == self._reaper.fd:
                    for end in self._reap():
                        self._on_end(end)
                elif fd == self.control.fd:
                    messages = self.control.receive()
                    if messages is None:
                        return None
                    for message in messages:
                        context = self._obey(message)
                        if context is not None:
                            return context
                elif not self._on_event(fd):
                    return None
            if self._files is not None:
                self._files.hand_over()

    @property
    def _files(self) -> RunFiles | None:
        raise NotImplementedError

    # Returns the context in a process that was forked meanwhile.
    def _obey(self, message: dict[str, Any]) -> WorkerContext | HookContext | None:
        raise NotImplementedError

    # Another descriptor than control and the reaper's is readable; False ends `run`.
    def _on_event(self, _fd: int) -> bool:
        return False

    def _reap(self) -> list[ProcessEnd]:
        return self._reaper.reap()

    # Milliseconds after which `_on_timeout` is called, unless something happens.
    def _timeout(self) -> int | None:
        return HANDOVER_MS if self._files is not None and self._files.is_handing_over else None

    def _on_timeout(self) -> None:
        pass

    # What a forked process gives up: the parent's signals, and the descriptors that it returns.
    def _leave_in_child(self) -> list[int]:
        self._reaper.leave_in_child()
        return [self.control.fd, *self._reaper.descriptors()]

    def _start(
        self, files: RunFiles, number: int, directory: str, settings: Settings
    ) -> WorkerContext | None:
        context = WorkerContext(number, settings)
        try:
            files.prepare(context, directory)
        except OSError as error:
            self._not_started(files, context, error)
            return None
        return self._fork(files, context)

    # Forks a worker whose files are there.
    def _fork(self, files: RunFiles, context: WorkerContext) -> WorkerContext | None:
        try:
            pid = fork_own()
        except OSError as error:
            self._not_started(files, context, error)
            return None
        if pid == 0:
            # A process group of its own: a killpg(0) of the application, or `kill 0` in a shell
            # that it starts, ends no other worker and not the front.
            os.setpgid(0, 0)
            context.to_close += self._leave_in_child()
            return context
        files.started(context)
        self._running[context.number] = pid
        self.control.say(op="started", worker=context.number, pid=pid)
        return None

    def _not_started(self, files: RunFiles, context: WorkerContext, error: OSError) -> None:
        files.release(context)
        self.control.say(op="not-started", worker=context.number, text=explain(error))

    def _on_end(self, end: ProcessEnd) -> None:
        for number, pid in self._running.items():
            if pid == end.pid:
                self._tell_end(number, end)
                return

    def _tell_end(self, number: int, end: ProcessEnd) -> None:
        self._running.pop(number, None)
        if self._files is not None:
            self._files.ended(number)
        self.control.say(
            op="ended", worker=number, code=end.code, signal=end.signal, peak_rss=end.peak_rss
        )

    # The process has not been reaped, so its id still belongs to it.
    def _kill(self, pid: int, which: int) -> None:
        try:
            os.kill(pid, which)
        except OSError as error:
            print(f"signal {which} to {pid}: {error}", file=sys.stderr, flush=True)


def unknown(message: dict[str, Any]) -> ControlFault:
    """A message that has no meaning here."""
    return ControlFault(f"an unknown control message: {encode(message)[:200].strip()!r}")


def explain(error: Exception) -> str:
    """Says why a start has failed, with the remedy if there is one."""
    remedy = _REMEDIES.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{error}: {remedy}" if remedy else str(error)
