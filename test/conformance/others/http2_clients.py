"""What clients of other makes do over HTTP/2: httpx, and h2 by hand.

Arguments: the URL of http2_pages:asgi, and the certificate of its authority, or "" without TLS.
Prints "ok NAME" or "failed NAME …" for each part.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import httpx

URL, AUTHORITY = sys.argv[1:3]
HOST, PORT = urlsplit(URL).hostname or "", urlsplit(URL).port or 0
PATIENCE = 60
MIB = 1 << 20
UPLOAD = random.Random(12).randbytes(10_000_000)
SMALL_WINDOW = 65_535


class Client:
    """One connection by h2; windows are opened only where a part says so."""

    def __init__(self, automatic: bool = True) -> None:
        """Connect; `automatic`: content is acknowledged as it comes."""
        self.automatic = automatic
        self.events: dict[int, list[h2.events.Event]] = {}
        self.ended: h2.events.ConnectionTerminated | None = None
        self.settings: dict[int, int] = {}
        self.socket = socket.create_connection((HOST, PORT), PATIENCE)
        if AUTHORITY:
            context = ssl.create_default_context(cafile=AUTHORITY)
            context.set_alpn_protocols(["h2"])
            wrapped = context.wrap_socket(self.socket, server_hostname="localhost")
            assert wrapped.selected_alpn_protocol() == "h2"
            self.socket = wrapped
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()
        while not self.settings:
            self.read()

    def __enter__(self) -> Client:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.socket.close()

    def ask(
        self, path: str, method: str = "GET", end: bool = True, more: Iterable[tuple[str, str]] = ()
    ) -> int:
        """Begin a request; return the number of its stream."""
        stream = self.h2.get_next_available_stream_id()
        scheme = "https" if AUTHORITY else "http"
        pseudo = [
            (":method", method),
            (":scheme", scheme),
            (":authority", "localhost"),
            (":path", path),
        ]
        self.h2.send_headers(stream, [*pseudo, *more], end_stream=end)
        self.events[stream] = []
        self.flush()
        return stream

    def send(self, stream: int, content: bytes, end: bool = True) -> None:
        """Send content as the windows allow; content of the server is read meanwhile."""
        at = 0
        while at < len(content):
            room = min(
                self.h2.local_flow_control_window(stream),
                self.h2.max_outbound_frame_size,
                len(content) - at,
            )
            if room == 0:
                self.read()
                continue
            self.h2.send_data(stream, content[at : at + room])
            at += room
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def read(self) -> None:
        """Read once."""
        received = self.socket.recv(65_536)
        if received == b"":
            raise EOFError(f"the connection was closed: {self.ended}")
        for event in self.h2.receive_data(received):
            self.take(event)
        self.flush()

    def take(self, event: h2.events.Event) -> None:
        """Keep an event with its stream."""
        if isinstance(event, h2.events.ConnectionTerminated):
            self.ended = event
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            changed = event.changed_settings.values()
            self.settings |= {int(one.setting): one.new_value for one in changed} or {0: 0}
        stream = getattr(event, "stream_id", None)
        if stream in self.events:
            self.events[stream].append(event)
        if isinstance(event, h2.events.DataReceived) and self.automatic and stream in self.events:
            self.acknowledge(event)

    def acknowledge(self, event: h2.events.DataReceived) -> None:
        """Open the windows by the content of an event."""
        if event.flow_controlled_length:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def flush(self) -> None:
        """Write what h2 has made."""
        self.socket.sendall(self.h2.data_to_send())

    def until(self, is_enough: Callable[[], bool]) -> None:
        """Read until a condition holds."""
        while not is_enough():
            self.read()

    def has(self, stream: int, kind: type[h2.events.Event]) -> bool:
        """Whether such an event has come."""
        return any(isinstance(event, kind) for event in self.events[stream])

    def content(self, stream: int) -> bytes:
        """The content so far."""
        return b"".join(
            e.data for e in self.events[stream] if isinstance(e, h2.events.DataReceived)
        )

    def fields(self, stream: int, kind: type[Any]) -> dict[str, str]:
        """The fields of the first event of a kind."""
        return dict(next(e.headers for e in self.events[stream] if isinstance(e, kind)))

    def finish(self, stream: int) -> tuple[str, bytes]:
        """Read to the end of a stream; return status and content."""
        self.until(
            lambda: (
                self.has(stream, h2.events.StreamEnded) or self.has(stream, h2.events.StreamReset)
            )
        )
        assert not self.has(stream, h2.events.StreamReset), self.events[stream][-1]
        return self.fields(stream, h2.events.ResponseReceived)[":status"], self.content(stream)

    def serves(self) -> None:
        """The connection still answers."""
        assert self.finish(self.ask("/")) == ("200", b"Hello, World!")


def make_httpx() -> httpx.AsyncClient:
    """A client that speaks nothing but HTTP/2."""
    verify = ssl.create_default_context(cafile=AUTHORITY) if AUTHORITY else True
    limits = httpx.Limits(max_connections=1)
    return httpx.AsyncClient(
        base_url=URL.replace("127.0.0.1", "localhost") if AUTHORITY else URL,
        http1=False,
        http2=True,
        verify=verify,
        limits=limits,
        timeout=PATIENCE,
    )


async def httpx_gets_and_posts() -> None:
    """GET, HEAD, 204, 304, and 10 MB there and back."""
    async with make_httpx() as client:
        response = await client.get("/")
        assert (response.http_version, response.text) == ("HTTP/2", "Hello, World!")
        response = await client.head("/")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == "13"
        for status in (204, 304):
            response = await client.get(f"/{status}")
            assert (response.status_code, response.content) == (status, b"")
        response = await client.post("/echo", content=UPLOAD)
        assert hashlib.sha256(response.content).digest() == hashlib.sha256(UPLOAD).digest()


async def httpx_asks_100_at_once() -> None:
    """One connection, 100 streams, each with its own content."""
    async with make_httpx() as client:
        bodies = [b"%d " % at * 500 for at in range(100)]
        responses = await asyncio.gather(*(client.post("/echo", content=body) for body in bodies))
        assert [response.content for response in responses] == bodies


def h2_opens_100_streams_at_once() -> None:
    """100 requests whose bodies come only when all of them have begun."""
    with Client() as client:
        streams = [client.ask("/echo", "POST", end=False) for _ in range(100)]
        for at, stream in enumerate(streams):
            client.send(stream, b"%d" % at)
        for at, stream in enumerate(streams):
            assert client.finish(stream) == ("200", b"%d" % at)


def h2_reads_slowly() -> None:
    """A stream whose window stays shut holds up no other, and comes whole in the end."""
    with Client(automatic=False) as client:
        client.h2.increment_flow_control_window(64 * MIB)
        slow = client.ask("/blocks?160")
        client.until(lambda: len(client.content(slow)) == SMALL_WINDOW)
        for _ in range(10):
            client.serves()
        assert len(client.content(slow)) == SMALL_WINDOW
        client.h2.increment_flow_control_window(16 * MIB, slow)
        client.flush()
        assert client.finish(slow) == ("200", bytes(range(256)) * 256 * 160)


def h2_uploads_10_mb_and_reads_slowly() -> None:
    """10 MB are sent back over a window of 64 KiB, opened only when it is used up."""
    with Client(automatic=False) as client:
        client.h2.increment_flow_control_window(64 * MIB)
        stream = client.ask("/echo", "POST", end=False)
        sent = opened = 0
        while not client.has(stream, h2.events.StreamEnded):
            assert not client.has(stream, h2.events.StreamReset)
            room = min(
                client.h2.local_flow_control_window(stream) if sent < len(UPLOAD) else 0,
                client.h2.max_outbound_frame_size,
                len(UPLOAD) - sent,
            )
            if room > 0:
                client.h2.send_data(stream, UPLOAD[sent : sent + room])
                sent += room
                if sent == len(UPLOAD):
                    client.h2.end_stream(stream)
                client.flush()
                continue
            client.read()
            arrived = len(client.content(stream)) if opened < len(UPLOAD) else 0
            if arrived - opened == SMALL_WINDOW:
                opened = arrived
                client.h2.increment_flow_control_window(SMALL_WINDOW, stream)
                client.flush()
        assert client.finish(stream) == ("200", UPLOAD)


def h2_sends_and_gets_trailers() -> None:
    """A trailer section behind the content, in both directions."""
    with Client() as client:
        stream = client.ask("/trailers", more=[("te", "trailers")])
        assert client.finish(stream) == ("200", b"Hello, World!")
        assert client.fields(stream, h2.events.TrailersReceived) == {"x-sum": "42"}
        stream = client.ask("/echo", "POST", end=False)
        client.send(stream, b"content", end=False)
        client.h2.send_headers(stream, [("x-sum", "1")], end_stream=True)
        client.flush()
        assert client.finish(stream) == ("200", b"content")


def h2_gets_early_hints() -> None:
    """103 before the response."""
    with Client() as client:
        stream = client.ask("/hints")
        assert client.finish(stream) == ("200", b"Hello, World!")
        hinted = client.fields(stream, h2.events.InformationalResponseReceived)
        assert hinted[":status"] == "103", hinted
        assert hinted["link"] == "</a.css>; rel=preload", hinted


def h2_resets_in_the_middle() -> None:
    """Uploads and downloads that the client gives up; the connection goes on."""
    with Client() as client:
        for _ in range(5):
            upload = client.ask("/echo", "POST", end=False)
            client.send(upload, b"x" * 1000, end=False)
            client.h2.reset_stream(upload, h2.errors.ErrorCodes.CANCEL)
            download = client.ask("/slow")
            client.until(lambda stream=download: client.content(stream) != b"")
            client.h2.reset_stream(download, h2.errors.ErrorCodes.CANCEL)
            waiting = client.ask("/hold")
            client.h2.reset_stream(waiting, h2.errors.ErrorCodes.CANCEL)
            client.flush()
            client.serves()


def h2_gets_nothing_where_nothing_belongs() -> None:
    """HEAD, 204 and 304 end with their heads."""
    with Client() as client:
        for method, path, status in (
            ("HEAD", "/", "200"),
            ("GET", "/204", "204"),
            ("GET", "/304", "304"),
        ):
            assert client.finish(client.ask(path, method)) == (status, b"")


def h2_opens_a_web_socket() -> None:
    """RFC 8441: extended CONNECT, messages there and back, a close; other streams beside it."""
    with Client() as client:
        assert client.settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1
        handshake = [(":protocol", "websocket"), ("sec-websocket-version", "13")]
        stream = client.h2.get_next_available_stream_id()
        scheme = "https" if AUTHORITY else "http"
        pseudo = [
            (":method", "CONNECT"),
            (":scheme", scheme),
            (":authority", "localhost"),
            (":path", "/"),
        ]
        client.h2.send_headers(stream, [pseudo[0], handshake[0], *pseudo[1:], handshake[1]])
        client.events[stream] = []
        client.flush()
        client.until(lambda: client.has(stream, h2.events.ResponseReceived))
        assert client.fields(stream, h2.events.ResponseReceived)[":status"] == "200"
        for message in (b"", b"hello", b"y" * 200, os.urandom(100_000)):
            before = len(client.content(stream))
            client.send(stream, make_frame(2, message), end=False)
            client.until(lambda b=before: read_message(client.content(stream)[b:]) is not None)
            assert read_message(client.content(stream)[before:]) == (2, message)
            client.serves()
        before = len(client.content(stream))
        code = struct.pack("!H", 1000)
        client.send(stream, make_frame(8, code), end=False)
        client.until(lambda: client.has(stream, h2.events.StreamEnded))
        assert read_message(client.content(stream)[before:]) == (8, code)
        client.serves()


def read_message(received: bytes) -> tuple[int, bytes] | None:
    """Opcode and payload of the one message that has come, unmasked; None: a part of it."""
    opcode, payload, is_last = 0, b"", False
    while not is_last:
        size_at = {126: (2, "!H"), 127: (8, "!Q")}.get(received[1] if len(received) > 1 else 0)
        start = 2 + (size_at[0] if size_at else 0)
        if len(received) < start:
            return None
        size = struct.unpack(size_at[1], received[2:start])[0] if size_at else received[1]
        if len(received) < start + size:
            return None
        opcode = opcode or received[0] & 15
        is_last = received[0] >= 0x80
        payload += received[start : start + size]
        received = received[start + size :]
    assert received == b"", received[:20]
    return opcode, payload


def make_frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame of RFC 6455, whole."""
    mask = 0x80
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, mask | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, mask | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, mask | 127, size)
    # A mask of zeros leaves the payload as it is.
    return head + b"\0\0\0\0" + payload


PARTS: list[Any] = [
    httpx_gets_and_posts,
    httpx_asks_100_at_once,
    h2_opens_100_streams_at_once,
    h2_reads_slowly,
    h2_uploads_10_mb_and_reads_slowly,
    h2_sends_and_gets_trailers,
    h2_gets_early_hints,
    h2_resets_in_the_middle,
    h2_gets_nothing_where_nothing_belongs,
    h2_opens_a_web_socket,
]

for part in PARTS:
    try:
        result = part()
        if result is not None:
            asyncio.run(result)
        print("ok", part.__name__, flush=True)
    except Exception as error:
        text = f"{type(error).__name__} {error}".replace("\n", " ")
        print("failed", part.__name__, text, flush=True)
