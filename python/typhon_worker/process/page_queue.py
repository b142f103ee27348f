"""Taking pages from the queue, and the two shared files that belong to it: notes and cancels.

    queue (a pipe) ══ one page, one readv ══▶ a slot of this worker's notes
                                              the cancels say whether to begin it

The queue is one pipe that all workers of the application read. Because the kernel copies a page
straight into the mapped notes, taking a request and noting it are one system call: after a worker's
death the front reads in its notes which requests died with it.
"""

from __future__ import annotations

import os
from mmap import PROT_READ, mmap
from threading import get_native_id

from typhon_worker.wire import WireFault, frames, pages

from .channel import EXIT_CHANNEL_ENDED, Channel
from .native import get_ident, monotonic
from .tracebacks import describe

Page = tuple[int, int, float, bytes, bytes, bytes]

_ID_BYTES = len(pages.NO_ID)
_LAST_CANCEL_SLOT = pages.CANCEL_SLOTS - 1

_readv = os.readv
_write_note = pages.NOTE.pack_into


def create_notes(path: str, slots: int) -> int:
    """Creates a worker's notes, zeroed, and returns the descriptor. Fails with OSError."""
    return _create(path, slots * pages.SLOT_BYTES)


def create_cancels(path: str) -> int:
    """Creates the application's cancels, zeroed, and returns the descriptor. Fails with OSError."""
    return _create(path, pages.CANCEL_SLOTS * _ID_BYTES)


def _create(path: str, size: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.ftruncate(fd, size)
    return fd


class Notes:
    """The notes of one worker, mapped: a slot for each request that it may run at once."""

    def __init__(self, fd: int, slots: int) -> None:
        """Maps and closes `fd`."""
        self.memory = mmap(fd, slots * pages.SLOT_BYTES)
        os.close(fd)
        self._pages: list[memoryview] = []

    def page(self, at: int) -> memoryview:
        """Returns the bytes of the page in the slot at offset `at`."""
        with memoryview(self.memory) as whole:
            page = whole[at : at + pages.PAGE_BYTES]
        self._pages.append(page)
        return page

    def close(self) -> None:
        """Unmaps the file, which also closes the descriptor that a mapping keeps."""
        try:
            for page in self._pages:
                page.release()
            self.memory.close()
        except BufferError:
            # Another thread was inside a read when this process was forked. The mapping stays; it
            # does no harm, because only the parent's front reads the file.
            pass


class Slot:
    """One slot of the notes. Interfaces add what a request in the slot needs."""

    __slots__ = ("_id_at", "_memory", "at", "native_thread", "page", "thread")

    def __init__(self, number: int, notes: Notes) -> None:
        self.at = number * pages.SLOT_BYTES
        # A tuple, as readv wants it.
        self.page = (notes.page(self.at),)
        # The thread that runs the slot's requests: threading.get_ident() and the kernel's id. Both
        # are 0 until `bind_thread`.
        self.thread = 0
        self.native_thread = 0
        self._memory = notes.memory
        self._id_at = self.at + pages.ID_AT

    def bind_thread(self) -> None:
        """Makes the calling thread the one that runs the slot's requests."""
        self.thread = get_ident()
        self.native_thread = get_native_id()

    def clear_note(self) -> None:
        """Notes that the slot's request is answered."""
        self._memory[self._id_at : self._id_at + _ID_BYTES] = pages.NO_ID


class Cancels:
    """Ids of requests that need not be begun any more, mapped: the front writes, workers read.

    An id stands at the index `id % CANCEL_SLOTS`. A later id may replace an earlier one, whose
    request is then run although nobody waits for it.
    """

    def __init__(self, fd: int) -> None:
        """Maps `fd`, which may be closed afterwards."""
        self._memory = mmap(fd, pages.CANCEL_SLOTS * _ID_BYTES, prot=PROT_READ)
        # Native byte order: the front runs on the same machine.
        self.slots = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        """Unmaps the file, which also closes the descriptor that a mapping keeps."""
        self.slots.release()
        self._memory.close()


class PageQueue:
    """The reading end of the queue; `fd` never blocks."""

    def __init__(
        self, fd: int, notes: Notes, cancels: Cancels, channel: Channel, allowed: frozenset[int]
    ) -> None:
        """`allowed`: the combinations of flags that the interface supports."""
        self.fd = fd
        self._memory = notes.memory
        self._cancels = cancels.slots
        self._channel = channel
        self._allowed = allowed

    def take(self, slot: Slot) -> Page | None:
        """Reads a page into `slot` → id, flags, second of taking, names, values, inline body.

        None if the page was no request to run: a fence, or expired, or cancelled. The front has
        been told then. Raises BlockingIOError if the queue is empty, and WireFault.
        """
        memory = self._memory
        at = slot.at
        size = _readv(self.fd, slot.page)
        taken = monotonic()
        _write_note(memory, at + pages.PAGE_BYTES, taken, slot.native_thread, slot.thread)
        if size != pages.PAGE_BYTES:
            if size == 0:
                # No writer is left: the front is gone.
                os._exit(EXIT_CHANNEL_ENDED)
            raise WireFault(f"{size} bytes instead of a page")
        request, flags, latest, names, values, body = pages.decode(memory, at, self._allowed)
        if (
            flags == pages.FENCE_PAGE
            or 0.0 < latest < taken
            or self._cancels[request & _LAST_CANCEL_SLOT] == request
        ):
            self._channel.send(
                frames.encode(
                    frames.FENCE if flags == pages.FENCE_PAGE else frames.EXPIRED, request
                )
            )
            slot.clear_note()
            return None
        return request, flags, taken, names, values, body

    def fail(self, error: BaseException) -> None:
        """Ends the process after an exception of `take`, or a fault of the server in serving."""
        if isinstance(error, WireFault):
            self._channel.poisoned(f"the queue carried {error}")
        text = f"the worker failed: {describe(error, is_ours=True)}"
        self._channel.log(frames.LEVEL_ERROR, text)
        os._exit(EXIT_CHANNEL_ENDED)
