"""WebSockets and bodies that an application does not read, until a file says that it shall."""

import asyncio
import os
from pathlib import Path
from typing import Any

Scope = dict[str, Any]
FOLDER = Path(os.environ.get("GATE_DIR", "."))


async def wait_for_gate() -> None:
    while not (FOLDER / "read.go").exists():
        await asyncio.sleep(0.05)


async def answer(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def websocket(scope: Scope, receive: Any, send: Any) -> None:
    await receive()
    if scope["path"] == "/denied":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    if scope["path"] == "/unread":
        await wait_for_gate()
    if scope["path"] == "/flood":
        while True:
            await send({"type": "websocket.send", "bytes": bytes(1000)})
    while (message := await receive())["type"] == "websocket.receive":
        content = message.get("bytes") or message.get("text") or b""
        await send({"type": "websocket.send", "text": f"{os.getpid()} {len(content)}"})
    # An application that does not end when its client has left.
    if scope["path"] == "/stays":
        await wait_for_gate()


async def app(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
    elif scope["type"] == "http":
        if scope["path"] == "/unread":
            await receive()
            await wait_for_gate()
        await answer(send, str(os.getpid()).encode())
    else:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
