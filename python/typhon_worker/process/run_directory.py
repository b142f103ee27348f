"""The run directory: the private folder where front, launcher and workers find each other's files.

The launcher makes the files, because Node can neither make a FIFO nor set the size of a pipe. The
front opens each file and unlinks it; until then the launcher keeps it open, so that no output of a
worker is lost and no end of file is seen too early. Queue, lifeline and cancels outlive a launcher:
the next launcher inherits them from the front, so that old and new workers take from one queue.
"""

from __future__ import annotations

import fcntl
import os
import socket

from typhon_worker.wire import pages

from .page_queue import create_cancels, create_notes
from .process_setup import reopen
from .worker_context import WorkerContext

# Since this kernel each write wakes one exclusive sleeper; before, only a write into an empty pipe
# did.
EXCLUSIVE_SINCE = (5, 14)
# The kernel keeps pipe sizes in 32 bits, and would wrap a larger number round.
MAX_PIPE_BYTES = 1 << 30
# FIFOs of a worker: its standard output, its standard error, and its stacks at a signal.
STREAMS = ("out", "err", "stacks")
# Descriptors of an inherited queue, lifeline (the writing end) and cancels.
INHERITED = (4, 5, 6)


class RunDirectory:
    """The run directory of one application, while its launcher lives."""

    def __init__(self, directory: str, pipe_pages: int, *, inherits: bool = False) -> None:
        """Fails with OSError if the directory, or what it inherits, is not usable."""
        self.directory = directory
        self.is_exclusive = _kernel() >= EXCLUSIVE_SINCE
        # Descriptors by file name, each kept open until the front has unlinked the file.
        self._kept: dict[str, int] = {}
        if inherits:
            self.queue, self.lifeline, self.cancels = _take_over()
        else:
            self.queue = self._make_fifo("queue", os.O_RDONLY)
            self.lifeline = self._make_fifo("lifeline", os.O_RDONLY)
            self.cancels = create_cancels(self._path("cancels"))
            # A lifeline without a writer would look like the front's end before the front has
            # opened it.
            writer = os.open(self._path("lifeline"), os.O_WRONLY | os.O_CLOEXEC)
            self._kept["lifeline"] = writer
        self.pipe_pages = _enlarge(self.queue, pipe_pages)

    @property
    def is_handing_over(self) -> bool:
        """Whether the front has not opened every file yet."""
        return bool(self._kept)

    def prepare(self, context: WorkerContext) -> None:
        """Makes the files of one worker. Fails with OSError."""
        name = f"w{context.number}"
        for stream in STREAMS:
            fd = self._make_fifo(f"{name}.{stream}", os.O_RDWR)
            self._kept[f"{name}.{stream}"] = fd
            setattr(context, f"{stream}_fd", fd)
        context.base = self._path(name)
        context.listener_fd = self._listen(f"{name}.channel")
        context.notes_fd = create_notes(self._path(f"{name}.notes"), context.settings.slots)
        context.queue_fd = self.queue
        context.lifeline_fd = self.lifeline
        context.cancels_fd = self.cancels
        context.is_exclusive = self.is_exclusive
        context.to_close = [self.queue, self.lifeline, self.cancels, *self._kept.values()]

    def started(self, context: WorkerContext) -> None:
        """In the launcher, after the fork: closes what only the worker needs."""
        os.close(context.notes_fd)
        os.close(context.listener_fd)

    def release(self, context: WorkerContext) -> None:
        """Closes the files of a worker that could not be started."""
        for stream in STREAMS:
            fd = self._kept.pop(f"w{context.number}.{stream}", None)
            if fd is not None:
                os.close(fd)
        for fd in (context.notes_fd, context.listener_fd):
            if fd >= 0:
                os.close(fd)

    def ended(self, number: int) -> None:
        """Removes the sockets of a worker that has ended: nobody else would."""
        for name in self._names():
            worker, _, kind = name.partition(".")
            if worker == f"w{number}" and kind.endswith(("channel", "socket")):
                self._unlink(name)

    def hand_over(self) -> None:
        """Closes the files that the front has opened and unlinked by now."""
        for name in [name for name in self._kept if not os.path.exists(self._path(name))]:
            os.close(self._kept.pop(name))

    def remove(self) -> None:
        """Removes the directory and its files."""
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

    # The front unlinks the same files, and may be faster.
    def _unlink(self, name: str) -> None:
        try:
            os.unlink(self._path(name))
        except OSError:
            pass

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    # The front connects when it hears of the worker. Its connection waits in the backlog until the
    # worker accepts it.
    def _listen(self, name: str) -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self._path(name))
            listener.listen(1)
            return listener.detach()

    def _make_fifo(self, name: str, access: int) -> int:
        path = self._path(name)
        os.mkfifo(path, 0o600)
        return os.open(path, access | os.O_NONBLOCK | os.O_CLOEXEC)


# Reopens the inherited files for open file descriptions of this launcher's own. Only the front may
# hold the writing end of the lifeline; it does, so the reading end opened here has a writer.
def _take_over() -> tuple[int, int, int]:
    queue, lifeline, cancels = INHERITED
    reading = os.O_RDONLY | os.O_NONBLOCK
    taken = (reopen(queue, reading), reopen(lifeline, reading), reopen(cancels, os.O_RDWR))
    for fd in INHERITED:
        os.close(fd)
    return taken


# Sets the size of a pipe and returns it in pages: as many as asked for, or as many as the kernel
# allows this user.
def _enlarge(fd: int, wanted_pages: int) -> int:
    size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    wanted = min(wanted_pages * pages.PAGE_BYTES, MAX_PIPE_BYTES)
    while wanted > size:
        try:
            return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wanted) // pages.PAGE_BYTES
        except OSError:
            wanted //= 2
    return size // pages.PAGE_BYTES


# "5.14-rc1" → (5, 14)
def _kernel() -> tuple[int, ...]:
    numbers = []
    for part in os.uname().release.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return tuple(numbers)
