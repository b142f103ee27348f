"""The ends of child processes: exit code or signal, and the most memory that each one used.

SIGCHLD writes into a pipe that the launcher polls. The launcher is a child subreaper: it inherits
the orphans of its workers, and reaps them too.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36
_BYTES_A_KIB = 1024
_READ_BYTES = 4096
_WAIT_STEP_SECONDS = 0.002


class ProcessEnd:
    """How one process ended: its exit code, or the signal that killed it; peak memory in bytes."""

    def __init__(self, pid: int, status: int, peak_rss: int) -> None:
        outcome = os.waitstatus_to_exitcode(status)
        self.pid = pid
        self.code = outcome if outcome >= 0 else None
        self.signal = -outcome if outcome < 0 else None
        self.peak_rss = peak_rss


# Without a handler Python would not write into the wake-up descriptor.
def _on_child(_signal: int, _frame: FrameType | None) -> None:
    pass


class Reaper:
    """Reaps children; `fd` is readable when one may have ended."""

    def __init__(self) -> None:
        self.fd, self._wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, _on_child)
        signal.set_wakeup_fd(self._wake_fd, warn_on_full_buffer=False)

    def descriptors(self) -> list[int]:
        """Lists the descriptors that a forked worker has to close."""
        return [self.fd, self._wake_fd]

    def leave_in_child(self) -> None:
        """In a forked worker: restores SIGCHLD, so that its children are its own affair."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def reap(self) -> list[ProcessEnd]:
        """Reaps the children that have ended since the last call."""
        try:
            os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            pass
        ends: list[ProcessEnd] = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ends
            if pid == 0:
                return ends
            ends.append(ProcessEnd(pid, status, usage.ru_maxrss * _BYTES_A_KIB))

    def wait(self, pids: set[int], seconds: float) -> None:
        """Waits until these processes have ended, at most so many seconds."""
        latest = time.monotonic() + seconds
        left = set(pids)
        while True:
            left -= {end.pid for end in self.reap()}
            if not left or time.monotonic() >= latest:
                return
            time.sleep(_WAIT_STEP_SECONDS)


def become_subreaper() -> None:
    """Inherits orphans, so that a front that is process 1 collects no zombies. Best effort."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass
