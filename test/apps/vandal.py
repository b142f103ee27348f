"""An application that breaks the protocol: it uses its server's descriptors.

`app` is WSGI, `asgi_app` the same for ASGI. Each page does one kind of harm; /random does
what a random generator chooses whose seed is the query.
"""

import contextlib
import os
import random
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
from urllib.parse import unquote

WAITING = threading.Event()
BEGAN = time.monotonic()
# A worker that ends sooner counts as one of a crash loop.
SANE_SECONDS = 1.0


def open_again(fd: int) -> socket.socket:
    """A socket object for a descriptor that stays open without it."""
    return socket.socket(fileno=os.dup(fd))


def find_channel() -> int:
    """The only socket of a worker that has a name: asyncio has one without."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
        except OSError:
            continue
        if is_socket and open_again(fd).getsockname():
            return fd
    raise LookupError("no socket")


def find_file(name: str) -> int:
    """A descriptor of a shared file that may be written to."""
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{entry}").endswith(f"/{name} (deleted)"):
                return int(entry)
        except OSError:
            continue
    raise LookupError(name)


def frame(
    kind: int, payload: bytes = b"", *, flags: int = 0, count: int = 0, request: int = 0
) -> bytes:
    return struct.pack("<IBBHQ", len(payload), kind, flags, count, request) + payload


DEEP = b"[" * 50_000 + b"]" * 50_000
FRAMES = {
    "/garbage": b"\xff" * 64,
    "/huge": struct.pack("<IBBHQ", 0xFFFFFFFF, 0x11, 0, 0, 1),
    "/unknown": frame(0x7F),
    "/headless": frame(0x10, b"abc", flags=1, request=1),
    "/half": b"\x10\x00",
    "/stray": b"!",
    "/strays": b"\0\0\0",
    "/long-fetch": struct.pack("<IBBHQ", 100_000, 0x14, 0, 0, 1),
    "/short-credit": frame(0x1B, b"ab"),
    "/odd-ready": frame(0x02, b'{"interface":{"toString":1}}'),
    "/deep-ready": frame(0x02, b'{"interface":' + DEEP + b"}"),
    "/second-ready": frame(0x02, b'{"interface":"asgi"}'),
    "/odd-failure": frame(0x03, b'{"kind":"folder","text":"forged"}'),
    "/stopped": frame(0x16),
    "/no-request": frame(0x11, b"abc", flags=1, request=1 << 50),
    "/taken": frame(0x1A, b"abc"),
}

TYPES = [*range(0x02, 0x04), *range(0x10, 0x1F), *range(0x20, 0x25)]
TEXTS = [b"", b"{}", b"\0" * 12, b"200 OK\0a\0b", b'{"interface":"wsgi"}', b"\xff" * 40]


def write_bytes(chance: random.Random, channel: int) -> None:
    os.write(channel, chance.randbytes(chance.randrange(1, 100)))


def forge_frames(chance: random.Random, channel: int) -> None:
    for _ in range(chance.randrange(1, 4)):
        forged = frame(
            # Not POISONED, which ends every worker.
            chance.choice([kind for kind in TYPES if kind != 0x17]),
            chance.choice(TEXTS) + chance.randbytes(chance.randrange(30)),
            flags=chance.randrange(2),
            count=chance.randrange(1 << 16),
            request=chance.choice((0, 1, chance.randrange(400), chance.randrange(1 << 64))),
        )
        os.write(channel, forged)


def damage_frame(chance: random.Random, channel: int) -> None:
    request = chance.randrange(400)
    damaged = bytearray(frame(chance.choice(TYPES), chance.choice(TEXTS), request=request))
    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    os.write(channel, damaged[: chance.randrange(1, len(damaged) + 1)])


def steal_bytes(chance: random.Random, channel: int) -> None:
    with contextlib.suppress(BlockingIOError):
        open_again(channel).recv(chance.randrange(1, 40), socket.MSG_DONTWAIT)


def damage_notes(chance: random.Random, _channel: int) -> None:
    notes = find_file("notes")
    for _ in range(20):
        at = chance.randrange(64) * 4160 + chance.choice((0, 8, 4096))
        os.pwrite(notes, chance.randbytes(24), at)


def shut_channel(_chance: random.Random, channel: int) -> None:
    open_again(channel).shutdown(socket.SHUT_RDWR)


HARMS = (write_bytes, forge_frames, forge_frames, damage_frame, steal_bytes, damage_notes)


def do_random_harm(seed: str) -> None:
    chance = random.Random(seed)
    chance.choice((*HARMS, shut_channel))(chance, find_channel())


def do_harm(path: str, query: str) -> None:
    harm = FRAMES.get(path)
    if path in ("/short-credit", "/taken"):
        # About the request that runs, whose id is in the only slot.
        harm = harm[:8] + os.pread(find_file("notes"), 8, 8) + harm[16:]
    if harm is not None:
        os.write(find_channel(), harm)
    if path == "/half":
        os._exit(1)
    if path == "/random" and time.monotonic() - BEGAN > SANE_SECONDS:
        do_random_harm(unquote(query))
    if path == "/close-low":
        os.closerange(3, 256)
    if path == "/close-all":
        os.closerange(3, 4096)
    if path == "/kill-group":
        os.killpg(0, signal.SIGTERM)
        subprocess.run(["sh", "-c", "kill 0"], check=False)
    if path == "/child":
        subprocess.Popen(["sleep", "600"])


def app(environ, start_response):
    path = environ["PATH_INFO"]
    do_harm(path, environ["QUERY_STRING"])
    if path.startswith("/wait"):
        if path == "/wait-stray":
            os.write(find_channel(), b"!")
        WAITING.wait(600)
    body = b"fine"
    if path == "/fields":
        body = b"x"
        fields = [("Content-Length", "1"), *[("a", "b")] * int(environ["QUERY_STRING"])]
        start_response("200 OK", fields)
        return [body]
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi_app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    do_harm(scope["path"], scope["query_string"].decode())
    fields = [(b"content-length", b"4")]
    if scope["path"] == "/fields":
        fields += [(b"a", b"b")] * int(scope["query_string"])
    if scope["path"] == "/echo":
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
    if scope["type"] == "websocket":
        count = int(scope["query_string"])
        await send({"type": "websocket.accept", "headers": [(b"a", b"b")] * count})
        return
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"fine"})
