"""One HTTP request under ASGI: `receive`, `send`, and the task that runs the application.

    waiting ─start─▶ held ─first body─▶ streaming ─last body─▶ ended
                       └───────────── the whole body ───────────▶
      with trailers:   └──▶ streaming ─last body─▶ trailing ─last trailers─▶ ended

The head waits for the first bytes of the body, so that a complete response is one frame. Everything
happens in the loop's thread. A coroutine that waits for the front has a future among `waiters`, and
looks again when it is woken.
"""

from __future__ import annotations

import os
import stat
from asyncio import CancelledError, Future, Lock, Task, TimerHandle
from io import FileIO

from typhon_worker.application.cancellation import ClientGone, RequestTimeout
from typhon_worker.application.exchange import MAX_PLAIN_HEAD_BYTES, Exchange, names_file
from typhon_worker.process.tracebacks import describe_failure, describe_type
from typhon_worker.wire import frames, pages

from .outbox import TaskSlot
from .response_head import encode_early_hint, encode_head, encode_trailers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]

# Credit for input is granted in steps of this: the front may send four of them unread.
CREDIT_STEP_BYTES = 65_536
_FILE_PIECE_BYTES = frames.MAX_BODY_FRAME_BYTES
# A piece of this size is passed on alone: joining it with others would copy it once more.
_LARGE_PIECE_BYTES = 16_384
# Leaves room in a frame for as much body as one may have.
_MAX_HEAD_BYTES = frames.MAX_PAYLOAD_BYTES - frames.MAX_BODY_FRAME_BYTES - frames.HEAD_PREFIX_BYTES
_BEFORE_LAST_BODY = ("waiting", "held", "streaming")
_NOT_IN_PAGE = pages.BODY_STREAMED | pages.BODY_ON_CHANNEL | pages.BODY_IN_FILE


