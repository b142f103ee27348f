"""The arguments of start_response: joined for the wire, and explained if they are wrong. Pure.

Only what would make the joined text ambiguous is checked. The front checks what field names and
values may hold, for all interfaces.
"""

from __future__ import annotations

from collections.abc import Iterable

from typhon_worker.application.exchange import parse_content_length
from typhon_worker.process.tracebacks import describe_type

_LENGTH_NAME = "content-length"
_LIVE_TYPES = (b"multipart/x-mixed-replace", b"text/event-stream")


def encode_head(status: str, headers: Iterable[tuple[str, str]]) -> tuple[bytes, int, int]:
    """Joins a head as HEAD carries it → bytes, number of fields, Content-Length or -1.

    Raises TypeError, ValueError (UnicodeEncodeError too) or AttributeError on arguments that
    `explain_head` explains.
    """
    parts = [status]
    declared = -1
    for name, value in headers:
        parts.append(name)
        parts.append(value)
        # Few names have 14 characters, and comparing lengths is cheap.
        if len(name) == 14 and name.lower() == _LENGTH_NAME:
            declared = parse_content_length(value)
    return "\0".join(parts).encode("latin-1"), len(parts) >> 1, declared


def is_live(head: bytes) -> bool:
    """Whether a response is of use only while it is new, so that the front does not buffer it.

    The front has the same rule (src/http/response-head.ts).
    """
    parts = head.lower().split(b"\0")
    fields = dict(zip(parts[1::2], parts[2::2], strict=False))
    buffering = fields.get(b"x-accel-buffering")
    if buffering in (b"yes", b"no"):
        return buffering == b"no"
    return fields.get(b"content-type", b"").partition(b";")[0].strip() in _LIVE_TYPES


def explain_head(status: object, headers: object) -> str:
    """Says what is wrong with arguments that could not be joined."""
    if not isinstance(status, str):
        return f"start_response(): the status is {describe_type(status)}, PEP 3333 wants a str"
    if not _is_latin(status):
        return "start_response(): the status has characters outside latin-1"
    if not isinstance(headers, (list, tuple)):
        return f"start_response(): the headers are {describe_type(headers)}, PEP 3333 wants a list"
    for header in headers:
        if not isinstance(header, tuple) or len(header) != 2:
            kind = describe_type(header)
            return f"start_response(): a header is {kind}, PEP 3333 wants (name, value)"
        for what, part in zip(("name", "value"), header, strict=True):
            if not isinstance(part, str):
                return f"start_response(): a header's {what} is {describe_type(part)}, not a str"
            if not _is_latin(part):
                return f"start_response(): the {what} of header {header[0]!a} is not latin-1"
    return "start_response(): status and headers cannot be joined"


def _is_latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)
