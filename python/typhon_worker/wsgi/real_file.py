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


def find_range(body: Any) -> tuple[int, int, int] | None:
    """Finds what a range of a file would give → descriptor, position, bytes.

    Werkzeug wraps the file_wrapper where it answers with a range, as browsers ask for videos. None:
    the body is nothing of the kind, or not of a regular file.
    """
    kind = type(body)
    if kind.__name__ != "_RangeWrapper" or kind.__module__ != "werkzeug.wsgi":
        return None
    try:
        part = find_part(body.iterable.filelike)
        start, length = body.start_byte, body.byte_range
        if part is None or start < part[1] or start + length > part[1] + part[2]:
            return None
        return part[0], start, length
    except (AttributeError, TypeError):
        # Another Werkzeug, or a range without an end.
        return None


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
