"""The application that clients of HTTP/2 are sent to: by WSGI what that can do, by ASGI all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

HELLO = b"Hello, World!"
TEXT = (b"content-type", b"text/plain")
BLOCK = bytes(range(256)) * 256
PAGE = b"""<!doctype html>
<title>HTTP/2</title>
<link rel="icon" href="/picture/icon.svg">
<script src="/script/1.js"></script>
<script src="/script/2.js"></script>
<script type="module" src="/script/3.js"></script>
<img id="first" src="/picture/1.svg"><img id="second" src="/picture/2.svg">
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
TYPES = {"/script/": b"text/javascript", "/picture/": b"image/svg+xml"}


def resource(path: str) -> tuple[bytes, bytes]:
    """Type and content of a path."""
    if path == "/page":
        return b"text/html", PAGE
    for folder, media_type in TYPES.items():
        if path.startswith(folder):
            number = re.sub(r"\D", "", path)
            return (
                media_type,
                SVG if folder == "/picture/" else b"window.ran%s = true" % number.encode(),
            )
    return b"text/plain", HELLO


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The same pages as `asgi` where WSGI can."""
    path = environ["PATH_INFO"]
    if path in {"/204", "/304"}:
        start_response({"/204": "204 No Content", "/304": "304 Not Modified"}[path], [])
        return []
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        )
        return [body]
    if path == "/blocks":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (BLOCK for _ in range(int(environ["QUERY_STRING"])))
    media_type, content = resource(path)
    start_response(
        "200 OK", [("Content-Type", media_type.decode()), ("Content-Length", str(len(content)))]
    )
    return [content]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A page by its path."""
    if scope["type"] == "websocket":
        await echo_messages(receive, send)
        return
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    page = PAGES.get(scope["path"])
    if page is not None:
        await page(scope, receive, send)
        return
    media_type, content = resource(scope["path"])
    fields = [
        (b"content-type", media_type),
        (b"content-length", b"%d" % len(content)),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": content})


async def echo_messages(receive: Any, send: Any) -> None:
    """Sends each message of a WebSocket back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send(
            {"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")}
        )


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Sends the body back while it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        more = event.get("more_body", False)
        await send(
            {"type": "http.response.body", "body": event.get("body", b""), "more_body": more}
        )


async def blocks(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """As many blocks of 64 KiB as the query says."""
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    for _ in range(int(scope["query_string"])):
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def without_content(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """204 or 304."""
    status = int(scope["path"][1:])
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def trailers(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A trailer section behind the content, where the client can take it."""
    can_take = "http.response.trailers" in scope.get("extensions", {})
    start = {"type": "http.response.start", "status": 200, "headers": [TEXT], "trailers": can_take}
    await send(start)
    await send({"type": "http.response.body", "body": HELLO})
    if can_take:
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})


async def hints(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """103, then the response."""
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    await send({"type": "http.response.body", "body": HELLO})


async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Never ends by itself."""
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    try:
        while True:
            await send({"type": "http.response.body", "body": b".", "more_body": True})
            await asyncio.sleep(0.01)
    except OSError:
        return


async def hold(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Responds when its client has left: never."""
    while (await receive())["type"] != "http.disconnect":
        pass


PAGES = {
    "/echo": echo,
    "/blocks": blocks,
    "/204": without_content,
    "/304": without_content,
    "/trailers": trailers,
    "/hints": hints,
    "/slow": slow,
    "/hold": hold,
}
