"""One request under WSGI (PEP 3333): `start_response`, `write`, and the body that follows.

Two threads meet here. One runs the application; the listener's thread brings credit, cancels, the
record and the body of the request. Each field is written by one of them, and a thread that waits
does so on the condition `changed` of its slot. Types and lengths of a response are checked here,
header fields in the front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import CoroutineType, GeneratorType

from typhon_worker.application.cancellation import ClientGone, RequestTimeout
from typhon_worker.application.exchange import MAX_FETCH_SECONDS, Exchange, names_file
from typhon_worker.process.native import Condition, allocate_lock
from typhon_worker.process.page_queue import Notes, Slot
from typhon_worker.process.tracebacks import ApplicationFault, describe_failure, describe_type
from typhon_worker.wire import frames

from .real_file import find_part, find_range
from .response_head import encode_head, explain_head, is_live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typhon_worker.application.exchange import FrameSender

    ExcInfo = tuple[Any, Any, Any]

# Reads of a file that is sent from here: larger than the block sizes that applications ask for.
_FILE_BLOCK_BYTES = frames.MAX_BODY_FRAME_BYTES


class ThreadSlot(Slot):
    """One thread of the worker: its slot of the notes, and the exchange that it runs."""

    __slots__ = ("changed", "channel", "exchange", "is_reading", "number", "wakeup")

    def __init__(self, number: int, notes: Notes, channel: FrameSender, changed: Condition) -> None:
        super().__init__(number, notes)
        self.number = number
        # The channel, or the InterruptGuard of a request that is being interrupted.
        self.channel = channel
        self.changed = changed
        self.exchange: WsgiExchange | None = None
        # True from before the thread looks into the queue until it has begun what it found.
        self.is_reading = False
        # Locked, except to wake the thread while it is a follower or watches (leader_followers.py).
        self.wakeup = allocate_lock()
        self.wakeup.acquire()


class FileWrapper:
    """wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    # Frameworks that send a range skip to its first byte where they can (Werkzeug), and read all
    # that lies before it where they cannot.

    def seekable(self) -> bool:
        """Whether the file can be read from another place."""
        asked = getattr(self.filelike, "seekable", None)
        return bool(asked()) if asked is not None else hasattr(self.filelike, "seek")

    def seek(self, offset: int, whence: int = 0) -> int:
        """As the file's own."""
        place: int = self.filelike.seek(offset, whence)
        return place

    def tell(self) -> int:
        """As the file's own."""
        place: int = self.filelike.tell()
        return place


