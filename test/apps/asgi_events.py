"""Server-sent events and long polling, as Starlette has them. Notes in GATE_DIR what has ended."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

FOLDER = Path(os.environ.get("GATE_DIR", "."))
# Headers that examples of event streams carry; those of the connection are the server's.
EVENT_FIELDS = {"Cache-Control": "no-cache", "Connection": "keep-alive", "X-Accel-Buffering": "no"}
LISTENERS: list[asyncio.Future[str]] = []


async def events(request: Request) -> Response:
    """Ticks in the interval that the client asks for, or as fast as it reads."""
    name = request.query_params.get("name", "events")
    interval = float(request.query_params.get("interval", "0"))

    async def ticks() -> AsyncIterator[str]:
        number = 0
        try:
            while True:
                number += 1
                yield f"id: {number}\ndata: tick {number}\n\n"
                await asyncio.sleep(interval)
        finally:
            (FOLDER / f"{name}.ended").write_text(str(number))

    return StreamingResponse(ticks(), media_type="text/event-stream", headers=EVENT_FIELDS)


async def poll(request: Request) -> Response:
    """Answers when something is published; notes a client that does not wait so long."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    LISTENERS.append(future)
    (FOLDER / "poll.waiting").write_text(str(len(LISTENERS)))
    while not future.done():
        await asyncio.wait({future}, timeout=0.02)
        if await request.is_disconnected():
            LISTENERS.remove(future)
            (FOLDER / "poll.left").write_text(str(len(LISTENERS)))
            return Response(status_code=204)
    return PlainTextResponse(future.result())


async def publish(request: Request) -> Response:
    text = (await request.body()).decode()
    told = len(LISTENERS)
    while LISTENERS:
        LISTENERS.pop().set_result(text)
    return PlainTextResponse(str(told))


app = Starlette(
    routes=[
        Route("/events", events),
        Route("/poll", poll),
        Route("/publish", publish, methods=["POST"]),
    ]
)
