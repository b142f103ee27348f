"""The files in which front, launcher and workers meet, and the run directories that hold them.

    the front makes a run directory ─▶ the launcher makes files in it, keeps them open, and tells
    the front ─▶ the front opens the files and removes the directory ─▶ the launcher closes its own

A run directory exists for the moment of one start, so that no cleaner of temporary folders can end
a server's ability to start workers. The launcher makes the files, because Node can neither make a
FIFO nor set the size of a pipe. It keeps them open until the front has opened them, so that no
output of a worker is lost and no end of file is seen too early. Queue, lifeline and cancels outlive
a launcher: the next launcher inherits them from the front, so that old and new workers take from
one queue.
"""

from __future__ import annotations

import fcntl
import os
import signal
from socket import AF_UNIX, SOCK_STREAM

from typhon_worker.wire import pages

from .native import socket
from .page_queue import create_cancels, create_notes
from .process_setup import move_high, reopen, signal_at_end
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


class RunFiles:
    """The files of one application, while its launcher lives."""

    def __init__(self, directory: str, pipe_pages: int, *, inherits: bool = False) -> None:
        """Makes the files of all workers in `directory`. Fails with OSError."""
        self.is_exclusive = _kernel() >= EXCLUSIVE_SINCE
        # Descriptors by run directory, kept open until the front has removed the directory.
        self._kept: dict[str, list[int]] = {}
        # The run directories in which workers that still run were started, by worker number.
        self._started_in: dict[int, str] = {}
        if inherits:
            self.queue, self.lifeline, self.cancels = _take_over()
        else:
            self.queue = _make_fifo(os.path.join(directory, "queue"), os.O_RDONLY)
            lifeline = os.path.join(directory, "lifeline")
            self.lifeline = _make_fifo(lifeline, os.O_RDONLY)
            self.cancels = create_cancels(os.path.join(directory, "cancels"))
            # A lifeline without a writer would look like the front's end before the front has
            # opened it.
            self._kept[directory] = [os.open(lifeline, os.O_WRONLY | os.O_CLOEXEC)]
        # A stopped launcher (Ctrl-Z, a debugger) could not see the front's end, and would stay.
        signal_at_end(self.lifeline, signal.SIGCONT)
        self.pipe_pages = _enlarge(self.queue, pipe_pages)

    @property
    def is_handing_over(self) -> bool:
        """Whether the front has not opened every file yet."""
        return bool(self._kept)

    @property
    def descriptors(self) -> list[int]:
        """The launcher's descriptors, which a forked process has to close."""
        kept = [fd for fds in self._kept.values() for fd in fds]
        return [self.queue, self.lifeline, self.cancels, *kept]

    def prepare(self, context: WorkerContext, directory: str) -> None:
        """Makes the files of one worker. Fails with an OSError that names file or directory."""
        context.run_directory = directory
        self._kept[directory] = []
        try:
            self._make_files(context, directory)
        except OSError as error:
            error.filename = error.filename or directory
            raise
        context.queue_fd = self.queue
        context.lifeline_fd = self.lifeline
        context.cancels_fd = self.cancels
        context.is_exclusive = self.is_exclusive
        context.to_close = self.descriptors

    def _make_files(self, context: WorkerContext, directory: str) -> None:
        for stream in STREAMS:
            fd = _make_fifo(os.path.join(directory, stream), os.O_RDWR)
            self._kept[directory].append(fd)
            setattr(context, f"{stream}_fd", fd)
        context.listener_fd = listen(os.path.join(directory, "channel")).detach()
        context.notes_fd = create_notes(os.path.join(directory, "notes"), context.settings.threads)

    def started(self, context: WorkerContext) -> None:
        """In the launcher, after the fork: closes what only the worker needs."""
        self._started_in[context.number] = context.run_directory
        os.close(context.notes_fd)
        os.close(context.listener_fd)

    def note_started(self, number: int, directory: str) -> None:
        """A template has started this worker in the run directory."""
        self._started_in[number] = directory

    def take_to_template(self, context: WorkerContext) -> set[int]:
        """In a template: moves the files of the application and of its first worker high.

        Returns the numbers that they had. The files of other workers are the launcher's.
        """
        files = [self.queue, self.lifeline, self.cancels]
        self.queue, self.lifeline, self.cancels = map(move_high, files)
        context.queue_fd, context.lifeline_fd = self.queue, self.lifeline
        context.cancels_fd = self.cancels
        moved = set(files)
        for name in ("out_fd", "err_fd", "stacks_fd", "listener_fd", "notes_fd"):
            fd = getattr(context, name)
            moved.add(fd)
            setattr(context, name, move_high(fd))
        self._kept.clear()
        self._started_in.clear()
        return moved

    def release(self, context: WorkerContext) -> None:
        """Closes the files of a worker that could not be started."""
        for fd in (*self._kept.pop(context.run_directory, ()), context.notes_fd):
            if fd >= 0:
                os.close(fd)
        if context.listener_fd >= 0:
            os.close(context.listener_fd)

    def ended(self, number: int) -> None:
        """Removes the folders of sockets of a worker that has ended: nobody else would."""
        parent, name = os.path.split(self._started_in.pop(number, ""))
        if not name:
            return  # It has never run.
        for entry in _list(parent):
            if entry.startswith(f"{name}."):
                remove_directory(os.path.join(parent, entry))

    def hand_over(self) -> None:
        """Closes the files that the front has opened by now: their directory is gone.

        Another user may make its path anew at once.
        """
        for directory in [one for one in self._kept if not _is_own(one)]:
            for fd in self._kept.pop(directory):
                os.close(fd)

    def remove(self) -> None:
        """Removes the directories that no front will remove any more."""
        for directory in self._kept:
            remove_directory(directory)


def listen(path: str) -> socket:
    """Listens for one connection on a Unix socket; a client may connect at once. OSError."""
    listener = socket(AF_UNIX, SOCK_STREAM)
    try:
        listener.bind(path)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_own(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except OSError:
        return False


def remove_directory(directory: str) -> None:
    """Removes a run directory of this user and its files. The front may be faster.

    After a cleaner has removed it, another user may have made the path anew: no link is followed.
    """
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            for name in os.listdir(fd):
                os.unlink(name, dir_fd=fd)
            os.rmdir(directory)
    except OSError:
        pass  # The front removes the same files at this moment, and the directory after them.
    finally:
        os.close(fd)


def _make_fifo(path: str, access: int) -> int:
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
