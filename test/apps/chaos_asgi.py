"""The chaos pages as a plain ASGI application, and a WebSocket that sends back what it gets."""

import time

BEGAN = time.monotonic()

from collections.abc import AsyncIterator  # noqa: E402
from contextlib import aclosing, suppress  # noqa: E402

import chaos_async  # noqa: E402
import chaos_pages  # noqa: E402
from chaos_async import Receive, Scope, Send  # noqa: E402

FIELDS = [tuple(part.lower().encode() for part in chaos_pages.TYPE)]


async def send_parts(parts: AsyncIterator[bytes], send: Send) -> None:
    async with aclosing(parts) as all_parts:
        async for part in all_parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def serve_page(scope: Scope, receive: Receive, send: Send) -> None:
    body = await chaos_async.respond(scope, receive)
    fields = FIELDS
    if isinstance(body, bytes):
        fields = [*FIELDS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": body})
    else:
        await send_parts(body, send)


async def serve_socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    chaos_async.note_socket("opened")
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            chaos_async.note_socket(f"left {event.get('code')}")
            return
        await send({"type": "websocket.send", "text": event["text"]})


async def serve_lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Errors of a client that has left are its own affair."""
    if scope["type"] == "lifespan":
        await serve_lifespan(receive, send)
        return
    with suppress(OSError):
        if scope["type"] == "websocket":
            await serve_socket(receive, send)
        else:
            await serve_page(scope, receive, send)


chaos_pages.note_start(BEGAN)
