"""Requests that nobody waits for any more: a file that the front and all workers share.

The front writes an id into the slot of its remainder; a worker that takes the page with that id
does not begin it. A later id may take the slot from an earlier one, which is then begun for nobody.
"""

from __future__ import annotations

import os
from mmap import PROT_READ, mmap

from .wire import CANCEL_SLOTS

_ID_BYTES = 8


def create(path: str) -> int:
    """Makes the file, zeroed, and returns its descriptor. Fails with OSError if it exists."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.ftruncate(fd, CANCEL_SLOTS * _ID_BYTES)
    return fd


class Cancels:
    """The file, mapped; `fd` may be closed then."""

    __slots__ = ("_memory", "slots")

    def __init__(self, fd: int) -> None:
        self._memory = mmap(fd, CANCEL_SLOTS * _ID_BYTES, prot=PROT_READ)
        # An id at each index, in the order of bytes that this machine and the front on it have.
        self.slots = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        """Gives the mapping back, and the descriptor that a mapping keeps."""
        self.slots.release()
        self._memory.close()
