"""One request that this worker has taken, and the frames of its one response.

    taken ─▶ the application runs ─▶ exactly one last frame ─▶ the note is cleared

What WSGI and ASGI share: what the front sends for a request (body, credit, cancels), and the frames
that are alike. Interfaces decide how the application waits: a thread on a condition, or a task on a
future.
"""

from __future__ import annotations

import os

from typhon_worker.wire import WireFault, frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class FrameSender(Protocol):
        """Where an exchange sends its frames: the channel, or what stands before it."""

        def send(self, frame: bytes, /) -> None: ...

        def send_body(
            self, kind: int, request: int, payload: memoryview, flags: int, /
        ) -> None: ...

        def log(self, level: int, text: str, request: int = 0, /) -> None: ...

    class ExchangeSlot(Protocol):
        """A slot of the notes, and where an exchange in it sends its frames."""

        @property
        def channel(self) -> FrameSender: ...

        def clear_note(self) -> None: ...


# Bytes of a request's body that may wait here for the application. The front sends at most a
# quarter of it unread where it streams, and whole pieces of up to 1 MiB where it does not.
MAX_INPUT_BYTES = frames.MAX_PAYLOAD_BYTES
# The front sends at once what was fetched. If it takes longer, it has forgotten the request.
MAX_FETCH_SECONDS = 30.0
# A payload up to this size is copied behind its header, a larger one is sent as a second piece:
# about here the copy begins to cost more than the second piece.
JOIN_BYTES = 16_384
# A head with more fields than a frame can count has more bytes: two NULs a field.
MAX_PLAIN_HEAD_BYTES = 2 * frames.MAX_COUNT
# A longer number is no length.
_MAX_LENGTH_DIGITS = 18


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
        "is_file_open",
        "names",
        "request",
        "sent",
        "slot",
        "taken",
        "values",
    )

    # Set by `fetch`: the pieces of the body that wait for the application, their bytes, and whether
    # the last piece has come.
    input: list[bytes]
    input_bytes: int
    has_input_ended: bool
    # Set by `offer_file`: whether the front has opened the file; None until it has said so.
    is_file_open: bool | None

    def __init__(
        self,
        slot: ExchangeSlot,
        request: int,
        flags: int,
        taken: float,
        names: bytes,
        values: bytes,
        body: bytes,
    ) -> None:
        self.slot = slot
        self.request = request
        self.flags = flags
        self.taken = taken
        self.names = names
        self.values = values
        self.body = body
        # Body bytes that were sent, and that the front allows: they are counted from the start.
        self.sent = 0
        self.granted = 0
        # CANCEL has come: nobody waits for the response any more.
        self.is_cancelled = False
        self.has_fetched = False
        self.has_ended = False
        self.begin()

    def begin(self) -> None:
        """Sets the fields of an interface: cheaper than a constructor that passes all on."""
        raise NotImplementedError

    # What the front sends.

    def take_credit(self, credit: int) -> None:
        """The front has room for so many more bytes."""
        self.granted += credit
        self.wake()

    def take_cancel(self, _count: int) -> None:
        """Nobody waits for the response any more."""
        self.is_cancelled = True
        self.wake()

    def take_input(self, piece: bytes, is_last: bool) -> None:
        """A piece of the body has come. Raises WireFault on one that was not asked for."""
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

    def take_file_result(self, count: int) -> None:
        """The front has opened the file that was offered, or leaves it to this worker.

        Raises WireFault if none was offered.
        """
        if getattr(self, "is_file_open", False) is not None:
            raise WireFault(f"a FILE_RESULT frame that request {self.request} has no use for")
        self.is_file_open = count == frames.OPENED
        self.wake()

    def wake(self) -> None:
        """Wakes the application if it waits for what the front sends."""
        raise NotImplementedError

    # Frames to the front.

    def fetch(self) -> None:
        """Asks the front for the parts of the request that are not in the page."""
        if not self.has_fetched:
            self.input = []
            self.input_bytes = 0
            self.has_input_ended = False
            self.has_fetched = True
            self.slot.channel.send(frames.encode(frames.FETCH, self.request))

    def may_offer(self, head: bytes, length: int) -> bool:
        """Whether the front is to send so many bytes of a file as the whole body.

        One frame takes a small file to the front sooner, unless the application leaves ranges and
        conditions to the server. A request that warms up has no front.
        """
        if self.request == 0 or length == 0 or head.startswith((b"204", b"304")):
            return False
        is_asked = _asks_for_parts(self.names) and _leaves_ranges(head)
        return is_asked or length > frames.MAX_BODY_FRAME_BYTES

    def offer_file(self, head: bytes, count: int, fd: int, offset: int, length: int) -> None:
        """Offers a response with bytes of a regular file as its body; `is_file_open` tells more.

        The descriptor stays open until then.
        """
        self.is_file_open = None
        place = frames.encode_file(fd, os.getpid(), offset, length)
        self.slot.channel.send(self.encode_head_frame(head, count, place, 0, frames.FILE))

    def encode_head_frame(
        self, head: bytes, count: int, body: bytes, flags: int, kind: int = frames.HEAD
    ) -> bytes:
        """Encodes HEAD with the first bytes of the body, or FILE with the place of the file.

        Raises ValueError on a head too long.
        """
        size = len(head)
        length = frames.HEAD_PREFIX_BYTES + size + len(body)
        if length > frames.MAX_PAYLOAD_BYTES:
            raise ValueError(f"a head of {size} bytes is more than a frame can hold")
        if size > MAX_PLAIN_HEAD_BYTES and count > frames.MAX_COUNT:
            raise ValueError(frames.explain_many_fields(count))
        return (
            frames.pack_head(length, kind, flags, count, self.request, self.taken, size)
            + head
            + body
        )

    def may_send(self, size: int) -> bool:
        """Whether the credit allows one frame of so many bytes now."""
        return size <= self.granted - self.sent and size <= frames.MAX_BODY_FRAME_BYTES

    def send_piece(self, kind: int, payload: bytes | memoryview, flags: int) -> None:
        """Sends one frame that `may_send` allows."""
        self.sent += len(payload)
        if len(payload) <= JOIN_BYTES:
            self.slot.channel.send(frames.encode(kind, self.request, bytes(payload), flags=flags))
        else:
            self.slot.channel.send_body(kind, self.request, memoryview(payload), flags)

    def next_piece(self, rest: memoryview) -> memoryview:
        """Returns the first bytes of `rest` that fit into a frame and the credit."""
        return rest[: min(self.granted - self.sent, frames.MAX_BODY_FRAME_BYTES)]

    def send_last(self, frame: bytes) -> None:
        """Sends the one last frame and clears the note."""
        raise NotImplementedError

    def tell_taken(self) -> None:
        """Tells since when the request runs here, before a frame that does not say so."""
        self.slot.channel.send(frames.encode_taken(self.request, self.taken))

    def send_fault(self, text: str) -> None:
        """Ends the exchange because the application failed; after the last frame it only logs."""
        if self.has_ended:
            self.slot.channel.log(frames.LEVEL_ERROR, text, self.request)
        else:
            self.tell_taken()
            self.send_last(frames.encode(frames.FAULT, self.request, frames.encode_text(text)))


# "Accept-Ranges: bytes" in a response says that the server may answer with parts of it.
def _leaves_ranges(head: bytes) -> bool:
    return head.startswith(b"200") and b"\0accept-ranges\0bytes" in head.lower()


# Range, and the fields of conditions; other names with these letters do no harm.
def _asks_for_parts(names: bytes) -> bool:
    return b"range" in names or b"if-" in names


def names_file(head: bytes) -> bool:
    """Whether a response names a file that the server, or a proxy, sends in place of its body.

    Its Content-Length is then the file's, and its body is empty (Flask with USE_X_SENDFILE).
    """
    lower = head.lower()
    return b"\0x-sendfile\0" in lower or b"\0x-accel-redirect\0" in lower


def parse_content_length(value: Any) -> int:
    """Reads a Content-Length, str or bytes → bytes; -1 if it is no number."""
    if value.isascii() and value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS:
        return int(value)
    return -1
