"""An ASGI application whose exceptions are shown.

waiting ─start 5xx with an exception─▶ held ─whole body─▶ the page, or the response as it was
   └─any other start──────▶ passing ◀──a longer body──┘
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from typhon_worker.application.cancellation import INNER_CALLERS
from typhon_worker.application.interface import is_double_callable

from .request import facts_of_scope
from .watch import MAX_REPLACED_BYTES, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]
    Send = Callable[[Message], Awaitable[None]]


class AsgiPages:
    """The application, with pages."""

    def __init__(self, app: Callable[..., Any], is_local: bool) -> None:
        self.app = app
        self._is_local = is_local
        self._is_double = is_double_callable(app)

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        """As the application."""
        if scope["type"] != "http":
            await self._call(scope, receive, send)
            return
        watch = Watch(facts_of_scope(scope), self._is_local)
        response = _Response(send, watch)
        try:
            await self._call(scope, receive, response.send)
            await response.release()
        except BaseException as error:
            if response.may_begin and watch.may_show(error):
                await response.show()
            # The server tells the log of it.
            raise
        finally:
            watch.end()

    async def _call(self, scope: Message, receive: Any, send: Any) -> None:
        if self._is_double:
            await self.app(scope)(receive, send)
        else:
            await self.app(scope, receive, send)


class _Response:
    def __init__(self, send: Send, watch: Watch) -> None:
        self._send = send
        self._watch = watch
        # The start of a response of which nothing was sent, and its body so far.
        self._held: Message | None = None
        self._body = b""
        # Whether the response may have to become a page when its body is whole.
        self._is_doubtful = False
        # Whether no byte of a response has been sent.
        self.may_begin = True

    async def send(self, message: Message) -> None:
        """As the server's."""
        kind = message["type"]
        if kind == "http.response.start" and self.may_begin and self._held is None:
            # Headers may be an iterator.
            self._held = {**message, "headers": list(message.get("headers", ()))}
            self._is_doubtful = self._watch.judge(message["status"])
        elif kind == "http.response.body" and self._held is not None and self._is_doubtful:
            await self._hold(message)
        else:
            await self.release()
            await self._send(message)

    async def _hold(self, message: Message) -> None:
        self._body += message.get("body", b"")
        has_more = message.get("more_body", False)
        if has_more and len(self._body) <= MAX_REPLACED_BYTES:
            return
        if not has_more and self._watch.may_replace(self._fields(), self._body):
            await self.show()
            return
        body, self._body = self._body, b""
        await self.release()
        await self._send({**message, "body": body})

    async def release(self) -> None:
        """Sends a held response as it is."""
        if self._held is None:
            return
        held, self._held = self._held, None
        self.may_begin = False
        await self._send(held)
        if self._body:
            await self._send({"type": "http.response.body", "body": self._body, "more_body": True})

    async def show(self) -> None:
        """Sends the page."""
        status = max(500, self._held["status"] if self._held is not None else 0)
        head, body = self._watch.make(self._fields())
        self._held = None
        self.may_begin = False
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _fields(self) -> list[tuple[str, str]]:
        headers = self._held["headers"] if self._held is not None else ()
        return [
            (bytes(name).decode("latin-1").lower(), bytes(value).decode("latin-1"))
            for name, value in headers
        ]


INNER_CALLERS.update((AsgiPages.__call__.__code__, AsgiPages._call.__code__))
