"""`receive` and `send` of one WebSocket (ASGI, "WebSocket Connection Scope").

    waiting ─accept─▶ open ─close, from either side─▶ ended
       ├─close (refused)──────────────────────────────▶
       └─http.response.start─▶ held ─ … ─▶ ended, as in HTTP (http_exchange.py)

After the client's close the application still receives the messages that came before, and may
answer them: the front delays its own close frame for a while, until the application has received
the close. Frames of the WebSocket protocol are the front's; the channel carries messages, long ones
in pieces.
"""

from __future__ import annotations

from collections import deque

from typhon_worker.application.cancellation import ClientGone
from typhon_worker.process.tracebacks import describe_type
from typhon_worker.wire import frames

from .http_exchange import HttpExchange
from .response_head import encode_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]

# Messages that may wait for the application. Credit bounds their bytes, but an empty message needs
# hardly any and costs memory nevertheless.
MAX_WAITING_MESSAGES = 65_536

# Close codes, RFC 6455 §7.4.1.
NORMAL = 1000
ABNORMAL = 1006
NO_UTF_8 = 1007
POLICY_VIOLATION = 1008

_RESPONSE = "websocket.http.response."


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
        super().begin()
        # Whole messages that wait, each with the bytes to grant when it is received.
        self.messages: deque[tuple[Message, int]] = deque()
        # The pieces of an incomplete message, and how many of its bytes have not been granted.
        self.pieces: list[bytes] = []
        self.withheld = 0
        # The client has closed, and the front waits for the application's last messages.
        self.is_closing = False
        # The application has received a message and not called `receive` again.
        self.has_to_answer = False
        # Code and reason of the close.
        self.code = ABNORMAL
        self.reason = ""

    # What the front sends.

    def take_message(self, kind: int, piece: bytes, is_last: bool) -> None:
        if self.is_cancelled or self.has_ended:
            return
        # An empty message counts as one byte.
        self.withheld += len(piece) or int(is_last and not self.pieces)
        if not is_last:
            self.pieces.append(piece)
            if not self.messages:
                # No whole message waits whose receipt would grant credit. Without credit the front
                # could not send the rest of this one.
                self._grant_withheld()
            return
        if self.pieces:
            piece = b"".join((*self.pieces, piece))
            self.pieces = []
        message: Message
        if kind == frames.WS_TEXT_IN:
            try:
                message = {"type": "websocket.receive", "text": piece.decode()}
            except UnicodeDecodeError:
                self._fail_connection(NO_UTF_8, "a text message is not UTF-8")
                return
        else:
            message = {"type": "websocket.receive", "bytes": piece}
        if len(self.messages) >= MAX_WAITING_MESSAGES:
            self._fail_connection(POLICY_VIOLATION, "too many messages wait to be read")
            return
        self.messages.append((message, self.withheld))
        self.withheld = 0
        self.wake()

    def take_close(self, code: int, reason: bytes, may_answer: bool) -> None:
        self.code = code
        self.reason = reason.decode("utf-8", "replace")
        if not may_answer:
            self.lose_client()
        elif self.messages or self.has_to_answer:
            self.is_closing = True
        else:
            self._let_front_close()
        self.wake()

    def take_cancel(self, count: int) -> None:
        if count != frames.HALF_CLOSED:
            self.messages.clear()
            super().take_cancel(count)

    # The application can answer no more messages, so the front need not wait with its close frame.
    def _let_front_close(self) -> None:
        self.is_closing = False
        if not (self.is_cancelled or self.has_ended):
            self.lose_client()
            self.outbox.send(frames.encode(frames.WS_CLOSE, self.request, count=NORMAL))

    # Closes because of what the client sent (RFC 6455 §7.1.7).
    def _fail_connection(self, code: int, reason: str) -> None:
        self._close(code, reason)
        self.lose_client()
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
                self._let_front_close()
            if self.is_cancelled or self.has_ended:
                return {"type": "websocket.disconnect", "code": self.code, "reason": self.reason}
            await self.wait_for_change()
        self.has_to_answer = True
        message, size = self.messages.popleft()
        if not self.is_cancelled:
            self.grant(size)
            if not self.messages:
                self._grant_withheld()
        return message

    async def send(self, message: Message) -> None:
        """ASGI's send; as in HTTP, what would end a WebSocket without a client is dropped."""
        kind = message["type"]
        if self.is_cancelled:
            if kind == "websocket.close" or (
                kind.startswith(_RESPONSE) and not message.get("more_body")
            ):
                return
            raise ClientGone("the client has left")
        if kind == "websocket.send" and self.state == "open":
            await self._send_message(message)
        elif kind == "websocket.accept" and self.state == "waiting":
            self._accept(message)
        elif kind == "websocket.close" and self.state in ("open", "waiting"):
            self._close(message.get("code", NORMAL), message.get("reason") or "")
        elif kind == _RESPONSE + "start" and self.state == "waiting":
            self.start(message)
        elif kind == _RESPONSE + "body" and self.state in ("held", "streaming"):
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(self._explain_refusal(kind))

    def _accept(self, message: Message) -> None:
        subprotocol = message.get("subprotocol") or ""
        payload, count = encode_fields(
            [subprotocol.encode("latin-1")], message.get("headers") or (), "websocket.accept"
        )
        self.state = "open"
        self.tell_taken()
        self.outbox.send(frames.encode(frames.WS_ACCEPT, self.request, payload, count=count))

    async def _send_message(self, message: Message) -> None:
        text = message.get("text")
        if text is not None:
            if not isinstance(text, str):
                raise TypeError(f"websocket.send: the text is {describe_type(text)}, not a str")
            await self.send_pieces(frames.WS_TEXT, text.encode(), frames.END)
            return
        chunk = message.get("bytes")
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            raise TypeError(f"websocket.send: the bytes are {describe_type(chunk)}, not bytes")
        await self.send_pieces(frames.WS_BINARY, bytes(chunk), frames.END)

    def _close(self, code: int, reason: str) -> None:
        frame = frames.encode(
            frames.WS_CLOSE, self.request, frames.encode_text(reason), flags=frames.END, count=code
        )
        if self.state == "open":
            self.code, self.reason = code, reason
        else:
            self.tell_taken()
        self.state = "ended"
        self.send_last(frame)

    def _explain_refusal(self, kind: str) -> str:
        if self.state == "ended":
            return (
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close' "
                "or response already completed."
            )
        wanted = {
            "waiting": f"'websocket.accept', 'websocket.close' or '{_RESPONSE}start'",
            "open": "'websocket.send' or 'websocket.close'",
        }.get(self.state, f"'{_RESPONSE}body'")
        return f"Expected ASGI message {wanted}, but got '{kind}'."

    # The end.

    def finish(self) -> None:
        if self.is_cancelled or self.state in ("held", "streaming"):
            super().finish()
        elif self.state == "open":
            self._close(NORMAL, "")
        else:
            self.send_fault("ASGI callable returned without completing handshake.")

    def give_up(self) -> None:
        self.send_last(frames.encode(frames.WS_CLOSE, self.request, flags=frames.END, count=NORMAL))
