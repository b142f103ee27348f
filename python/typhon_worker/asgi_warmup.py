"""Warm-up of an ASGI application (see warmup.py): requests that go nowhere, one after the other."""

from __future__ import annotations

import time

from .asgi import AsgiServer
from .asgi_http import HttpExchange
from .channel import LEVEL_WARNING
from .warmup import FIELD_NAMES, describe_outcome, record_values
from .wire import FAULT, HEAD, HEAD_PREFIX_BYTES, LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Any

    from .asgi import App
    from .channel import Channel
    from .scope import ScopeMaker

_HEAD_AT = 16 + HEAD_PREFIX_BYTES
# Nobody grants any, because nobody has to take what is sent.
_ENDLESS_CREDIT = 1 << 62


class Rehearsal:
    """Slot and outbox of a request that nobody has sent: keeps what the front would learn."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.outbox = self
        self.status = ""
        self.faults: list[str] = []

    def clear_note(self) -> None:
        """There is none."""

    def send_last(self, frame: bytes, _slot: object) -> None:
        """As `send`."""
        self.send(frame)

    def send(self, frame: bytes) -> None:
        """Keeps the status of a HEAD, or the text of a FAULT."""
        kind = frame[4]
        if kind == HEAD:
            self.status = frame[_HEAD_AT : _HEAD_AT + 3].decode("latin-1")
        elif kind in (FAULT, LOG):
            self.faults.append(frame[16:].decode())

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """Nobody waits for it."""

    def log(self, _level: int, text: str, _request: int = 0) -> None:
        """Keeps what failed after the answer."""
        self.faults.append(text)


async def warm_up(
    app: App,
    scopes: ScopeMaker,
    loop: AbstractEventLoop,
    channel: Channel,
    paths: list[str],
) -> None:
    """Asks for each path once; what fails goes to the log."""
    server = AsgiServer(app, scopes, HttpExchange.release)
    for number, path in enumerate(paths, 1):
        rehearsal: Any = Rehearsal(loop)
        values = record_values(path, number).encode("latin-1")
        exchange = HttpExchange(rehearsal, 0, 0, time.monotonic(), FIELD_NAMES, values, b"")
        exchange.granted = _ENDLESS_CREDIT
        # A task of its own, as each request has one.
        await loop.create_task(server.serve(exchange))
        fault = describe_outcome(rehearsal.status, rehearsal.faults)
        if fault:
            channel.log(LEVEL_WARNING, f"warm-up GET {path}: {fault}")
