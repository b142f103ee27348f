"""Starlette for clients that leave, and for those that want no body. Notes in GATE_DIR."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

FOLDER = Path(os.environ.get("GATE_DIR", "."))


def note(name: str) -> None:
    (FOLDER / name).write_text(str(os.getpid()))


async def gate(name: str) -> None:
    note(f"{name}.running")
    while not (FOLDER / f"{name}.go").exists():
        await asyncio.sleep(0.005)


async def pay(request: Request) -> Response:
    """Works, responds, and works on in the background; the test lets each part end."""
    name = request.query_params["name"]
    try:
        await gate(name)
    except asyncio.CancelledError:
        note(f"{name}.cancelled")
        if "stubborn" not in name:
            raise
        await asyncio.sleep(600)
    return PlainTextResponse("paid", background=BackgroundTask(note, f"{name}.receipt"))


async def fails(request: Request) -> Response:
    await gate(request.query_params["name"])
    raise RuntimeError(f"{request.query_params['name']} failed")


async def events(request: Request) -> Response:
    """Without end; a HEAD gets the head of it."""
    name = request.query_params["name"]

    async def ticks() -> AsyncIterator[str]:
        try:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.005)
        finally:
            note(f"{name}.ended")

    status = int(request.query_params.get("status", "200"))
    return StreamingResponse(ticks(), status, media_type="text/event-stream")


async def file(request: Request) -> Response:
    return FileResponse(__file__)


async def upload(request: Request) -> Response:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return PlainTextResponse(str(count))


async def own_id(request: Request) -> Response:
    named = request.query_params.get("id", request.headers["x-request-id"])
    return PlainTextResponse("named", headers={"X-Request-ID": named})


class Reads(BaseHTTPMiddleware):
    """Reads what the application sends, as middleware does that signs or logs bodies."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        if request.url.path != "/read":
            return response
        body = b"".join([piece async for piece in response.body_iterator])
        return PlainTextResponse(str(len(body)))


ROUTES = {"/pay": pay, "/fails": fails, "/file": file, "/read": file, "/own-id": own_id}

app = Starlette(
    routes=[
        *(Route(path, endpoint) for path, endpoint in ROUTES.items()),
        Route("/events", events, methods=["GET", "HEAD"]),
        Route("/upload", upload, methods=["POST"]),
    ],
    middleware=[Middleware(GZipMiddleware), Middleware(Reads)],
)
# Without middleware, which has a task of its own for what it wraps.
bare = Starlette(routes=app.routes)
