"""The chaos pages behind FastAPI, whose routing and responses stand between them and the server."""

import time

BEGAN = time.monotonic()

# ruff: noqa: I001, E402

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

import chaos_async
import chaos_pages

app = FastAPI()


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def page(request: Request) -> Response:
    body = await chaos_async.respond(dict(request.scope), request.receive)
    if isinstance(body, bytes):
        return Response(body, media_type="text/plain")
    return StreamingResponse(body, media_type="text/plain")


@app.websocket("/socket")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    chaos_async.note_socket("opened")
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect as end:
        chaos_async.note_socket(f"left {end.code}")


chaos_pages.note_start(BEGAN)
