"""`receive` and `send` of one HTTP request (ASGI, "HTTP Connection Scope").

    waiting ─start─▶ held ─first body─▶ streaming ─last body─▶ ended
                       └───────────── the whole body ───────────▶
      with trailers:   └──▶ streaming ─last body─▶ trailing ─last trailers─▶ ended

The head waits for the first bytes of body, so that an answer that is there whole is one frame.
"""

from __future__ import annotations

from io import FileIO

from .asgi_exchange import AsgiExchange
from .asgi_extensions import FILE_PIECE_BYTES, encode_early_hint, encode_trailers, send_file
from .asgi_head import encode_head
from .exchange import ClientGone
from .faults import describe_type
from .wire import (
    BODY,
    BODY_IN_FILE,
    BODY_ON_CHANNEL,
    BODY_STREAMED,
    END,
    HEAD,
    HEAD_PREFIX_BYTES,
    MAX_BODY_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    WireFault,
    encode_frame,
    pack_head,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]

# Bytes of a request's body that wait here for the application: four times what the front may send
# of a streamed one before it has been read, and a body that does not fit into a page.
MAX_INPUT_BYTES = MAX_PAYLOAD_BYTES
_LARGE_PIECE_BYTES = 16_384
# Beside it a frame has room for as much body as one may hold.
_MAX_HEAD_BYTES = MAX_PAYLOAD_BYTES - MAX_BODY_FRAME_BYTES - HEAD_PREFIX_BYTES
_BEFORE_LAST_BODY = ("waiting", "held", "streaming")
_NOT_IN_PAGE = BODY_STREAMED | BODY_ON_CHANNEL | BODY_IN_FILE


class HttpExchange(AsgiExchange):
    """One HTTP request and its answer, as an ASGI application sees them."""

    __slots__ = (
        "count",
        "declared",
        "file",
        "has_input_ended",
        "has_trailers",
        "head",
        "input",
        "input_bytes",
        "is_bodiless",
        "is_half_closed",
        "is_received",
        "passed",
        "state",
        "trailers",
    )

    def begin(self) -> None:
        """As AsgiExchange.begin."""
        self.state = "waiting"
        self.is_received = False
        self.is_half_closed = False
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.file: FileIO | None = None
        if self.flags:
            self.input: list[bytes] = []
            self.input_bytes = 0
            self.has_input_ended = False

    # What the front says.

    def take_input(self, piece: bytes, is_last: bool) -> None:
        """A piece of the body has come. Raises WireFault if nobody can have asked for it."""
        if not self.has_fetched or self.has_input_ended:
            raise WireFault(f"an INPUT frame that request {self.request} has no use for")
        self.input_bytes += len(piece)
        if self.input_bytes > MAX_INPUT_BYTES:
            raise WireFault(
                f"{self.input_bytes} bytes of body that request {self.request} cannot hold"
            )
        if piece:
            self.input.append(piece)
        self.has_input_ended = is_last
        self.wake()

    def half_close(self) -> None:
        """As AsgiExchange.half_close."""
        self.is_half_closed = True
        self.wake()

    # What the application asks for.

    async def receive(self) -> Message:
        """ASGI's receive."""
        if self.is_gone or self.has_ended:
            return {"type": "http.disconnect"}
        if not self.is_received:
            if self.flags & _NOT_IN_PAGE:
                return await self._receive_piece()
            self.is_received = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        while not (self.is_gone or self.has_ended or self.is_half_closed):
            await self.wait_for_news()
        return {"type": "http.disconnect"}

    async def _receive_piece(self) -> Message:
        if self.flags & BODY_IN_FILE:
            body, is_last = await self._read_file()
        else:
            self.fetch()
            while not (self.input or self.has_input_ended):
                await self.wait_for_news()
                if self.is_gone or self.has_ended:
                    return {"type": "http.disconnect"}
            body = self._take_pieces()
            is_last = self.has_input_ended and not self.input
            if self.flags & BODY_STREAMED and not self.has_input_ended:
                self.grant(len(body))
        self.is_received = is_last
        return {"type": "http.request", "body": body, "more_body": not is_last}

    # Large ones as they came: joining them would copy them once more.
    def _take_pieces(self) -> bytes:
        pieces = self.input
        if not pieces:
            return b""
        if len(pieces) == 1 or len(pieces[0]) >= _LARGE_PIECE_BYTES:
            body = pieces.pop(0)
        else:
            body = b"".join(pieces)
            pieces.clear()
        self.input_bytes -= len(body)
        return body

    async def _read_file(self) -> tuple[bytes, bool]:
        if self.file is None:
            path = self.values.rpartition(b"\0")[2]
            self.file = FileIO(path)
        piece = await self.loop.run_in_executor(None, self.file.read, FILE_PIECE_BYTES)
        return piece, not piece

    async def send(self, message: Message) -> None:
        """ASGI's send."""
        kind = message["type"]
        if self.is_gone:
            raise ClientGone("the client has left")
        if kind == "http.response.start" and self.state == "waiting":
            self._start(message)
        elif kind == "http.response.body" and (self.state == "held" or self.state == "streaming"):
            body, more = message.get("body", b""), message.get("more_body", False)
            if more or not self._send_whole(body):
                await self.send_body(body, more)
        else:
            await self._send_other(kind, message)

    # The answer that most applications give, in one frame, without all that others need.
    def _send_whole(self, body: bytes) -> bool:
        is_simple = self.state == "held" and type(body) is bytes and not self.has_trailers
        if not is_simple or self.is_bodiless or 0 <= self.declared != len(body):
            return False
        if len(body) > MAX_BODY_FRAME_BYTES:
            return False
        self.state = "ended"
        self.has_ended = True
        self.outbox.send_last(self._encode_head(body, END), self.slot)
        if self.waiters:
            self.wake()
        return True

    def _start(self, message: Message) -> None:
        status = message["status"]
        self.head, self.count, self.declared = encode_head(
            status, message.get("headers", ()), "http.response.start"
        )
        if len(self.head) > _MAX_HEAD_BYTES:
            raise ValueError(f"a head of {len(self.head)} bytes is more than a frame can hold")
        self.has_trailers = bool(message.get("trailers", False))
        # To HEAD, or with 204 or 304: what there is of a body stays here.
        self.is_bodiless = status in (204, 304) or self.values.startswith(b"HEAD\0")
        self.passed = 0
        self.state = "held"

    async def send_body(self, body: bytes, more: bool) -> None:
        """Sends a piece of the body, behind the head if that has not gone. Raises ClientGone, and
        RuntimeError where it does not fit the declared length.
        """
        if not isinstance(body, bytes):
            body = _bytes_of(body)
        self.passed += len(body)
        if self.is_bodiless:
            body = b""
        elif self.declared >= 0:
            if self.passed > self.declared:
                raise RuntimeError("Response content longer than Content-Length")
            if self.passed < self.declared and not more:
                raise RuntimeError("Response content shorter than Content-Length")
        is_last = not (more or self.has_trailers)
        rest: bytes | memoryview = body
        if self.state == "held":
            if is_last and len(body) <= MAX_BODY_FRAME_BYTES:
                self.state = "ended"
                self.send_last(self._encode_head(body, END))
                return
            first = body[:MAX_BODY_FRAME_BYTES]
            self.sent = len(first)
            self.outbox.send(self._encode_head(first, 0))
            rest = memoryview(body)[len(first) :]
        self.state = "ended" if is_last else "streaming" if more else "trailing"
        if rest or is_last:
            await self.send_pieces(BODY, rest, END if is_last else 0)
        if is_last:
            self.end()

    def _encode_head(self, body: bytes, flags: int) -> bytes:
        head, size = self.head, len(self.head)
        length = HEAD_PREFIX_BYTES + size + len(body)
        start = pack_head(length, HEAD, flags, self.count, self.request, self.taken, size)
        return start + head + body

    async def _send_other(self, kind: str, message: Message) -> None:
        if kind == "http.response.pathsend" and self.state == "held":
            await send_file(self, message["path"])
        elif kind == "http.response.trailers" and self.state == "trailing":
            self._send_trailers(message)
        elif kind == "http.response.early_hint" and self.state in _BEFORE_LAST_BODY:
            frame = encode_early_hint(self.request, message)
            # Behind the head nobody takes it.
            if self.state != "streaming":
                self.outbox.send(frame)
        elif kind == "http.response.debug" and self.state == "waiting":
            # For tests: it is not offered, and an application that sends it is not stopped.
            return
        elif self.state == "ended":
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}' sent, after response already completed."
            )
        else:
            wanted = {"waiting": "start", "trailing": "trailers"}.get(self.state, "body")
            raise RuntimeError(f"Expected ASGI message 'http.response.{wanted}', but got '{kind}'.")

    # Until the last of them has come they wait here.
    def _send_trailers(self, message: Message) -> None:
        if self.trailers is None:
            self.trailers = []
        self.trailers += message.get("headers", ())
        if message.get("more_trailers", False):
            return
        frame = encode_trailers(self.request, self.trailers)
        self.state = "ended"
        self.send_last(frame)

    # The end.

    def end(self) -> None:
        """The frame with END has been sent."""
        self.has_ended = True
        self.slot.clear_note()
        self.wake()

    def finish(self) -> None:
        """As AsgiExchange.finish."""
        if self.is_gone:
            self.give_up()
        elif self.state == "waiting":
            self.send_fault("ASGI callable returned without starting response.")
        else:
            self.send_fault("ASGI callable returned without completing response.")

    def give_up(self) -> None:
        """As AsgiExchange.give_up."""
        self.send_last(encode_frame(BODY, self.request, flags=END))

    def release(self) -> None:
        """As AsgiExchange.release."""
        if self.timer is not None:
            self.timer.cancel()
        if self.file is not None:
            self.file.close()


def _bytes_of(body: Any) -> bytes:
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"http.response.body: the body is {describe_type(body)}, not bytes")
