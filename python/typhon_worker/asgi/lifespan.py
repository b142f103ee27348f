"""The application's start and end (ASGI, "Lifespan Protocol").

asked ──startup.complete──▶ started ──(shutdown)──▶ ending ──shutdown.complete──▶ ended
  └─ startup.failed, an exception, a return ─▶ failed, or absent if it may be
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop

from typhon_worker.application.importer import LoadError
from typhon_worker.process.channel import Channel
from typhon_worker.process.tracebacks import describe
from typhon_worker.wire import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .server import App

    Message = dict[str, Any]

LIFESPAN_SPECIFICATION = "2.0"
# How long an application may go on after it has said that its shutdown is complete.
LAST_SECONDS = 1.0


class Lifespan:
    """The lifespan of one application; `wanted` is one of LIFESPANS, `version` is ASGI's."""

    def __init__(
        self, app: App, version: str, wanted: str, loop: AbstractEventLoop, channel: Channel
    ) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._version = version
        self._wanted = wanted
        self._loop = loop
        self._channel = channel
        # Messages that the application has received.
        self._received = 0
        self._phase = "asked"
        self._failure = ""
        self._has_started = loop.create_future()
        self._may_end = loop.create_future()
        self._has_ended = loop.create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the application; returns when it has started. Raises LoadError."""
        if self._wanted == "off":
            return
        self._task = self._loop.create_task(self.run(), name="typhon-lifespan")
        await self._has_started
        if self._phase == "failed":
            raise LoadError("lifespan", self._failure)

    async def end(self) -> None:
        """Tells the application that it ends; returns when it has ended."""
        if self._task is None or self._task.done():
            return
        self._phase = "ending"
        self._may_end.set_result(None)
        await self._has_ended
        await asyncio.wait([self._task], timeout=LAST_SECONDS)

    async def run(self) -> None:
        """Calls the application, once for start and end; `start` makes a task of this."""
        asgi = {"version": self._version, "spec_version": LIFESPAN_SPECIFICATION}
        error: BaseException | None = None
        try:
            await self._app(
                {"type": "lifespan", "asgi": asgi, "state": self.state}, self._receive, self._send
            )
        except BaseException as raised:
            error = raised
        if self._phase == "asked":
            self._take_absence(error)
        elif error is not None and self._phase in ("started", "ending"):
            text = f"the application's lifespan failed\n{describe(error)}"
            self._channel.log(frames.LEVEL_ERROR, text)
        _settle(self._has_started)
        _settle(self._has_ended)

    async def _receive(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await asyncio.shield(self._may_end)
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and self._phase == "asked":
            self._phase = "started"
            _settle(self._has_started)
        elif kind == "lifespan.startup.failed" and self._phase == "asked":
            self._phase = "failed"
            self._failure = f"the application's startup failed: {_text_of(message)}"
            _settle(self._has_started)
        elif kind == "lifespan.shutdown.complete" and self._phase == "ending":
            self._phase = "ended"
            _settle(self._has_ended)
        elif kind == "lifespan.shutdown.failed" and self._phase == "ending":
            self._phase = "ended"
            text = f"the application's shutdown failed: {_text_of(message)}"
            self._channel.log(frames.LEVEL_ERROR, text)
            _settle(self._has_ended)
        else:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' (lifespan {self._phase}).")

    # The application has ended without saying that it has started: it does not support the
    # lifespan protocol, or it failed.
    def _take_absence(self, error: BaseException | None) -> None:
        verb = "returned" if error is None else "raised"
        text = f"the application {verb} before lifespan.startup.complete"
        if error is not None:
            text += f"\n{describe(error)}"
        if self._wanted == "on" or isinstance(error, (SystemExit, KeyboardInterrupt)):
            self._phase = "failed"
            self._failure = text
            return
        self._phase = "absent"
        if error is not None and self._received:
            # An application that has received a message supports the protocol, so this is a
            # failure and worth a line.
            self._channel.log(frames.LEVEL_WARNING, f"{text}\n(--lifespan on makes this fatal)")


def _text_of(message: Message) -> str:
    return str(message.get("message") or "it gave no message")


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
