"""Which objects with `read` are files that the front can open and send in the application's place.

An object may have a descriptor and give other bytes than the descriptor's: a GzipFile, an encrypted
file. So what counts is whose method its `read` is. Wrappers that pass `read` on, such as those of
`tempfile` and Django, are files too.
"""

from __future__ import annotations

import os
import stat
from io import BufferedRandom, BufferedReader, FileIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def find_part(filelike: Any) -> tuple[int, int, int] | None:
    """Finds what a reader would get → descriptor, position, bytes up to the end of the file.

    None: the object is no regular file, or cannot be asked.
    """
    try:
        read = filelike.read
        # tempfile wraps the methods of its files.
        file = getattr(read, "__wrapped__", read).__self__
        kind = type(file)
        if kind is BufferedRandom:
            file.flush()
        if kind is not FileIO and type(getattr(file, "raw", None)) is not FileIO:
            return None
        if kind not in (FileIO, BufferedReader, BufferedRandom) or not file.readable():
            return None
        fd = file.fileno()
        facts = os.fstat(fd)
        offset = file.tell()
    except (AttributeError, OSError, ValueError):
        return None
    if not stat.S_ISREG(facts.st_mode) or offset >= facts.st_size:
        return None
    return fd, offset, facts.st_size - offset
