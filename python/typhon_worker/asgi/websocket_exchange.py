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
from typhon_worker.application.exchange import MAX_INPUT_BYTES
from typhon_worker.process.tracebacks import describe_type
from typhon_worker.wire import WireFault, frames

from .http_exchange import HttpExchange
from .outbox import UnnotedSlot
from .response_head import encode_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]

# What a message costs of the front's credit besides its bytes: about the memory of one that waits.
MESSAGE_COST_BYTES = 128

# Close codes, RFC 6455 §7.4.1.
NORMAL = 1000
ABNORMAL = 1006
NO_UTF_8 = 1007

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
        "receivers",
        "ungranted",
        "withheld",
    )

    def begin(self) -> None:
        super().begin()
        self.granted = frames.WS_CREDIT_BYTES
        # Whole messages that wait: kind, bytes, and the credit to grant when one is received.
        self.messages: deque[tuple[int, bytes, int]] = deque()
        # The pieces of an incomplete message, and how many of its bytes have not been granted.
        self.pieces: list[bytes] = []
        self.withheld = 0
        # All bytes and costs that have come and not been granted.
        self.ungranted = 0
        # Calls of `receive` that wait for a message.
        self.receivers = 0
        # The client has closed, and the front waits for the application's last messages.
        self.is_closing = False
        # The application has received a message and not called `receive` again.
        self.has_to_answer = False
        # Code and reason of the close.
        self.code = ABNORMAL
        self.reason = ""

    # What the front sends.

    def take_message(self, kind: int, piece: bytes, is_last: bool) -> None:
        """A piece of a message has come. Raises WireFault on more than the front may send."""
        if self.is_cancelled or self.has_ended:
            return
        cost = len(piece) + MESSAGE_COST_BYTES * is_last
        self.withheld += cost
        self.ungranted += cost
        if self.ungranted > MAX_INPUT_BYTES:
            raise WireFault(f"{self.ungranted} bytes of messages to request {self.request}")
        if not is_last:
            self.pieces.append(piece)
            if self.receivers:
                self._grant_withheld()
            return
        if self.pieces:
            piece = b"".join((*self.pieces, piece))
            self.pieces = []
        self.messages.append((kind, piece, self.withheld))
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

    # The application waits for a message of which only a part has come. Without credit the front
    # could not send the rest. To an application that does not ask nothing more is sent.
    def _grant_withheld(self) -> None:
        withheld, self.withheld = self.withheld, 0
        self._grant(withheld)

    def _grant(self, credit: int) -> None:
        self.ungranted -= credit
        self.grant(credit)

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
            await self._wait_for_message()
        self.has_to_answer = True
        kind, payload, credit = self.messages.popleft()
        if not self.is_cancelled:
            self._grant(credit)
        if kind == frames.WS_BINARY_IN:
            return {"type": "websocket.receive", "bytes": payload}
        try:
            # Decoded only now: a text takes up to four times as much memory as its bytes.
            return {"type": "websocket.receive", "text": payload.decode()}
        except UnicodeDecodeError:
            self.messages.clear()
            self._fail_connection(NO_UTF_8, "a text message is not UTF-8")
            return await self.receive()

    async def _wait_for_message(self) -> None:
        self.receivers += 1
        try:
            if self.withheld:
                self._grant_withheld()
            await self.wait_for_change()
        finally:
            self.receivers -= 1

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
        slot = self.slot
        self.slot = UnnotedSlot(slot)
        self.outbox.send_last(
            frames.encode(frames.WS_ACCEPT, self.request, payload, count=count), slot
        )
        slot.on_accepted(self, slot)

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
