"""Taking pages from the queue, and the two shared files that belong to it: notes and cancels.

    queue (a pipe) ══ one page, one readv ══▶ a slot of this worker's notes
                                              the cancels say whether to begin it

The queue is one pipe that all workers of the application read. Because the kernel copies a page
straight into the mapped notes, taking a request and noting it are one system call: after a worker's
death the front reads in its notes which requests died with it.
"""

from __future__ import annotations

import errno
import os
from mmap import ALLOCATIONGRANULARITY, PROT_READ, mmap
from threading import get_native_id

from typhon_worker.wire import WireFault, frames, pages

from .channel import EXIT_CHANNEL_ENDED, Channel
from .native import get_ident, monotonic
from .tracebacks import describe

Page = tuple[int, int, float, bytes, bytes, bytes]

_ID_BYTES = len(pages.NO_ID)
_LAST_CANCEL_SLOT = pages.CANCEL_SLOTS - 1

# Slots of the smallest notes: the fewest that fill whole pages of memory (64 slots, 266,240 bytes,
# where these have 4,096 bytes). Notes grow to twice as many, because each mapped part of the file
# keeps a descriptor.
FIRST_SLOTS = ALLOCATIONGRANULARITY // (pages.SLOT_BYTES - pages.PAGE_BYTES)
# A file system that cannot reserve room says one of these.
_NO_RESERVING = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)

_readv = os.readv
_write_note = pages.NOTE.pack_into


def create_notes(path: str, slots: int) -> int:
    """Creates a worker's notes with at least so many slots, zeroed → descriptor. OSError."""
    size = FIRST_SLOTS
    while size < slots:
        size *= 2
    return _create(path, size * pages.SLOT_BYTES)


def create_cancels(path: str) -> int:
    """Creates the application's cancels, zeroed, and returns the descriptor. Fails with OSError."""
    return _create(path, pages.CANCEL_SLOTS * _ID_BYTES)


def _create(path: str, size: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _reserve(fd, 0, size)
    except OSError as error:
        os.close(fd)
        error.filename = path
        raise
    return fd


# A mapped file must have its room before it is used: where the file system is full, the kernel
# ends a process that touches a page without room (SIGBUS), or fails its read (EFAULT).
def _reserve(fd: int, start: int, size: int) -> None:
    try:
        os.posix_fallocate(fd, start, size)
    except OSError as error:
        if error.errno not in _NO_RESERVING:
            raise
        os.ftruncate(fd, start + size)


class Notes:
    """The notes of one worker, mapped: a slot for each request that it may run at once."""

    def __init__(self, fd: int) -> None:
        """Maps the file part by part, as slots are used; keeps `fd`."""
        self._fd = fd
        self._parts: list[mmap] = []
        # The first slot of the newest part, and the first slot behind it.
        self._first = self._end = 0
        self._pages: list[memoryview] = []

    def place(self, number: int) -> tuple[mmap, int]:
        """Returns where the slot `number` is: the mapped part, and the offset in it.

        Slots are asked for in their order from 0. Fails with OSError if the file cannot grow.
        """
        if number == self._end:
            start = number * pages.SLOT_BYTES
            size = start or FIRST_SLOTS * pages.SLOT_BYTES
            if os.fstat(self._fd).st_size < start + size:
                _reserve(self._fd, start, size)
            self._parts.append(mmap(self._fd, size, offset=start))
            self._first, self._end = number, 2 * number or FIRST_SLOTS
        return self._parts[-1], (number - self._first) * pages.SLOT_BYTES

    def page(self, memory: mmap, at: int) -> memoryview:
        """Returns the bytes of the page in the slot at offset `at` of a part."""
        with memoryview(memory) as whole:
            page = whole[at : at + pages.PAGE_BYTES]
        self._pages.append(page)
        return page

    def close(self) -> None:
        """Unmaps the file, which also closes the descriptors that mappings keep."""
        try:
            for page in self._pages:
                page.release()
            for part in self._parts:
                part.close()
        except BufferError:
            # Another thread was inside a read when this process was forked. The mapping stays; it
            # does no harm, because only the parent's front reads the file.
            pass
        os.close(self._fd)


class Slot:
    """One slot of the notes. Interfaces add what a request in the slot needs."""

    __slots__ = ("_id_at", "at", "memory", "native_thread", "page", "thread")

    def __init__(self, number: int, notes: Notes) -> None:
        """Fails with OSError if the notes have no room for another slot."""
        # The part of the notes, and the offset in it.
        self.memory, self.at = notes.place(number)
        # A tuple, as readv wants it.
        self.page = (notes.page(self.memory, self.at),)
        # The thread that runs the slot's requests: threading.get_ident() and the kernel's id. Both
        # are 0 until `bind_thread`.
        self.thread = 0
        self.native_thread = 0
        self._id_at = self.at + pages.ID_AT

    def bind_thread(self) -> None:
        """Makes the calling thread the one that runs the slot's requests."""
        self.thread = get_ident()
        self.native_thread = get_native_id()

    def clear_note(self) -> None:
        """Notes that the slot's request is answered."""
        self.memory[self._id_at : self._id_at + _ID_BYTES] = pages.NO_ID


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
        self, fd: int, cancels: Cancels, channel: Channel, allowed: frozenset[int]
    ) -> None:
        """`allowed`: the combinations of flags that the interface supports."""
        self.fd = fd
        self._cancels = cancels.slots
        self._channel = channel
        self._allowed = allowed

    def take(self, slot: Slot) -> Page | None:
        """Reads a page into `slot` → id, flags, second of taking, names, values, inline body.

        None if the page was no request to run here: a fence, or expired, or cancelled, or for the
        other interface. The front has been told then. Raises BlockingIOError if the queue is empty,
        and WireFault.
        """
        memory = slot.memory
        at = slot.at
        size = _readv(self.fd, slot.page)
        taken = monotonic()
        _write_note(memory, at + pages.PAGE_BYTES, taken, slot.native_thread, slot.thread)
        if size != pages.PAGE_BYTES:
            if size == 0:
                # No writer is left: the front is gone.
                os._exit(EXIT_CHANNEL_ENDED)
            raise WireFault(f"{size} bytes instead of a page")
        try:
            request, flags, latest, names, values, body = pages.decode(memory, at, self._allowed)
        except pages.UnfitPage:
            self._refuse(slot)
            return None
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

    def _refuse(self, slot: Slot) -> None:
        *_, request, _latest, _names, _values = pages.PAGE_HEADER.unpack_from(slot.memory, slot.at)
        self._channel.send(frames.encode(frames.EXPIRED, request, count=frames.UNFIT))
        slot.clear_note()

    def fail(self, error: BaseException) -> None:
        """Ends the process after an exception of `take`, or a fault of the server in serving."""
        if isinstance(error, WireFault):
            self._channel.poisoned(error)
        text = f"the worker failed: {describe(error, is_ours=True)}"
        self._channel.log(frames.LEVEL_ERROR, text)
        os._exit(EXIT_CHANNEL_ENDED)
