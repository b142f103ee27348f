"""Extensions of an answer in ASGI: early hints, trailers, files by path; which of them can work.

early hints: before the head has gone; later there is no place for them, and they are dropped
trailers: behind a chunked body, for a client that asks for them
files: read here and sent as any body
"""

from __future__ import annotations

import os
from io import FileIO

from .asgi_head import encode_fields
from .wire import EARLY_HINT, END, MAX_BODY_FRAME_BYTES, MAX_PAYLOAD_BYTES, TRAILERS, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .asgi_http import HttpExchange

    Message = dict[str, Any]

FILE_PIECE_BYTES = MAX_BODY_FRAME_BYTES
# What the count of a frame can say.
_MAX_FIELDS = 65_535

_PATH_SEND = "http.response.pathsend"
_EARLY_HINT = "http.response.early_hint"
_TRAILERS = "http.response.trailers"


def choose_extensions(has_te: bool, method: bytes, protocol: bytes) -> dict[str, Any]:
    """What a request's scope offers; `has_te`: its client keeps trailers. HTTP/1.0 has neither
    interim answers nor chunks, and the answer to HEAD has nothing that trailers could stand behind.
    """
    names = [_PATH_SEND]
    if protocol != b"HTTP/1.0":
        names.append(_EARLY_HINT)
        if has_te and method != b"HEAD":
            names.append(_TRAILERS)
    return {name: {} for name in names}


def keeps_trailers(te: bytes) -> bool:
    """Whether a TE field says so (RFC 9110 §10.1.4)."""
    return any(member.strip().lower() == b"trailers" for member in te.split(b","))


def encode_early_hint(request: int, message: Message) -> bytes:
    """Makes the frame of a `http.response.early_hint`. Raises TypeError, ValueError."""
    links = [(b"link", link) for link in message.get("links", ())]
    fields, count = encode_fields([b"103 Early Hints"], links, _EARLY_HINT)
    _check_size(fields, count, _EARLY_HINT)
    return encode_frame(EARLY_HINT, request, fields, count=count)


def encode_trailers(request: int, trailers: list[tuple[bytes, bytes]]) -> bytes:
    """Makes the last frame of an answer with trailers. Raises TypeError, ValueError."""
    fields, count = encode_fields([], trailers, _TRAILERS)
    _check_size(fields, count, _TRAILERS)
    return encode_frame(TRAILERS, request, fields, flags=END, count=count)


def _check_size(fields: bytes, count: int, what: str) -> None:
    if len(fields) > MAX_PAYLOAD_BYTES or count > _MAX_FIELDS:
        raise ValueError(f"{what}: {count} fields of {len(fields)} bytes are too many")


async def send_file(exchange: HttpExchange, path: str) -> None:
    """Sends the file as the whole body. It is opened before the head is sent: one that is not
    there, or is a folder, is then still a 500. Raises TypeError, OSError.
    """
    in_thread = exchange.loop.run_in_executor
    # A number would be a descriptor of somebody else.
    file = await in_thread(None, FileIO, os.fspath(path))
    try:
        left = 0 if exchange.is_bodiless else os.fstat(file.fileno()).st_size
        while True:
            piece = await in_thread(None, file.read, FILE_PIECE_BYTES)
            left -= len(piece)
            more = bool(piece) and left > 0
            await exchange.send_body(piece, more)
            if not more:
                return
    finally:
        file.close()
