"""FastAPI as its tutorial shows it: JSON, uploads, streams, tasks, lifespan, WebSocket."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import BackgroundTasks, FastAPI, File, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

FOLDER = Path(os.environ.get("GATE_DIR", "."))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"database": "open"}
    (FOLDER / "closed").write_text("closed")


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float
    tags: list[str] = []


@app.get("/")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@app.get("/blocking")
def blocking() -> dict[str, str]:
    """In FastAPI's thread pool."""
    return {"thread": "pool"}


@app.post("/items/{number}")
async def create(number: int, item: Item) -> dict[str, object]:
    return {"number": number, "name": item.name, "total": item.price * number, "tags": item.tags}


@app.post("/upload")
async def upload(file: Annotated[UploadFile, File()]) -> dict[str, object]:
    size = 0
    while chunk := await file.read(65536):
        size += len(chunk)
    return {"name": file.filename, "size": size}


@app.get("/state")
async def state(request: Request) -> dict[str, str]:
    return {"database": request.state.database}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def numbers() -> AsyncIterator[str]:
        for number in range(5):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(numbers(), media_type="text/plain")


@app.get("/events")
async def events() -> StreamingResponse:
    """Server-sent events, until the client leaves."""

    async def ticks() -> AsyncIterator[str]:
        try:
            number = 0
            while True:
                number += 1
                yield f"id: {number}\ndata: tick {number}\n\n"
                await asyncio.sleep(0.01)
        finally:
            (FOLDER / "events.closed").write_text("closed")

    return StreamingResponse(ticks(), media_type="text/event-stream")


@app.post("/later")
async def later(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task((FOLDER / "later").write_text, "done")
    return {"status": "accepted"}


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"echo {text}")
