"""One application for each interface, by the standard library alone: for every Python there is."""

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

LINES = [("Content-Type", "text/plain")]

if "ENDLESS_THREAD" in os.environ:
    atexit.register(print, "exit function")
    threading.Thread(target=threading.Event().wait, name="endless").start()


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/crash":
        os._exit(7)
    if path == "/late":
        while True:
            time.sleep(0.01)
    body = environ["wsgi.input"].read()
    start_response("200 OK", LINES)
    return [f"{os.getpid()} {len(body)}".encode()]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for part in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{part}"
            await send({"type": f"lifespan.{part}.complete"})
    elif scope["type"] == "websocket":
        await talk(receive, send)
    else:
        await answer(scope["path"], receive, send)


async def talk(receive: Any, send: Any) -> None:
    """Sends back every message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def answer(path: str, receive: Any, send: Any) -> None:
    if path == "/crash":
        os._exit(7)
    while path == "/late":
        await asyncio.sleep(0.01)
    # Keeps the loop's thread.
    while path == "/blocked":
        time.sleep(0.01)
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    fields = [(name.lower().encode(), value.encode()) for name, value in LINES]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": f"{os.getpid()} {length}".encode()})
