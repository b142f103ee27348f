"""Plain ASGI, no framework: the responses of raw.py, and "/stream": 16 chunks of 1,024 bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from raw import BLOCK, HELLO, PAGE

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

CHUNK = PAGE[:1024]
CHUNKS = 16


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Respond with one of the pages; lifespan is declined as the ASGI specification allows."""
    if scope["type"] != "http":
        raise RuntimeError("only http")
    path = scope["path"]
    if path == "/":
        body = HELLO
    elif path == "/10k":
        body = PAGE
    elif path.startswith("/blocks/"):
        await send_blocks(send, int(path[8:]))
        return
    elif path == "/stream":
        await stream(send)
        return
    else:
        received = 0
        more = True
        while more:
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"%d" % received
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def send_blocks(send: Send, count: int) -> None:
    """Respond with so many blocks of 1 MiB, their length before them."""
    length = b"%d" % (count * len(BLOCK))
    fields = [(b"content-type", b"text/plain"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for _ in range(count):
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def stream(send: Send) -> None:
    """Respond in chunks, without a length before them."""
    fields = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
