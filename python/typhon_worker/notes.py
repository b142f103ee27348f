"""The notes of a worker: a shared file with a slot for each request that it may run at once.

The kernel writes a page straight into its slot, so taking and noting are one system call and the
front can tell which requests died with a worker. Knows slots and bytes, not what they mean.
"""

from __future__ import annotations

import os
from mmap import mmap

from .wire import PAGE_BYTES, SLOT_BYTES

_NO_ID = bytes(8)


def create(path: str, slots: int) -> int:
    """Makes the file, zeroed, and returns its descriptor. Fails with OSError if it exists."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.ftruncate(fd, slots * SLOT_BYTES)
    return fd


class Notes:
    """The file of one worker, mapped; takes over `fd`."""

    __slots__ = ("_pages", "memory")

    def __init__(self, fd: int, slots: int) -> None:
        self.memory = mmap(fd, slots * SLOT_BYTES)
        os.close(fd)
        self._pages: list[memoryview] = []

    def page(self, slot: int) -> memoryview:
        """The bytes of a slot that a page is read into."""
        at = slot * SLOT_BYTES
        with memoryview(self.memory) as whole:
            page = whole[at : at + PAGE_BYTES]
        self._pages.append(page)
        return page

    def clear(self, slot: int) -> None:
        """Notes that the request of this slot is answered."""
        at = slot * SLOT_BYTES + 8
        self.memory[at : at + 8] = _NO_ID

    def close(self) -> None:
        """Gives the mapping back, and the descriptor that a mapping keeps."""
        try:
            for page in self._pages:
                page.release()
            self.memory.close()
        except BufferError:
            # Another thread was inside a read when this process was forked. What stays behind is
            # the mapping of a file that only the parent's front reads.
            pass
