"""The private directory that front, launcher and workers meet in: queue, lifeline, streams, notes.

Made by the launcher, because Node can make neither a FIFO nor set the size of one. The front opens
what it needs and then unlinks it; until then the launcher keeps it open, so that nothing that a
worker wrote is lost and no end is seen that is none. What all workers share outlives the launcher:
the next one inherits it from the front, and workers old and new take from one queue.
"""

from __future__ import annotations

import fcntl
import os
import socket

from . import cancels, notes
from .surroundings import reopen
from .wire import PAGE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .worker import Start

# From here on the kernel wakes one exclusive sleeper for each write; before, only for the first
# page in an empty pipe.
EXCLUSIVE_SINCE = (5, 14)
# The kernel counts in 32 bits and would take a larger number for a small one.
MAX_PIPE_BYTES = 1 << 30
# FIFOs of a worker: what it prints, and its stacks at a signal.
STREAMS = ("out", "err", "stacks")
# The descriptors as which a launcher inherits queue, lifeline (its writing end) and cancels.
INHERITED = (4, 5, 6)


class Station:
    """The directory of one application, while its launcher lives."""

    def __init__(self, directory: str, pipe_pages: int, *, inherits: bool = False) -> None:
        """Fails with OSError where the directory, or what it `inherits`, is not usable."""
        self.directory = directory
        self.is_exclusive = _kernel() >= EXCLUSIVE_SINCE
        # Descriptors by the path that they wait for, closed when the front has unlinked it.
        self._kept: dict[str, int] = {}
        if inherits:
            self.queue, self.lifeline, self.cancels = _take_over()
        else:
            self.queue = self._make("queue", os.O_RDONLY)
            self.lifeline = self._make("lifeline", os.O_RDONLY)
            self.cancels = cancels.create(self._path("cancels"))
            # Without a writer a worker's end would look like the front's before that has opened it.
            writer = os.open(self._path("lifeline"), os.O_WRONLY | os.O_CLOEXEC)
            self._kept["lifeline"] = writer
        self.pipe_pages = _enlarge(self.queue, pipe_pages)

    @property
    def is_handing_over(self) -> bool:
        """Whether the front has yet to open something."""
        return bool(self._kept)

    def prepare(self, start: Start) -> None:
        """Makes what belongs to one worker. Fails with OSError."""
        name = f"w{start.number}"
        for stream in STREAMS:
            fd = self._make(f"{name}.{stream}", os.O_RDWR)
            self._kept[f"{name}.{stream}"] = fd
            setattr(start, stream, fd)
        start.directory = self.directory
        start.door = self._listen(f"{name}.channel")
        start.notes = notes.create(self._path(f"{name}.notes"), start.settings.slots)
        start.queue = self.queue
        start.lifeline = self.lifeline
        start.cancels = self.cancels
        start.is_exclusive = self.is_exclusive
        start.to_close = [self.queue, self.lifeline, self.cancels, *self._kept.values()]

    def started(self, start: Start) -> None:
        """The worker has what it needs of `start`."""
        os.close(start.notes)
        os.close(start.door)

    def release(self, start: Start) -> None:
        """The worker was not started after all."""
        for stream in STREAMS:
            fd = self._kept.pop(f"w{start.number}.{stream}", None)
            if fd is not None:
                os.close(fd)
        for fd in (start.notes, start.door):
            if fd >= 0:
                os.close(fd)

    def ended(self, number: int) -> None:
        """The worker has ended: what it listened on would only be left behind."""
        for name in self._names():
            worker, _, kind = name.partition(".")
            if worker == f"w{number}" and kind.endswith(("channel", "socket")):
                self._unlink(name)

    def hand_over(self) -> None:
        """Lets go of what the front has opened by now."""
        for name in [name for name in self._kept if not os.path.exists(self._path(name))]:
            os.close(self._kept.pop(name))

    def remove(self) -> None:
        """Removes the directory and what is left in it."""
        for name in self._names():
            self._unlink(name)
        try:
            os.rmdir(self.directory)
        except OSError:
            pass

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.directory)
        except OSError:
            return []

    # The front removes what it has opened, and in the end everything: either may be faster.
    def _unlink(self, name: str) -> None:
        try:
            os.unlink(self._path(name))
        except OSError:
            pass

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    # The front connects when it hears of the worker; until then it waits in the backlog.
    def _listen(self, name: str) -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(self._path(name))
            door.listen(1)
            return door.detach()

    def _make(self, name: str, access: int) -> int:
        path = self._path(name)
        os.mkfifo(path, 0o600)
        return os.open(path, access | os.O_NONBLOCK | os.O_CLOEXEC)


# Reopened: descriptions of our own, and only the front is to hold the writing end of the lifeline.
# It does, so what is opened here has a writer.
def _take_over() -> tuple[int, int, int]:
    queue, lifeline, shared = INHERITED
    waiting = os.O_RDONLY | os.O_NONBLOCK
    taken = (reopen(queue, waiting), reopen(lifeline, waiting), reopen(shared, os.O_RDWR))
    for fd in INHERITED:
        os.close(fd)
    return taken


# Pages that fit: as many as asked for, or as the kernel lets this user have.
def _enlarge(fd: int, pages: int) -> int:
    size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    wanted = min(pages * PAGE_BYTES, MAX_PIPE_BYTES)
    while wanted > size:
        try:
            return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wanted) // PAGE_BYTES
        except OSError:
            wanted //= 2
    return size // PAGE_BYTES


def _kernel() -> tuple[int, ...]:
    numbers = []
    for part in os.uname().release.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return tuple(numbers)
