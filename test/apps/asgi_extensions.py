"""Early hints, trailers and files by path in ASGI; a WebSocket is told its scheme."""

import json
import os
from pathlib import Path
from typing import Any

Scope = dict[str, Any]
FOLDER = Path(os.environ.get("GATE_DIR", "."))
LINKS = [b"</a.css>; rel=preload; as=style", b"</b.js>; rel=preload; as=script"]
TEXT = [(b"content-type", b"text/plain")]


def start(*headers: Any, trailers: bool = False) -> dict[str, Any]:
    listed = [*TEXT, *headers]
    return {"type": "http.response.start", "status": 200, "headers": listed, "trailers": trailers}


def body(chunk: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def hint(*links: bytes) -> dict[str, Any]:
    return {"type": "http.response.early_hint", "links": links}


def trail(*headers: Any, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.trailers", "headers": headers, "more_trailers": more}


async def offered(scope: Scope, send: Any) -> None:
    await send(start())
    await send(body(json.dumps(sorted(scope["extensions"])).encode()))


async def hints(scope: Scope, send: Any) -> None:
    """Two hints, the second between the start of the answer and its body."""
    await send(hint(*LINKS))
    await send(start())
    await send(hint(b"</c.svg>; rel=preload"))
    await send(body(b"hinted"))


async def many_hints(scope: Scope, send: Any) -> None:
    for number in range(100):
        await send(hint(f"</{number}>; rel=preload".encode()))
    await send(hint(b"<" + b"x" * 10_000 + b">"))
    await send(start())
    await send(body(b"hinted"))


async def bad_hint(scope: Scope, send: Any) -> None:
    await send(hint(b"</a>\r\nset-cookie: a=b"))
    await send(start())
    await send(body(b"never sent"))


async def trails(scope: Scope, send: Any) -> None:
    await send(start((b"trailer", b"x-sum, x-more"), trailers=True))
    await send(body(b"one", True))
    await send(body(b"two"))
    await send(trail((b"x-sum", b"6"), more=True))
    await send(trail((b"x-more", b"")))


async def trails_sized(scope: Scope, send: Any) -> None:
    await send(start((b"content-length", b"4"), trailers=True))
    await send(body(b"body"))
    await send(trail((b"x-sum", b"6")))


async def trails_none(scope: Scope, send: Any) -> None:
    await send(start(trailers=True))
    await send(body(b"body"))
    await send(trail())


async def trails_forbidden(scope: Scope, send: Any) -> None:
    await send(start(trailers=True))
    await send(body(b"body"))
    await send(trail((b"content-length", b"4")))


async def trails_split(scope: Scope, send: Any) -> None:
    await send(start(trailers=True))
    await send(body(b"body"))
    await send(trail((b"x-a", b"1\r\n\r\nHTTP/1.1 200 OK")))


async def file(scope: Scope, send: Any) -> None:
    path = FOLDER / scope["query_string"].decode()
    size = path.stat().st_size if path.is_file() else 5
    await send(start((b"content-length", str(size).encode())))
    await send({"type": "http.response.pathsend", "path": str(path)})


async def debug(scope: Scope, send: Any) -> None:
    await send({"type": "http.response.debug", "info": {"template": "a.html"}})
    await send(start())
    await send(body(b"debugged"))


async def own_connection(scope: Scope, send: Any) -> None:
    """What an ASGI application may say of the connection, and a server leaves out."""
    value = scope["query_string"]
    fields = [(b"transfer-encoding", b"chunked"), (b"keep-alive", b"timeout=5")]
    await send(start((b"connection", value), *fields))
    await send(body(b"one", True))
    await send(body(b"two"))


ROUTES = {
    "/own-connection": own_connection,
    "/offered": offered,
    "/hints": hints,
    "/many-hints": many_hints,
    "/bad-hint": bad_hint,
    "/trails": trails,
    "/trails-sized": trails_sized,
    "/trails-none": trails_none,
    "/trails-forbidden": trails_forbidden,
    "/trails-split": trails_split,
    "/file": file,
    "/debug": debug,
}


async def app(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        kind = "websocket.http.response"
        await send({"type": f"{kind}.start", "status": 403, "headers": TEXT})
        await send({"type": f"{kind}.body", "body": scope["scheme"].encode()})
    else:
        await ROUTES[scope["path"]](scope, send)