class HttpExchange(Exchange):
    """One HTTP request and its response, as an ASGI application sees them."""

    __slots__ = (
        "_lock",
        "_owed",
        "count",
        "declared",
        "file",
        "has_trailers",
        "head",
        "is_bodiless",
        "is_half_closed",
        "is_received",
        "is_task_cancelled",
        "loop",
        "outbox",
        "passed",
        "state",
        "task",
        "timer",
        "trailers",
        "waiters",
    )

    slot: TaskSlot

    def begin(self) -> None:
        self.granted = frames.ASGI_CREDIT_BYTES
        self.outbox = self.slot.channel
        self.loop = self.slot.loop
        self.task: Task[None] | None = None
        self.is_task_cancelled = False
        self.waiters: set[Future[None]] | None = None
        # Bytes that the application has received and the front has not been granted again.
        self._owed = 0
        # Held by a coroutine that sends more than the credit allows, so that others wait for it.
        self._lock: Lock | None = None
        # Runs until the record has come, and later until an abandoned application is cancelled.
        self.timer: TimerHandle | None = None
        self.state = "waiting"
        # Whether the application has received the body whole.
        self.is_received = False
        # The client sends nothing more, and may still read the response.
        self.is_half_closed = False
        self.trailers: list[tuple[bytes, bytes]] | None = None
        # The body of the request, if it lies in a file.
        self.file: FileIO | None = None

    # What the front sends.

    def take_cancel(self, count: int) -> None:
        if self.has_ended:
            # The cancel has crossed the last frame: what still runs is work after the response.
            return
        if count == frames.HALF_CLOSED:
            self.is_half_closed = True
        elif count == frames.DEADLINE:
            self.is_cancelled = True
            self.cancel_task()
        else:
            self.lose_client()
        self.wake()

    def lose_client(self) -> None:
        """Nobody waits for the response any more; the application may still come to its end."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self.slot.abandon(self)

    def cancel_task(self) -> None:
        """Cancels the application, once."""
        if self.task is not None and not self.is_task_cancelled:
            self.is_task_cancelled = True
            self.task.cancel()

    def wake(self) -> None:
        if self.waiters:
            for waiter in self.waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self.waiters.clear()

    async def wait_for_change(self) -> None:
        """Waits until `wake`."""
        waiter = self.loop.create_future()
        if self.waiters is None:
            self.waiters = set()
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            self.waiters.discard(waiter)

    async def _wait_for_credit(self) -> None:
        while self.granted <= self.sent and not (self.is_cancelled or self.has_ended):
            await self.wait_for_change()
        if self.is_cancelled or self.has_ended:
            raise ClientGone("the client has left")

    def grant(self, size: int) -> None:
        """Grants the front so many more bytes of input: the application has received as many."""
        self._owed += size
        if self._owed >= CREDIT_STEP_BYTES:
            self.outbox.send(
                frames.encode(frames.INPUT_CREDIT, self.request, frames.encode_credit(self._owed))
            )
            self._owed = 0

    # What the application asks for.

    async def receive(self) -> Message:
        """ASGI's receive."""
        if self.is_cancelled or self.has_ended:
            return {"type": "http.disconnect"}
        if not self.is_received:
            if self.flags & _NOT_IN_PAGE:
                return await self._receive_piece()
            self.is_received = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        while not (self.is_cancelled or self.has_ended or self.is_half_closed):
            await self.wait_for_change()
        return {"type": "http.disconnect"}

    async def _receive_piece(self) -> Message:
        if self.flags & pages.BODY_IN_FILE:
            body, is_last = await self._read_file()
        else:
            self.fetch()
            while not (self.input or self.has_input_ended):
                await self.wait_for_change()
                if self.is_cancelled or self.has_ended:
                    return {"type": "http.disconnect"}
            body = self._take_pieces()
            is_last = self.has_input_ended and not self.input
            if self.flags & pages.BODY_STREAMED and not self.has_input_ended:
                self.grant(len(body))
        self.is_received = is_last
        return {"type": "http.request", "body": body, "more_body": not is_last}

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
            # The body file is the last value of the record.
            path = self.values.rpartition(b"\0")[2]
            self.file = FileIO(path)
        piece = await self.loop.run_in_executor(None, self.file.read, _FILE_PIECE_BYTES)
        return piece, not piece

    async def send(self, message: Message) -> None:
        """ASGI's send.

        When nobody waits for the response any more, a message that would end it is dropped, so that
        the application comes to its end. One that more of the same follow raises ClientGone, so
        that a stream without end ends.
        """
        kind = message["type"]
        try:
            if self.is_cancelled:
                raise ClientGone("the client has left")
            if kind == "http.response.start" and self.state == "waiting":
                self.start(message)
            elif kind == "http.response.body" and (
                self.state == "held" or self.state == "streaming"
            ):
                body, more = message.get("body", b""), message.get("more_body", False)
                if more or not self._send_whole(body):
                    await self.send_body(body, more)
            else:
                await self._send_other(kind, message)
        except ClientGone:
            if message.get("more_body") or message.get("more_trailers"):
                raise

    # Sends a complete response with a simple body, as most are, on a short path. False: it is not
    # that simple.
    def _send_whole(self, body: bytes) -> bool:
        is_simple = self.state == "held" and type(body) is bytes and not self.has_trailers
        if not is_simple or self.is_bodiless or 0 <= self.declared != len(body):
            return False
        if len(body) > frames.MAX_BODY_FRAME_BYTES:
            return False
        self.state = "ended"
        self.has_ended = True
        self.outbox.send_last(
            self.encode_head_frame(self.head, self.count, body, frames.END), self.slot
        )
        if self.waiters:
            self.wake()
        return True

    def start(self, message: Message) -> None:
        """Keeps the head of a response."""
        status = message["status"]
        self.head, self.count, self.declared = encode_head(
            status, message.get("headers", ()), "http.response.start"
        )
        if len(self.head) > MAX_PLAIN_HEAD_BYTES and self.count > frames.MAX_COUNT:
            raise ValueError(frames.explain_many_fields(self.count))
        if len(self.head) > _MAX_HEAD_BYTES:
            raise ValueError(f"a head of {len(self.head)} bytes is more than a frame can hold")
        self.has_trailers = bool(message.get("trailers", False))
        # A response to HEAD, or with 204 or 304, has no body: what the application gives of one is
        # not sent.
        self.is_bodiless = status in (204, 304) or self.values.startswith(b"HEAD\0")
        # Bytes of body that the application has given.
        self.passed = 0
        self.state = "held"

    async def send_body(self, body: bytes, more: bool) -> None:
        """Sends a piece of the body, after the head if that is still held.

        Raises ClientGone, and RuntimeError if the body does not have its declared length.
        """
        if not isinstance(body, bytes):
            body = _bytes_of(body)
        self.passed += len(body)
        if self.is_bodiless:
            body = b""
        elif self.declared >= 0:
            if self.passed > self.declared:
                raise RuntimeError("Response content longer than Content-Length")
            is_short = self.passed < self.declared and not more
            if is_short and (self.passed > 0 or not names_file(self.head)):
                raise RuntimeError("Response content shorter than Content-Length")
        is_last = not (more or self.has_trailers)
        rest: bytes | memoryview = body
        if self.state == "held":
            if is_last and len(body) <= frames.MAX_BODY_FRAME_BYTES:
                self.state = "ended"
                self.send_last(self.encode_head_frame(self.head, self.count, body, frames.END))
                return
            first = body[: frames.MAX_BODY_FRAME_BYTES]
            self.sent = len(first)
            self.outbox.send(self.encode_head_frame(self.head, self.count, first, 0))
            rest = memoryview(body)[len(first) :]
        self.state = "ended" if is_last else "streaming" if more else "trailing"
        if rest or is_last:
            await self.send_pieces(frames.BODY, rest, frames.END if is_last else 0)
        if is_last:
            self.has_ended = True
            self.slot.clear_note()
            self.wake()

    async def _send_other(self, kind: str, message: Message) -> None:
        if kind == "http.response.pathsend" and self.state == "held":
            await self._send_file(message["path"])
        elif kind == "http.response.trailers" and self.state == "trailing":
            self._send_trailers(message)
        elif kind == "http.response.early_hint" and self.state in _BEFORE_LAST_BODY:
            frame = encode_early_hint(self.request, message.get("links", ()))
            # After the head there is no place for a hint, and it is dropped.
            if self.state != "streaming":
                self.outbox.send(frame)
        elif kind == "http.response.debug" and self.state == "waiting":
            # An extension for tests. It is not offered; an application that sends it is not failed.
            return
        elif self.state == "ended":
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}' sent, after response already completed."
            )
        else:
            wanted = {"waiting": "start", "trailing": "trailers"}.get(self.state, "body")
            raise RuntimeError(f"Expected ASGI message 'http.response.{wanted}', but got '{kind}'.")

    # Sends a file as the whole body. The file is opened before the head is sent, so that one that
    # is missing, or is a folder, is still a 500. Raises TypeError, OSError.
    async def _send_file(self, path: str) -> None:
        in_thread = self.loop.run_in_executor
        # fspath refuses a number, which would be the descriptor of another file.
        file = await in_thread(None, FileIO, os.fspath(path))
        try:
            size = os.fstat(file.fileno()).st_size
            if await self._hand_over(file, size):
                return
            left = 0 if self.is_bodiless else size
            while True:
                piece = await in_thread(None, file.read, _FILE_PIECE_BYTES)
                left -= len(piece)
                more = bool(piece) and left > 0
                await self.send_body(piece, more)
                if not more:
                    return
        finally:
            file.close()

    # Has the front send a file. False: the bytes have to be sent from here.
    async def _hand_over(self, file: FileIO, size: int) -> bool:
        is_other = self.has_trailers or self.passed or self.declared not in (-1, size)
        if is_other or not self.may_offer(self.head, size) or not _is_regular(file):
            return False
        self.offer_file(self.head, self.count, file.fileno(), 0, size)
        # Nothing else may be sent meanwhile.
        self.state = "ended"
        while self.is_file_open is None and not (self.is_cancelled or self.has_ended):
            await self.wait_for_change()
        if not (self.is_file_open or self.is_cancelled or self.has_ended):
            self.state = "held"
            return False
        if not self.has_ended:
            self.give_up()
        return True

    # Trailers are sent when the last message with trailers has come.
    def _send_trailers(self, message: Message) -> None:
        if self.trailers is None:
            self.trailers = []
        self.trailers += message.get("headers", ())
        if message.get("more_trailers", False):
            return
        frame = encode_trailers(self.request, self.trailers)
        self.state = "ended"
        self.send_last(frame)

    # Frames to the front.

    async def send_pieces(self, kind: int, payload: bytes | memoryview, last: int) -> None:
        """Sends a body or a message as the credit allows; `last`: the flags of its last frame.

        Waits for other coroutines that send. Raises ClientGone.
        """
        if self.may_send(len(payload)) and not (self._lock and self._lock.locked()):
            self.send_piece(kind, payload, last)
            return
        if self._lock is None:
            self._lock = Lock()
        async with self._lock:
            rest = memoryview(payload)
            while True:
                piece = rest
                if rest:
                    await self._wait_for_credit()
                    piece = self.next_piece(rest)
                    rest = rest[len(piece) :]
                self.send_piece(kind, piece, 0 if rest else last)
                if not rest:
                    return

    def send_last(self, frame: bytes) -> None:
        self.has_ended = True
        self.outbox.send_last(frame, self.slot)
        if self.waiters:
            self.wake()

    # The application's end.

    def finish(self) -> None:
        """Ends an exchange whose application has returned before the last frame."""
        if self.is_cancelled:
            self.give_up()
        elif self.state == "waiting":
            self.send_fault("ASGI callable returned without starting response.")
        else:
            self.send_fault("ASGI callable returned without completing response.")

    def fail(self, error: BaseException) -> None:
        """Ends an exchange whose application has raised."""
        if self.is_cancelled and _is_due_to_cancel(error):
            if not self.has_ended:
                self.give_up()
            return
        self.send_fault(describe_failure(error))

    def give_up(self) -> None:
        """Sends the last frame of a request that needs no more from here."""
        self.send_last(frames.encode(frames.BODY, self.request, flags=frames.END))

    def release(self) -> None:
        """Frees what the exchange holds, after its end."""
        if self.timer is not None:
            self.timer.cancel()
        if self.file is not None:
            self.file.close()


# Whether an exception comes from a CANCEL that the application has been told of.
def _is_due_to_cancel(error: BaseException | None) -> bool:
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, (ClientGone, CancelledError, RequestTimeout)):
            return True
        seen.add(id(error))
        inner = getattr(error, "exceptions", None)
        if inner:
            return all(_is_due_to_cancel(one) for one in inner)
        error = error.__cause__ or error.__context__
    return False


def _is_regular(file: FileIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _bytes_of(body: Any) -> bytes:
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"http.response.body: the body is {describe_type(body)}, not bytes")
