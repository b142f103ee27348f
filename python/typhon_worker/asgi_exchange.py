"""One request that runs in the loop of this worker, and the frames of its one answer.

What HTTP and WebSocket have in common: credit, cancels, what is fetched over the channel, and the
one last frame, with which the note is cleared. All of it happens in the loop's thread. Who waits
has a future among `waiters`, and looks again when it is woken.
"""

from __future__ import annotations

from asyncio import CancelledError, Lock

from .channel import LEVEL_ERROR, encode_text
from .exchange import ClientGone
from .faults import count_frames, describe
from .interrupt import RequestTimeout
from .wire import (
    ASGI_CREDIT_BYTES,
    DEADLINE,
    FAULT,
    FETCH,
    HALF_CLOSED,
    INPUT_CREDIT,
    MAX_BODY_FRAME_BYTES,
    WireFault,
    encode_credit,
    encode_frame,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task, TimerHandle
    from typing import Any

    from .asgi_outbox import Outbox, Slot

# So long an application has after its client's leave; most notice it at their next receive or send.
GRACE_SECONDS = 10.0
# Input is granted in steps of this: the front has four of them on its way.
CREDIT_STEP_BYTES = 65_536
# A smaller piece is copied behind its header, a larger one is not (see exchange.py).
_JOIN_BYTES = 16_384


class AsgiExchange:
    """One taken page. HTTP and WebSocket extend it."""

    __slots__ = (
        "_lock",
        "_owed",
        "body",
        "flags",
        "granted",
        "has_ended",
        "has_fetched",
        "is_cancelled",
        "is_gone",
        "loop",
        "names",
        "outbox",
        "request",
        "sent",
        "slot",
        "taken",
        "task",
        "timer",
        "values",
        "waiters",
    )

    def __init__(
        self,
        slot: Slot,
        request: int,
        flags: int,
        taken: float,
        names: bytes,
        values: bytes,
        body: bytes,
    ) -> None:
        self.slot = slot
        self.outbox: Outbox = slot.outbox
        self.loop: AbstractEventLoop = slot.loop
        self.request = request
        self.flags = flags
        self.taken = taken
        self.names = names
        self.values = values
        self.body = body
        self.task: Task[None] | None = None
        self.sent = 0
        self.granted = ASGI_CREDIT_BYTES
        # Nobody waits for the answer any more; the application has been told by a cancel.
        self.is_gone = False
        self.is_cancelled = False
        self.has_fetched = False
        self.has_ended = False
        self.waiters: set[Future[None]] | None = None
        self._owed = 0
        self._lock: Lock | None = None
        # Until the record comes, then until the application is cancelled.
        self.timer: TimerHandle | None = None
        self.begin()

    def begin(self) -> None:
        """What an interface adds; cheaper than a constructor that passes seven arguments on."""

    # What the front says.

    def take_credit(self, credit: int) -> None:
        """The front has room for so many more bytes."""
        self.granted += credit
        self.wake()

    def take_cancel(self, count: int) -> None:
        """Nobody waits for the answer any more, or whoever waits sends nothing more."""
        if count == HALF_CLOSED:
            self.half_close()
            return
        self.is_gone = True
        if count == DEADLINE:
            self._cancel()
        elif self.timer is None:
            self.timer = self.loop.call_later(GRACE_SECONDS, self._cancel)
        self.wake()

    def half_close(self) -> None:
        """The client sends nothing more."""

    def take_message(self, _kind: int, _piece: bytes, _is_last: bool) -> None:
        """A piece of a message has come on a WebSocket. Raises WireFault."""
        raise WireFault(f"a message for request {self.request}, which is no WebSocket")

    def take_close(self, _code: int, _reason: bytes, _may_answer: bool) -> None:
        """The client has closed the WebSocket; what it sent before may still be answered, or not.
        Raises WireFault.
        """
        raise WireFault(f"the end of request {self.request}, which is no WebSocket")

    # What the application waits for.

    def wake(self) -> None:
        """Something is new: who waits looks again."""
        if self.waiters:
            for waiter in self.waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self.waiters.clear()

    async def wait_for_news(self) -> None:
        """Waits until `wake`."""
        waiter = self.loop.create_future()
        if self.waiters is None:
            self.waiters = set()
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            self.waiters.discard(waiter)

    def fetch(self) -> None:
        """Asks the front for what is not in the page."""
        if not self.has_fetched:
            self.has_fetched = True
            self.outbox.send(encode_frame(FETCH, self.request))

    def grant(self, size: int) -> None:
        """The application has so many bytes of what the front sends piece by piece."""
        self._owed += size
        if self._owed >= CREDIT_STEP_BYTES:
            self.outbox.send(encode_frame(INPUT_CREDIT, self.request, encode_credit(self._owed)))
            self._owed = 0

    # The answer.

    async def send_pieces(self, kind: int, payload: Any, last: int) -> None:
        """Sends bytes of an answer or a message as the credit allows; `last` are the flags of the
        last frame. Waits for whoever else sends. Raises ClientGone.
        """
        size = len(payload)
        room = self.granted - self.sent
        if size <= min(room, MAX_BODY_FRAME_BYTES) and not (self._lock and self._lock.locked()):
            self.sent += size
            if size <= _JOIN_BYTES:
                self.outbox.send(encode_frame(kind, self.request, bytes(payload), flags=last))
            else:
                self.outbox.send_body(kind, self.request, memoryview(payload), last)
            return
        if self._lock is None:
            self._lock = Lock()
        async with self._lock:
            rest = memoryview(payload)
            while True:
                piece = rest
                if rest:
                    piece = rest[: min(await self._wait_for_credit(), MAX_BODY_FRAME_BYTES)]
                    rest = rest[len(piece) :]
                self.sent += len(piece)
                self.outbox.send_body(kind, self.request, piece, 0 if rest else last)
                if not rest:
                    return

    async def _wait_for_credit(self) -> int:
        while self.granted <= self.sent and not (self.is_gone or self.has_ended):
            await self.wait_for_news()
        if self.is_gone or self.has_ended:
            raise ClientGone("the client has left")
        return self.granted - self.sent

    def send_last(self, frame: bytes) -> None:
        """Sends the one last frame."""
        self.has_ended = True
        self.outbox.send_last(frame, self.slot)
        if self.waiters:
            self.wake()

    def send_fault(self, text: str) -> None:
        """Ends the exchange: the application has failed. After the last frame: only a log line."""
        if self.has_ended:
            self.outbox.log(LEVEL_ERROR, text, self.request)
        else:
            self.send_last(encode_frame(FAULT, self.request, encode_text(text)))

    # The application's end.

    def finish(self) -> None:
        """The application has returned before the last frame was sent."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Sends the last frame of a request that nobody waits for."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """The application has raised."""
        if self.is_gone and _is_of_the_end(error):
            if not self.has_ended:
                self.give_up()
            return
        # Without a frame of the application's the fault may be ours, and ours are all there is.
        self.send_fault(describe(error, is_ours=count_frames(error) == 0))

    def release(self) -> None:
        """The application has ended, and its last frame has been sent."""
        raise NotImplementedError

    def _cancel(self) -> None:
        if self.task is not None and not self.is_cancelled:
            self.is_cancelled = True
            self.task.cancel()


# Whether this comes from what we have told the application: that nobody waits for its answer.
def _is_of_the_end(error: BaseException | None) -> bool:
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, (ClientGone, CancelledError, RequestTimeout)):
            return True
        seen.add(id(error))
        inner = getattr(error, "exceptions", None)
        if inner:
            return all(_is_of_the_end(one) for one in inner)
        error = error.__cause__ or error.__context__
    return False
