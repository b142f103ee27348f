"""Heads and fields as ASGI applications give them: joined for the wire, explained where wrong.

Pure. Only what would make the joined bytes ambiguous is looked at on the way; the front checks what
field names and values may hold, once for all interfaces.
"""

from __future__ import annotations

from http import HTTPStatus

from .faults import describe_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_STATUS_LINES = {int(status): f"{status.value} {status.phrase}".encode() for status in HTTPStatus}
_LENGTH_NAME = b"content-length"
# More digits are no length of anything.
_MAX_LENGTH_DIGITS = 18


def encode_head(
    status: int, headers: Iterable[tuple[bytes, bytes]], what: str
) -> tuple[bytes, int, int]:
    """Joins a head as docs/worker-protocol.md has it → bytes, number of fields, declared length.

    The length is -1 if there is no Content-Length, or none that is a number. Raises TypeError where
    status or headers of the message `what` are not what ASGI wants.
    """
    declared = -1
    try:
        parts = [_STATUS_LINES.get(status) or b"%d " % status]
        for name, value in headers:
            parts.append(name)
            parts.append(value)
            # Few names have 14 characters; the cheap question goes first.
            if len(name) == 14 and name.lower() == _LENGTH_NAME:
                declared = _parse_length(value)
        return b"\0".join(parts), len(parts) >> 1, declared
    except (TypeError, ValueError, AttributeError):
        if not isinstance(status, int):
            raise TypeError(f"{what}: the status is {describe_type(status)}, not an int") from None
        raise TypeError(explain_fields(headers, what)) from None


def encode_fields(
    first: list[bytes], headers: Iterable[tuple[bytes, bytes]], what: str
) -> tuple[bytes, int]:
    """Joins `first` and the fields → bytes, number of fields. Raises TypeError."""
    parts = list(first)
    try:
        for name, value in headers:
            parts.append(name)
            parts.append(value)
        return b"\0".join(parts), (len(parts) - len(first)) >> 1
    except (TypeError, ValueError):
        raise TypeError(explain_fields(headers, what)) from None


def explain_fields(headers: Any, what: str) -> str:
    """Says what is wrong with headers that could not be joined."""
    try:
        listed = list(headers)
    except TypeError:
        return f"{what}: the headers are {describe_type(headers)}, ASGI wants a list"
    for header in listed:
        if not isinstance(header, (list, tuple)) or len(header) != 2:
            return f"{what}: a header is {describe_type(header)}, ASGI wants [name, value]"
        for part, name in zip(header, ("name", "value"), strict=True):
            if not isinstance(part, bytes):
                kind = describe_type(part)
                return f"{what}: the {name} of header {header[0]!a} is {kind}, not bytes"
    return f"{what}: the headers cannot be joined"


def _parse_length(value: bytes) -> int:
    if value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS:
        return int(value)
    return -1
