"""The answers of raw.py in ASGI, for servers that speak nothing else (uvicorn)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from raw import HELLO, PAGE

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer one of the three pages; lifespan is declined as the ASGI specification allows."""
    if scope["type"] != "http":
        raise RuntimeError("only http")
    path = scope["path"]
    if path == "/":
        body = HELLO
    elif path == "/10k":
        body = PAGE
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
