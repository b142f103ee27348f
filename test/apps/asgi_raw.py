"""ASGI by hand: what the specification promises, and what an application may do wrong."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

Scope = dict[str, Any]
FOLDER = Path(os.environ.get("GATE_DIR", "."))
TEXT = [(b"content-type", b"text/plain")]
STARTED = {"startups": 0, "requests": 0}


async def answer(send: Any, body: bytes, status: int = 200, more: list[Any] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": more or TEXT})
    await send({"type": "http.response.body", "body": body})


async def read_all(receive: Any) -> tuple[bytes, int]:
    parts: list[bytes] = []
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise RuntimeError(event["type"])
        parts.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(parts), len(parts)


async def lifespan(scope: Scope, receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            STARTED["startups"] += 1
            scope["state"]["since"] = "startup"
            await send({"type": "lifespan.startup.complete"})
        else:
            if "GATE_DIR" in os.environ:
                (FOLDER / "shutdown").write_text(str(os.getpid()))
            await send({"type": "lifespan.shutdown.complete"})
            return


async def show_scope(scope: Scope, receive: Any, send: Any) -> None:
    shown = {
        name: scope[name]
        for name in ("type", "asgi", "http_version", "method", "scheme", "path", "root_path")
    }
    shown["raw_path"] = scope["raw_path"].decode("latin-1")
    shown["query_string"] = scope["query_string"].decode("latin-1")
    shown["headers"] = [[n.decode("latin-1"), v.decode("latin-1")] for n, v in scope["headers"]]
    shown["client"] = list(scope["client"]) if scope["client"] else None
    shown["server"] = list(scope["server"]) if scope["server"] else None
    shown["state"] = dict(scope.get("state", {}))
    shown["extensions"] = sorted(scope.get("extensions", {}))
    await answer(send, json.dumps(shown).encode(), more=[(b"content-type", b"application/json")])


async def echo(scope: Scope, receive: Any, send: Any) -> None:
    body, events = await read_all(receive)
    await answer(send, body, more=[(b"x-events", str(events).encode())])


async def count(scope: Scope, receive: Any, send: Any) -> None:
    """Counts a body without keeping it."""
    size = 0
    more = True
    while more:
        event = await receive()
        size += len(event["body"])
        more = event["more_body"]
    await answer(send, str(size).encode())


async def ignore(scope: Scope, receive: Any, send: Any) -> None:
    await answer(send, b"not read")


async def steps(scope: Scope, receive: Any, send: Any) -> None:
    """Streams as the test lets it."""
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    for number in range(1, 4):
        body = f"step {number}\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})
        while not (FOLDER / f"step.{number}").exists():
            await asyncio.sleep(0.005)
    await send({"type": "http.response.body", "body": b""})


async def flood(scope: Scope, receive: Any, send: Any) -> None:
    """As many bytes as the query says, in blocks; notes how many have been taken from it."""
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    block = b"x" * 65536
    for number in range(int(scope["query_string"]) * 16):
        await send({"type": "http.response.body", "body": block, "more_body": True})
        (FOLDER / "flood.sent").write_text(str(number + 1))
    await send({"type": "http.response.body", "body": b""})


async def hold(scope: Scope, receive: Any, send: Any) -> None:
    """Runs until the test lets it go."""
    name = scope["query_string"].decode()
    (FOLDER / f"{name}.running").write_text(str(os.getpid()))
    while not (FOLDER / f"{name}.go").exists():
        await asyncio.sleep(0.005)
    await answer(send, f"held {name}".encode())


async def gone(scope: Scope, receive: Any, send: Any) -> None:
    """Waits for its client to leave. A whole answer is dropped then, a stream is ended."""
    await receive()
    (FOLDER / "gone.running").write_text("")
    event = await receive()
    (FOLDER / "gone.event").write_text(event["type"])
    await answer(send, b"too late")
    try:
        await send({"type": "http.response.body", "body": b"more", "more_body": True})
    except OSError as error:
        (FOLDER / "gone.send").write_text(type(error).__name__)


async def forever(scope: Scope, receive: Any, send: Any) -> None:
    """Waits in a task that can be cancelled."""
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        (FOLDER / "cancelled").write_text("")
        raise


async def busy(scope: Scope, receive: Any, send: Any) -> None:
    """Keeps the event loop, in steps that can be interrupted."""
    while True:
        time.sleep(0.005)


async def blocked(scope: Scope, receive: Any, send: Any) -> None:
    """Blocks the loop."""
    time.sleep(600)


async def meet(scope: Scope, receive: Any, send: Any) -> None:
    """Answers when `n` of them run at the same time in this process."""
    STARTED["requests"] += 1
    wanted = int(scope["query_string"])
    while STARTED["requests"] < wanted:
        await asyncio.sleep(0.005)
    await answer(send, str(os.getpid()).encode())


async def raises(scope: Scope, receive: Any, send: Any) -> None:
    raise RuntimeError("raised before the head")


async def raises_late(scope: Scope, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("raised after the head")


async def silent(scope: Scope, receive: Any, send: Any) -> None:
    """Returns without an answer."""


async def body_first(scope: Scope, receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b"no head"})


async def bad_header(scope: Scope, receive: Any, send: Any) -> None:
    await answer(send, b"", more=[(b"x-a", b"1\r\nx-b: 2")])


async def send_path(scope: Scope, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": TEXT})
    await send({"type": "http.response.pathsend", "path": os.path.abspath(__file__)})


ROUTES = {
    "/scope": show_scope,
    "/echo": echo,
    "/count": count,
    "/ignore": ignore,
    "/steps": steps,
    "/flood": flood,
    "/hold": hold,
    "/gone": gone,
    "/forever": forever,
    "/blocked": blocked,
    "/busy": busy,
    "/meet": meet,
    "/raises": raises,
    "/raises-late": raises_late,
    "/silent": silent,
    "/body-first": body_first,
    "/bad-header": bad_header,
    "/send-path": send_path,
}


async def socket_echo(scope: Scope, receive: Any, send: Any) -> None:
    """Sends back what comes, its process id for `which process?`; `close CODE REASON` ends it."""
    offered = scope["subprotocols"]
    chosen = "chat" if "chat" in offered else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-own", b"1")]})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            if "GATE_DIR" in os.environ:
                (FOLDER / "left").write_text(f"{event['code']} {event.get('reason') or ''}")
            return
        text = event.get("text")
        if text is not None and text.startswith("close "):
            _, code, reason = text.split(" ", 2)
            await send({"type": "websocket.close", "code": int(code), "reason": reason})
            return
        if text is not None:
            told = str(os.getpid()) if text == "which process?" else text
            await send({"type": "websocket.send", "text": told})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


async def socket(scope: Scope, receive: Any, send: Any) -> None:
    """By the path: refuses, denies, fails, reads only when the test lets it, floods, or echoes."""
    event = await receive()
    if event["type"] != "websocket.connect":
        raise RuntimeError(event["type"])
    path = scope["path"]
    if path == "/refuse":
        await send({"type": "websocket.close"})
    elif path == "/deny":
        start = {"type": "websocket.http.response.start", "status": 401, "headers": TEXT}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": b"who are you?"})
    elif path == "/fail":
        raise RuntimeError("raised before the handshake")
    elif path == "/fail-later":
        await send({"type": "websocket.accept"})
        raise RuntimeError("raised after the handshake")
    elif path == "/gated":
        await send({"type": "websocket.accept"})
        while not (FOLDER / "gate.open").exists():
            await asyncio.sleep(0.005)
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"{len(event['bytes'])} bytes"})
    elif path == "/flood":
        await send({"type": "websocket.accept"})
        for number in range(int(scope["query_string"])):
            await send({"type": "websocket.send", "bytes": bytes([number & 255]) * 65536})
            (FOLDER / "socket.sent").write_text(str(number + 1))
    else:
        await socket_echo(scope, receive, send)


async def app(scope: Scope, receive: Any, send: Any) -> None:
    """By the path; anything else is a hello."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    if scope["type"] == "websocket":
        await socket(scope, receive, send)
        return
    path = scope["path"].removeprefix(scope["root_path"])
    for prefix, route in ROUTES.items():
        if path == prefix or (prefix == "/scope" and path.startswith("/scope")):
            await route(scope, receive, send)
            return
    await answer(send, f"hello {os.getpid()}".encode())


class Double:
    """ASGI 2: called with the scope, then with receive and send."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await answer(send, b"double")


async def fails_to_start(scope: Scope, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database today"})
