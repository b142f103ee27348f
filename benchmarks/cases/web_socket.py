"""Echoes each WebSocket message in plain ASGI; a plain request shows that it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from raw_asgi import app as pages

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send back every binary message until the client leaves."""
    if scope["type"] != "websocket":
        return await pages(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return None
        await send({"type": "websocket.send", "bytes": message["bytes"]})