class WsgiExchange(Exchange):
    """One request and its response, as a WSGI application gives it."""

    slot: ThreadSlot

    def begin(self) -> None:
        self.granted = frames.WSGI_CREDIT_BYTES
        self.record: tuple[bytes, bytes] | None = None
        # The head that was given last: encoded, its number of fields, its Content-Length or -1.
        self.head: bytes | None = None
        self.count = 0
        self.declared = -1
        # Whether the head has been sent.
        self.is_started = False
        # Bytes of body that the application has given.
        self.passed = 0
        # A response to HEAD, or with 204 or 304, has no body: what the application gives of one is
        # not sent.
        self.is_head = False
        self.is_bodiless = False

    # What the front sends, in the listener's thread.

    def wake(self) -> None:
        changed = self.slot.changed
        with changed:
            changed.notify_all()

    def take_input(self, piece: bytes, is_last: bool) -> None:
        """As Exchange.take_input; locked, because `read_input` changes the same fields."""
        with self.slot.changed:
            super().take_input(piece, is_last)

    def take_record(self, names: bytes, values: bytes) -> None:
        """The record that did not fit into the page has come."""
        self.record = names, values
        self.wake()

    # What the application waits for.

    def is_abandoned(self) -> bool:
        """Whether nobody waits for the response any more: `typhon.client_gone` of an environ."""
        return self.is_cancelled

    def fetch_record(self) -> None:
        """Waits for a record that is not in the page. Raises ClientGone, TimeoutError."""
        self.fetch()
        changed = self.slot.changed
        with changed:
            changed.wait_for(lambda: self.record or self.is_cancelled, MAX_FETCH_SECONDS)
        if self.record is None:
            self._stop_waiting("head")
        else:
            self.names, self.values = self.record

    def read_input(self) -> bytes:
        """Waits for a piece of the body; b"" at its end. Raises ClientGone, TimeoutError."""
        self.fetch()
        changed = self.slot.changed
        with changed:
            changed.wait_for(
                lambda: self.input or self.has_input_ended or self.is_cancelled, MAX_FETCH_SECONDS
            )
            if self.input:
                piece = self.input.pop(0)
                self.input_bytes -= len(piece)
                return piece
        if not self.has_input_ended:
            self._stop_waiting("body")
        return b""

    def _stop_waiting(self, part: str) -> None:
        if self.is_cancelled:
            raise ClientGone("the client has left")
        raise TimeoutError(f"the {part} of the request did not come")

    def _wait_for_credit(self) -> None:
        if self.granted <= self.sent:
            changed = self.slot.changed
            with changed:
                changed.wait_for(lambda: self.granted > self.sent or self.is_cancelled)
        if self.is_cancelled:
            raise ClientGone("the client has left")

    # What the application calls.

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Keeps the head (PEP 3333, "The start_response() Callable"); returns `write`."""
        if exc_info is not None:
            try:
                if self.is_started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.head is not None:
            raise AssertionError("start_response() was called again without exc_info")
        try:
            self.head, self.count, self.declared = encode_head(status, headers)
        except (TypeError, ValueError, AttributeError):
            raise AssertionError(explain_head(status, headers)) from None
        self.is_bodiless = self.is_head or status.startswith(("204", "304"))
        return self.write

    def write(self, chunk: bytes) -> None:
        """Sends a chunk at once (PEP 3333, "The write() Callable")."""
        if self.is_cancelled:
            raise ClientGone("the client has left")
        if self._has_bytes(chunk):
            self._send(chunk)

    # What the application returns or raises.

    def send_list(self, chunks: list[bytes] | tuple[bytes, ...]) -> None:
        """Sends a body that is complete, in one frame if it is small."""
        if len(chunks) == 1 and type(chunks[0]) is bytes:
            body = chunks[0]
        else:
            for chunk in chunks:
                self._has_bytes(chunk)
            body = b"".join(chunks)
        is_large = len(body) > frames.MAX_BODY_FRAME_BYTES and not self.is_bodiless
        if self.is_started or is_large:
            if body:
                self._send(body)
            self._end()
            return
        head = self.head
        if head is None:
            raise ApplicationFault("the application returned without calling start_response()")
        if self.is_bodiless:
            body = b""
        elif 0 <= self.declared != len(body):
            self.passed = len(body)
            self._check_length(head)
        self.send_head(head, self.count, body, True)

    def send_iterable(self, chunks: Iterable[bytes]) -> None:
        """Sends chunks as they come.

        The chunk that completes the declared length is sent after the iterator's next step, so that
        a response that is too long can still become a 500. A generator's last chunk is sent at
        once, because a generator may do more work after it. Frameworks wrap their generators, and
        have done that work by then.
        """
        if isinstance(chunks, (bytes, str)) or not hasattr(chunks, "__iter__"):
            hint = ""
            if isinstance(chunks, CoroutineType):
                chunks.close()
                hint = " (an ASGI application is served with --interface asgi)"
            raise ApplicationFault(
                f"the application returned {describe_type(chunks)}; "
                f"PEP 3333 wants an iterable of bytes, such as [body]{hint}"
            )
        # A range of a file has its length, and the front is to send a large one.
        if self.declared > frames.MAX_BODY_FRAME_BYTES and self._hand_over(find_range(chunks)):
            return
        may_wait = type(chunks) is not GeneratorType
        last = b""
        for chunk in chunks:
            if self.is_cancelled:
                break
            if not self._has_bytes(chunk):
                continue
            if self.is_bodiless:
                break
            if last:
                self.passed += len(last) + len(chunk)
                raise self._wrong_length()
            if may_wait and self.passed + len(chunk) == self.declared:
                last = chunk
            else:
                self._send(chunk)
        if last:
            self.send_list((last,))
        else:
            self._end()

    def send_file(self, wrapper: FileWrapper) -> None:
        """Sends a file from its position to its end, or to the declared length."""
        if self._hand_over(find_part(wrapper.filelike)):
            return
        rest = self.declared - self.passed
        while rest != 0 and not self.is_cancelled and not self.is_bodiless:
            size = _FILE_BLOCK_BYTES if rest < 0 else min(rest, _FILE_BLOCK_BYTES)
            block = wrapper.filelike.read(size)
            if not self._has_bytes(block):
                break
            if len(block) == self.declared:
                self.send_list((block,))
                return
            self._send(block)
            if rest > 0:
                rest -= len(block)
        self._end()

    # Has the front send a file, so that this thread need not wait for the client. False: the bytes
    # have to be sent from here. The position does not move: the application gets no bytes.
    def _hand_over(self, part: tuple[int, int, int] | None) -> bool:
        if part is None or self.head is None or self.is_started or self.is_cancelled:
            return False
        fd, offset, length = part
        if self.declared > length:
            # Reading to the end shows whether the file is too short.
            return False
        if self.declared >= 0:
            length = self.declared
        if not self.may_offer(self.head, length):
            return False
        self.offer_file(self.head, self.count, fd, offset, length)
        changed = self.slot.changed
        with changed:
            changed.wait_for(lambda: self.is_file_open is not None or self.is_cancelled)
        if not (self.is_file_open or self.is_cancelled):
            return False
        self._send_end()
        return True

    def fail(self, error: BaseException) -> None:
        """Ends the exchange: the application has raised, or has broken a rule."""
        is_interrupted = isinstance(error, (ClientGone, RequestTimeout))
        if self.is_cancelled and is_interrupted and not self.has_ended:
            self._send_end()
        else:
            self.send_fault(describe_failure(error))

    def _has_bytes(self, chunk: object) -> bool:
        if isinstance(chunk, bytes):
            return len(chunk) > 0
        raise ApplicationFault(
            f"the application gave {describe_type(chunk)} as body; PEP 3333 wants bytes"
        )

    def _send(self, chunk: bytes) -> None:
        self.passed += len(chunk)
        if self.is_bodiless:
            # The response ends with its head: the front says so by a cancel.
            if self.head is not None and not self.is_started:
                self.send_head(self.head, self.count, b"", False)
            return
        if 0 <= self.declared < self.passed:
            raise self._wrong_length()
        if self.is_started:
            self._send_body(chunk)
            return
        if self.head is None:
            raise ApplicationFault("the application sent a body before calling start_response()")
        first = chunk[: frames.MAX_BODY_FRAME_BYTES]
        self.send_head(self.head, self.count, first, False)
        if len(first) < len(chunk):
            self._send_body(memoryview(chunk)[len(first) :])

    def _end(self) -> None:
        if self.is_cancelled:
            self._send_end()
        elif self.head is None:
            raise ApplicationFault("the application returned without calling start_response()")
        else:
            if 0 <= self.declared != self.passed and not self.is_bodiless:
                self._check_length(self.head)
            if self.is_started:
                self._send_end()
            else:
                self.send_head(self.head, self.count, b"", True)

    # The body has ended, and has not its declared length.
    def _check_length(self, head: bytes) -> None:
        if self.passed > 0 or not names_file(head):
            raise self._wrong_length()

    def _wrong_length(self) -> ApplicationFault:
        more = "at least " if self.passed > self.declared else ""
        return ApplicationFault(
            f"the application gave {more}{self.passed} bytes of body, "
            f"but its Content-Length says {self.declared}"
        )

    # Frames to the front.

    def send_head(self, head: bytes, count: int, body: bytes, is_end: bool) -> None:
        """Sends the head with the first bytes of the body, with all of them if `is_end`.

        At most MAX_BODY_FRAME_BYTES of body.
        """
        frame = self.encode_head_frame(head, count, body, frames.END if is_end else 0)
        self.is_started = True
        self.sent = len(body)
        if not is_end and is_live(head):
            # No more than that waits for the client: the application is to feel a slow one.
            self.granted = frames.LIVE_CREDIT_BYTES
        slot = self.slot
        slot.channel.send(frame)
        if is_end:
            self.has_ended = True
            slot.clear_note()

    def _send_body(self, chunk: bytes | memoryview) -> None:
        if self.may_send(len(chunk)):
            self.send_piece(frames.BODY, chunk, 0)
            return
        rest = memoryview(chunk)
        while rest:
            self._wait_for_credit()
            piece = self.next_piece(rest)
            self.send_piece(frames.BODY, piece, 0)
            rest = rest[len(piece) :]

    def _send_end(self) -> None:
        self.send_last(frames.encode(frames.BODY, self.request, flags=frames.END))

    def send_last(self, frame: bytes) -> None:
        slot = self.slot
        slot.channel.send(frame)
        self.has_ended = True
        slot.clear_note()
