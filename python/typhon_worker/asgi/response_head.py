"""Heads and fields as ASGI applications give them: joined for the wire, explained if wrong. Pure.

Only what would make the joined bytes ambiguous is checked. The front checks what field names and
values may hold, for all interfaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from typhon_worker.application.exchange import parse_content_length
from typhon_worker.process.tracebacks import describe_type
from typhon_worker.wire import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Fields = Iterable[tuple[bytes, bytes]]

_STATUS_LINES = {int(status): f"{status.value} {status.phrase}".encode() for status in HTTPStatus}
_LENGTH_NAME = b"content-length"


def encode_head(status: int, headers: Fields, kind: str) -> tuple[bytes, int, int]:
    """Joins a head as HEAD carries it → bytes, number of fields, Content-Length or -1.

    Raises TypeError on a status or headers that the message `kind` may not have.
    """
    declared = -1
    try:
        parts = [_STATUS_LINES.get(status) or b"%d " % status]
        for name, value in headers:
            parts.append(name)
            parts.append(value)
            # Few names have 14 characters, and comparing lengths is cheap.
            if len(name) == 14 and name.lower() == _LENGTH_NAME:
                declared = parse_content_length(value)
        return b"\0".join(parts), len(parts) >> 1, declared
    except (TypeError, ValueError, AttributeError):
        if not isinstance(status, int):
            raise TypeError(f"{kind}: the status is {describe_type(status)}, not an int") from None
        raise TypeError(_explain_fields(headers, kind)) from None


def encode_fields(first: list[bytes], headers: Fields, kind: str) -> tuple[bytes, int]:
    """Joins `first` and the fields → bytes, number of fields. Raises TypeError, ValueError."""
    parts = list(first)
    try:
        for name, value in headers:
            parts.append(name)
            parts.append(value)
        fields = b"\0".join(parts)
    except (TypeError, ValueError):
        raise TypeError(_explain_fields(headers, kind)) from None
    count = (len(parts) - len(first)) >> 1
    if len(fields) > frames.MAX_PAYLOAD_BYTES or count > frames.MAX_COUNT:
        raise ValueError(f"{kind}: {count} fields of {len(fields)} bytes are too many")
    return fields, count


def encode_early_hint(request: int, links: Iterable[bytes]) -> bytes:
    """Encodes the frame of an `http.response.early_hint`. Raises TypeError, ValueError."""
    fields = [(b"link", link) for link in links]
    return _encode_small(
        frames.EARLY_HINT, request, [b"103 Early Hints"], fields, 0, "http.response.early_hint"
    )


def encode_trailers(request: int, trailers: Fields) -> bytes:
    """Encodes the last frame of a response with trailers. Raises TypeError, ValueError."""
    return _encode_small(
        frames.TRAILERS, request, [], trailers, frames.END, "http.response.trailers"
    )


def _encode_small(
    frame: int, request: int, first: list[bytes], headers: Fields, flags: int, kind: str
) -> bytes:
    fields, count = encode_fields(first, headers, kind)
    return frames.encode(frame, request, fields, flags=flags, count=count)


def _explain_fields(headers: Any, kind: str) -> str:
    try:
        listed = list(headers)
    except TypeError:
        return f"{kind}: the headers are {describe_type(headers)}, ASGI wants a list"
    for header in listed:
        if not isinstance(header, (list, tuple)) or len(header) != 2:
            return f"{kind}: a header is {describe_type(header)}, ASGI wants [name, value]"
        for part, name in zip(header, ("name", "value"), strict=True):
            if not isinstance(part, bytes):
                described = describe_type(part)
                return f"{kind}: the {name} of header {header[0]!a} is {described}, not bytes"
    return f"{kind}: the headers cannot be joined"
