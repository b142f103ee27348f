"""The ends of child processes: exit code or signal, and the most memory that each one used.

SIGCHLD writes into a pipe that the launcher polls. The launcher is a child subreaper: it inherits
the orphans of its workers, and reaps them too.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from types import FrameType

from .native import read

_PR_SET_CHILD_SUBREAPER = 36
_BYTES_A_KIB = 1024
_READ_BYTES = 4096
_WAIT_STEP_SECONDS = 0.002

# A green library replaces it, for SIGCHLD.
_set_handler = signal.signal


class ProcessEnd:
    """How one process ended: its exit code, or the signal that killed it; peak memory in bytes."""

    def __init__(self, pid: int, status: int, peak_rss: int) -> None:
        outcome = os.waitstatus_to_exitcode(status)
        self.pid = pid
        self.code = outcome if outcome >= 0 else None
        self.signal = -outcome if outcome < 0 else None
        self.peak_rss = peak_rss

    @classmethod
    def unknown(cls, pid: int) -> ProcessEnd:
        """The end of a process that another one has reaped."""
        end = cls(pid, 0, 0)
        end.code = None
        return end


# Without a handler Python would not write into the wake-up descriptor.
def _on_child(_signal: int, _frame: FrameType | None) -> None:
    pass


class Reaper:
    """Reaps children; `fd` is readable when one may have ended."""

    def __init__(self) -> None:
        self.fd, self._wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Of an application that this process has loaded; None: it was not set from Python.
        self._previous = _set_handler(signal.SIGCHLD, _on_child)
        signal.set_wakeup_fd(self._wake_fd, warn_on_full_buffer=False)

    def descriptors(self) -> list[int]:
        """Lists the descriptors that a forked worker has to close."""
        return [self.fd, self._wake_fd]

    def leave_in_child(self) -> None:
        """In a forked worker: restores SIGCHLD, so that its children are its own affair."""
        signal.set_wakeup_fd(-1)
        previous = self._previous
        _set_handler(signal.SIGCHLD, signal.SIG_DFL if previous is None else previous)

    def reap(self) -> list[ProcessEnd]:
        """Reaps the children that have ended since the last call."""
        self._drain()
        ends: list[ProcessEnd] = []
        while (end := _reap(-1)) is not None:
            ends.append(end)
        return ends

    def reap_some(self, pids: Iterable[int]) -> list[ProcessEnd]:
        """Reaps those of these children that have ended.

        One that a thread of the application has reaped has an unknown end.
        """
        self._drain()
        return [end for end in map(_reap_known, pids) if end is not None]

    def wait(self, pids: set[int], seconds: float) -> None:
        """Waits until these processes have ended, at most so many seconds.

        Those that were reaped before are not waited for.
        """
        latest = time.monotonic() + seconds
        left = {pid for pid in pids if is_child(pid)}
        while True:
            left -= {end.pid for end in self.reap()}
            if not left or time.monotonic() >= latest:
                return
            time.sleep(_WAIT_STEP_SECONDS)

    def _drain(self) -> None:
        try:
            read(self.fd, _READ_BYTES)
        except BlockingIOError:
            pass


# Reaps the child, or any child (-1), if it has ended.
def _reap(child: int) -> ProcessEnd | None:
    try:
        pid, status, usage = os.wait4(child, os.WNOHANG)
    except ChildProcessError:
        return None
    return ProcessEnd(pid, status, usage.ru_maxrss * _BYTES_A_KIB) if pid else None


def _reap_known(child: int) -> ProcessEnd | None:
    end = _reap(child)
    return ProcessEnd.unknown(child) if end is None and not is_child(child) else end


def is_child(pid: int) -> bool:
    """Whether a process is a child of this one; also a zombie."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def become_subreaper() -> None:
    """Inherits orphans, so that a front that is process 1 collects no zombies. Best effort."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass
