"""One request that this worker has taken, and the frames of its one answer, whatever the interface.

Two threads meet here: the one that runs the application, and the channel's listener, which brings
credit, cancels, the record and the body. Each field has one writer; who waits, waits on the
condition `news` of the seat's desk. Exactly one last frame is sent, and then the note is cleared.
"""

from __future__ import annotations

from .channel import LEVEL_ERROR, encode_text
from .wire import (
    BODY,
    END,
    FAULT,
    FETCH,
    HEAD,
    HEAD_PREFIX_BYTES,
    INITIAL_CREDIT_BYTES,
    MAX_BODY_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    WireFault,
    encode_frame,
    pack_head,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .gate import Seat

# Bytes of a request's body that wait here for the application.
MAX_INPUT_BYTES = MAX_PAYLOAD_BYTES
# What the front holds it hands over at once; longer means that it has forgotten this request.
MAX_FETCH_SECONDS = 30.0
# A smaller chunk is copied behind its header, a larger one is not: joining costs less than a second
# piece for the kernel up to about here.
_JOIN_BYTES = 16_384


class ClientGone(ConnectionError):
    """Nobody waits for this answer any more (CANCEL)."""


class Exchange:
    """One taken page. Interfaces extend it."""

    __slots__ = (
        "body",
        "flags",
        "granted",
        "has_ended",
        "has_fetched",
        "has_input_ended",
        "input",
        "input_bytes",
        "is_cancelled",
        "is_started",
        "names",
        "record",
        "request",
        "seat",
        "sent",
        "taken",
        "values",
    )

    def __init__(
        self,
        seat: Seat,
        request: int,
        flags: int,
        taken: float,
        names: bytes,
        values: str,
        body: bytes,
    ) -> None:
        self.seat = seat
        self.request = request
        self.flags = flags
        self.taken = taken
        self.names = names
        self.values = values
        self.body = body
        # Written by the application's thread.
        self.sent = 0
        self.is_started = False
        self.has_ended = False
        self.has_fetched = False
        # Written by the listener.
        self.granted = INITIAL_CREDIT_BYTES
        self.is_cancelled = False
        self.record: tuple[bytes, str] | None = None
        self.input: list[bytes] | None = None
        self.input_bytes = 0
        self.has_input_ended = False

    # What the listener brings; it holds `news`.

    def take_credit(self, credit: int) -> None:
        """The front has room for so many more bytes."""
        self.granted += credit

    def take_input(self, piece: bytes, is_last: bool) -> None:
        """A piece of the body has come. Raises WireFault if nobody can have asked for it."""
        self.input_bytes += len(piece)
        if not self.has_fetched or self.has_input_ended or self.input_bytes > MAX_INPUT_BYTES:
            raise WireFault(f"an INPUT frame that request {self.request} has no use for")
        if self.input is None:
            self.input = []
        if piece:
            self.input.append(piece)
        self.has_input_ended = is_last

    # What the application's thread asks for.

    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more: `typhon.client_gone` of an environ."""
        return self.is_cancelled

    def fetch(self) -> None:
        """Asks the front for what did not fit into the page."""
        if not self.has_fetched:
            self.has_fetched = True
            self.seat.channel.send(encode_frame(FETCH, self.request))

    def fetch_record(self) -> None:
        """Waits for the record that did not fit. Raises ClientGone, TimeoutError."""
        self.fetch()
        news = self.seat.news
        with news:
            news.wait_for(lambda: self.record or self.is_cancelled, MAX_FETCH_SECONDS)
        if self.record is None:
            self._give_up_waiting("head")
        else:
            self.names, self.values = self.record

    def read_input(self) -> bytes:
        """Waits for a piece of the body; b"" at its end. Raises ClientGone, TimeoutError."""
        self.fetch()
        news = self.seat.news
        with news:
            news.wait_for(
                lambda: self.input or self.has_input_ended or self.is_cancelled, MAX_FETCH_SECONDS
            )
            if self.input:
                piece = self.input.pop(0)
                self.input_bytes -= len(piece)
                return piece
        if not self.has_input_ended:
            self._give_up_waiting("body")
        return b""

    def _give_up_waiting(self, what: str) -> None:
        if self.is_cancelled:
            raise ClientGone("the client has left")
        raise TimeoutError(f"the {what} of the request did not come")

    # The answer.

    def send_head(self, head: bytes, count: int, body: bytes, is_end: bool) -> None:
        """Sends the head of the answer with the first bytes of its body, all of them if `is_end`.

        At most MAX_BODY_FRAME_BYTES of body.
        """
        self.is_started = True
        self.sent = len(body)
        seat = self.seat
        size = len(head)
        flags = END if is_end else 0
        length = HEAD_PREFIX_BYTES + size + len(body)
        if length > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a head of {size} bytes is more than a frame can hold")
        frame = pack_head(length, HEAD, flags, count, self.request, self.taken, size) + head + body
        seat.channel.send(frame)
        if is_end:
            self.has_ended = True
            seat.clear_note()

    def send_body(self, chunk: bytes | memoryview) -> None:
        """Sends bytes of the body, as the credit allows. Raises ClientGone."""
        channel = self.seat.channel
        if len(chunk) <= _JOIN_BYTES and self.sent + len(chunk) <= self.granted:
            self.sent += len(chunk)
            channel.send(encode_frame(BODY, self.request, bytes(chunk)))
            return
        rest = memoryview(chunk)
        while rest:
            piece = rest[: min(self._wait_for_credit(), MAX_BODY_FRAME_BYTES)]
            self.sent += len(piece)
            channel.send_body(BODY, self.request, piece, 0)
            rest = rest[len(piece) :]

    def send_end(self) -> None:
        """Ends the body; also the one last frame of a request that was cancelled."""
        self._send_last(BODY, b"")

    def send_fault(self, text: str) -> None:
        """Ends the exchange: the application has failed. After the last frame: only a log line."""
        if self.has_ended:
            self.seat.channel.log(LEVEL_ERROR, text, self.request)
        else:
            self._send_last(FAULT, encode_text(text))

    def _send_last(self, kind: int, payload: bytes) -> None:
        self.has_ended = True
        flags = END if kind == BODY else 0
        self.seat.channel.send(encode_frame(kind, self.request, payload, flags=flags))
        self.seat.clear_note()

    def _wait_for_credit(self) -> int:
        room = self.granted - self.sent
        if room <= 0:
            news = self.seat.news
            with news:
                news.wait_for(lambda: self.granted > self.sent or self.is_cancelled)
            room = self.granted - self.sent
        if self.is_cancelled:
            raise ClientGone("the client has left")
        return room
