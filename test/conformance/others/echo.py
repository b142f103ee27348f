"""Sends each WebSocket message back: as ASGI, and under WSGI by a library that speaks WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import simple_websocket

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Accept, and echo until the client has left."""
    if scope["type"] != "websocket":
        raise RuntimeError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def wsgi(environ: dict[str, Any], _start_response: Any) -> list[bytes]:
    """Take the socket, and echo until the client has left."""
    socket = simple_websocket.Server.accept(environ)
    try:
        while True:
            socket.send(socket.receive())
    except simple_websocket.ConnectionClosed:
        return []
