"""The chaos pages as coroutines: the same paths, faults and notes as chaos_pages.py.

Knows no framework: chaos_asgi.py and chaos_fastapi.py serve them. A page is called with the scope
and `receive`, and gives a body, or its parts one after the other. What only blocks or only dies is
taken from chaos_pages.py as it is: called in a coroutine it blocks the loop.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import chaos_pages
from chaos_pages import CHUNK, FOLDER, PATIENCE_SECONDS, VERSION, die, note

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Body = bytes | AsyncIterator[bytes]


def ask(scope: Scope, name: str, fallback: str = "") -> str:
    return parse_qs(scope["query_string"].decode()).get(name, [fallback])[0]


async def read_pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes; it ends early if the client leaves."""
    while True:
        event = await receive()
        yield event.get("body", b"")
        if not event.get("more_body", False):
            return


async def sleep(scope: Scope, _receive: Receive) -> Body:
    await asyncio.sleep(float(ask(scope, "s")))
    return b"slept"


async def sleep_in_steps(_scope: Scope, _receive: Receive) -> Body:
    while True:
        await asyncio.sleep(0.01)


async def take_lock_twice(_scope: Scope, _receive: Receive) -> Body:
    lock = asyncio.Lock()
    await lock.acquire()
    await lock.acquire()
    return b""


async def hold(scope: Scope, _receive: Receive) -> Body:
    """Says that it runs, waits for the file GROUP.go, then answers, or dies as `then` asks."""
    name = ask(scope, "name")
    note("holds", f"{name} {os.getpid()}")
    path = FOLDER / f"{ask(scope, 'group')}.go"
    last = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() and time.monotonic() < last:
        await asyncio.sleep(0.005)
    way = ask(scope, "then")
    if way != "":
        die(way)
    word = "held" if path.exists() else "forgotten"
    return f"{word} {name} {os.getpid()}".encode()


async def token(scope: Scope, receive: Receive) -> Body:
    """Notes the run, then answers with the token: of the query, or of the body that was posted."""
    name = ask(scope, "t")
    note("runs", name)
    await asyncio.sleep(float(ask(scope, "s", "0")))
    if scope["method"] == "POST":
        name = b"".join([piece async for piece in read_pieces(receive)]).decode()
    request_id = dict(scope["headers"]).get(b"x-request-id", b"-").decode()
    text = f"{name} {request_id} {VERSION}"
    if ask(scope, "way") == "stream":
        return give((text[:3], text[3:7], text[7:]))
    return text.encode()


async def give(parts: tuple[str, ...]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part.encode()
        await asyncio.sleep(0)


async def download(scope: Scope, _receive: Receive) -> Body:
    return give_chunks(int(ask(scope, "chunks")), float(ask(scope, "pause", "0")))


async def give_chunks(chunks: int, pause: float) -> AsyncIterator[bytes]:
    """Chunks of 64 KiB with a pause after each. Its begin and its end are noted."""
    note("downloads", "begun")
    try:
        for _ in range(chunks):
            yield CHUNK
            await asyncio.sleep(pause)
    finally:
        note("downloads", "ended")


async def wait_for_leaving(_scope: Scope, receive: Receive) -> Body:
    """Notes whether it was told, while it ran, that its client has left."""
    note("leavings", "begun")

    async def leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(leaving(), PATIENCE_SECONDS)
        note("leavings", "told")
    except TimeoutError:
        note("leavings", "never")
    return b"nobody reads this"


async def upload(_scope: Scope, receive: Receive) -> Body:
    """How many bytes came."""
    return str(sum([len(piece) async for piece in read_pieces(receive)])).encode()


async def sip(scope: Scope, receive: Receive) -> Body:
    """Reads the first bytes of a body, and no more for so many seconds."""
    await receive()
    await asyncio.sleep(float(ask(scope, "s")))
    return b"sipped"


PAGES: dict[str, Callable[[Scope, Receive], Awaitable[Body]]] = {
    "/sleep": sleep,
    "/sleep_in_steps": sleep_in_steps,
    "/take_lock_twice": take_lock_twice,
    "/hold": hold,
    "/token": token,
    "/download": download,
    "/upload": upload,
    "/sip": sip,
    "/wait_for_leaving": wait_for_leaving,
}


async def respond(scope: Scope, receive: Receive) -> Body:
    """The body of the page that the path names."""
    path = scope["path"]
    if path in chaos_pages.STUCK:
        note("stuck", path)
    page = PAGES.get(path)
    if page is not None:
        return await page(scope, receive)
    environ = {"PATH_INFO": path, "QUERY_STRING": scope["query_string"].decode()}
    return b"".join(chaos_pages.PAGES.get(path, chaos_pages.quick)(environ))


def note_socket(what: str) -> None:
    """`opened`, or `left CODE`, with the process."""
    note("sockets", f"{what} {os.getpid()}")
