"""`receive` and `send` of one WebSocket (ASGI, "WebSocket Connection Scope").

    waiting ─accept─▶ open ─close, from either side─▶ ended
       ├─close (refused)──────────────────────────────▶
       └─http.response.start─▶ held ─ … ─▶ ended, as in HTTP (asgi_http.py)

When the client has closed, the application still receives what came before, and may answer it: the
front waits a while with its own close frame, until the application has heard of the close.

Frames of the WebSocket protocol are the front's; here there are messages, in pieces where they are
long.
"""

from __future__ import annotations

from collections import deque

from .asgi_head import encode_fields
from .asgi_http import HttpExchange
from .exchange import ClientGone
from .faults import describe_type
from .wire import (
    END,
    HALF_CLOSED,
    WS_ACCEPT,
    WS_BINARY,
    WS_CLOSE,
    WS_TEXT,
    WS_TEXT_IN,
    encode_frame,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]

# Messages that wait for the application: their bytes are bounded by credit, but empty ones have
# none, and each costs memory nevertheless.
MAX_WAITING_MESSAGES = 65_536

# RFC 6455 §7.4.1
NORMAL = 1000
ABNORMAL = 1006
NO_UTF_8 = 1007
POLICY_VIOLATION = 1008

_ANSWER = "websocket.http.response."


class WebSocketExchange(HttpExchange):
    """One WebSocket, as an ASGI application sees it."""

    __slots__ = (
        "code",
        "has_to_answer",
        "is_closing",
        "messages",
        "pieces",
        "reason",
        "withheld",
    )

    def begin(self) -> None:
        """As AsgiExchange.begin."""
        super().begin()
        # Whole messages that wait, each with the bytes to grant when it is received.
        self.messages: deque[tuple[Message, int]] = deque()
        # Of a message that is not whole yet, and how many of its bytes were not granted.
        self.pieces: list[bytes] = []
        self.withheld = 0
        # The client has closed, and the front waits for what the application says to it.
        self.is_closing = False
        # A message was received, and `receive` was not called again.
        self.has_to_answer = False
        # Of the close.
        self.code = ABNORMAL
        self.reason = ""

    # What the front says.

    def take_message(self, kind: int, piece: bytes, is_last: bool) -> None:
        """As AsgiExchange.take_message."""
        if self.is_gone or self.has_ended:
            return
        # An empty message counts as one byte.
        self.withheld += len(piece) or int(is_last and not self.pieces)
        if not is_last:
            self.pieces.append(piece)
            if not self.messages:
                # Nothing else keeps the front from sending the rest.
                self._grant_withheld()
            return
        if self.pieces:
            piece = b"".join((*self.pieces, piece))
            self.pieces = []
        message: Message
        if kind == WS_TEXT_IN:
            try:
                message = {"type": "websocket.receive", "text": piece.decode()}
            except UnicodeDecodeError:
                self._give_up_on(NO_UTF_8, "a text message is not UTF-8")
                return
        else:
            message = {"type": "websocket.receive", "bytes": piece}
        if len(self.messages) >= MAX_WAITING_MESSAGES:
            self._give_up_on(POLICY_VIOLATION, "too many messages wait to be read")
            return
        self.messages.append((message, self.withheld))
        self.withheld = 0
        self.wake()

    def take_close(self, code: int, reason: bytes, may_answer: bool) -> None:
        """As AsgiExchange.take_close."""
        self.code = code
        self.reason = reason.decode("utf-8", "replace")
        if not may_answer:
            self.is_gone = True
        elif self.messages or self.has_to_answer:
            self.is_closing = True
        else:
            self._hear_close()
        self.wake()

    def take_cancel(self, count: int) -> None:
        """As AsgiExchange.take_cancel."""
        if count != HALF_CLOSED:
            self.messages.clear()
            super().take_cancel(count)

    def _hear_close(self) -> None:
        """Nothing of what the client sent is to be answered any more: the front may close."""
        self.is_closing = False
        if not (self.is_gone or self.has_ended):
            self.is_gone = True
            self.outbox.send(encode_frame(WS_CLOSE, self.request, count=NORMAL))

    def _give_up_on(self, code: int, reason: str) -> None:
        self._close(code, reason)
        self.is_gone = True
        self.wake()

    def _grant_withheld(self) -> None:
        withheld, self.withheld = self.withheld, 0
        self.grant(withheld)

    # What the application asks for.

    async def receive(self) -> Message:
        """ASGI's receive."""
        if not self.is_received:
            self.is_received = True
            return {"type": "websocket.connect"}
        self.has_to_answer = False
        while not self.messages:
            if self.is_closing:
                self._hear_close()
            if self.is_gone or self.has_ended:
                return {"type": "websocket.disconnect", "code": self.code, "reason": self.reason}
            await self.wait_for_news()
        self.has_to_answer = True
        message, size = self.messages.popleft()
        if not self.is_gone:
            self.grant(size)
            if not self.messages:
                self._grant_withheld()
        return message

    async def send(self, message: Message) -> None:
        """ASGI's send."""
        kind = message["type"]
        if self.is_gone:
            raise ClientGone("the client has left")
        if kind == "websocket.send" and self.state == "open":
            await self._send_message(message)
        elif kind == "websocket.accept" and self.state == "waiting":
            self._accept(message)
        elif kind == "websocket.close" and self.state in ("open", "waiting"):
            self._close(message.get("code", NORMAL), message.get("reason") or "")
        elif kind == _ANSWER + "start" and self.state == "waiting":
            self._start(message)
        elif kind == _ANSWER + "body" and self.state in ("held", "streaming"):
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(self._explain_refusal(kind))

    def _accept(self, message: Message) -> None:
        subprotocol = message.get("subprotocol") or ""
        payload, count = encode_fields(
            [subprotocol.encode("latin-1")], message.get("headers") or (), "websocket.accept"
        )
        self.state = "open"
        self.outbox.send(encode_frame(WS_ACCEPT, self.request, payload, count=count))

    async def _send_message(self, message: Message) -> None:
        text = message.get("text")
        if text is not None:
            if not isinstance(text, str):
                raise TypeError(f"websocket.send: the text is {describe_type(text)}, not a str")
            await self.send_pieces(WS_TEXT, text.encode(), END)
            return
        chunk = message.get("bytes")
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            raise TypeError(f"websocket.send: the bytes are {describe_type(chunk)}, not bytes")
        await self.send_pieces(WS_BINARY, bytes(chunk), END)

    def _close(self, code: int, reason: str) -> None:
        frame = encode_frame(WS_CLOSE, self.request, reason.encode(), flags=END, count=code)
        if self.state == "open":
            self.code, self.reason = code, reason
        self.state = "ended"
        self.send_last(frame)

    def _explain_refusal(self, kind: str) -> str:
        if self.state == "ended":
            return (
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close' "
                "or response already completed."
            )
        wanted = {
            "waiting": f"'websocket.accept', 'websocket.close' or '{_ANSWER}start'",
            "open": "'websocket.send' or 'websocket.close'",
        }.get(self.state, f"'{_ANSWER}body'")
        return f"Expected ASGI message {wanted}, but got '{kind}'."

    # The end.

    def finish(self) -> None:
        """As AsgiExchange.finish."""
        if self.is_gone or self.state in ("held", "streaming"):
            super().finish()
        elif self.state == "open":
            self._close(NORMAL, "")
        else:
            self.send_fault("ASGI callable returned without completing handshake.")

    def give_up(self) -> None:
        """As AsgiExchange.give_up."""
        self.send_last(encode_frame(WS_CLOSE, self.request, flags=END, count=NORMAL))
