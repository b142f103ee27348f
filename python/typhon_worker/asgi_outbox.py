"""Frames of an ASGI worker for the front: those of one turn of the loop go in one write.

Each write wakes the front, which costs both sides more than a quick application does. The first
frame goes at once, so that who sends a little and then computes is heard. Those behind it wait
while the loop does what is ready to be done, half a millisecond at most unless one of these keeps
the loop; where that happens, what is sent in the next seconds goes at once. Until its last frame is
written a request stays noted. All of it happens in the loop's thread.
"""

from __future__ import annotations

import time

from .wire import SLOT_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from .channel import Channel
    from .notes import Notes

_NO_ID = bytes(8)
# A frame may wait so long for those that are sent after it.
HOLD_SECONDS = 0.0005
# One that has waited longer than this shows that this application keeps the loop: nothing waits for
# a second, and twice as long each time it comes again.
LATE_SECONDS = 0.005
MIN_DIRECT_SECONDS = 1.0
MAX_DIRECT_SECONDS = 64.0
# Larger frames go at once, and more do not wait: joining them would cost what it saves.
MAX_HELD_BYTES = 16_384

_monotonic = time.monotonic


class Slot:
    """One slot of the notes, and what an exchange in it needs of this worker."""

    __slots__ = ("_id_at", "_memory", "at", "loop", "outbox", "page")

    def __init__(self, number: int, notes: Notes, outbox: Outbox, loop: AbstractEventLoop) -> None:
        self.at = number * SLOT_BYTES
        # As readv wants it.
        self.page = (notes.page(number),)
        self.outbox = outbox
        self.loop = loop
        self._memory = notes.memory
        self._id_at = self.at + 8

    def clear_note(self) -> None:
        """The request of this slot is answered."""
        self._memory[self._id_at : self._id_at + 8] = _NO_ID


class Outbox:
    """Sends frames, in their order."""

    __slots__ = (
        "_call_soon",
        "_channel",
        "_direct_seconds",
        "_direct_until",
        "_frames",
        "_has_passed",
        "_is_open",
        "_since",
        "_size",
        "_slots",
    )

    def __init__(self, channel: Channel, loop: AbstractEventLoop) -> None:
        self._channel = channel
        self._call_soon = loop.call_soon
        # What waits: frames, their bytes, the slots of requests that end with them, and since when.
        self._frames: list[bytes] = []
        self._size = 0
        self._slots: list[Slot] = []
        self._since = 0.0
        # Frames may wait: somebody will call `flush` in this turn.
        self._is_open = False
        # In this turn one has gone that is not the last of its request.
        self._has_passed = False
        self._direct_until = 0.0
        self._direct_seconds = MIN_DIRECT_SECONDS

    def send(self, frame: bytes) -> None:
        """Sends a frame that is not the last of its request."""
        if self._has_passed:
            self._keep(frame)
            return
        self._has_passed = True
        self._send_first(frame)

    def send_last(self, frame: bytes, slot: Slot) -> None:
        """Sends the last frame of the request in `slot`."""
        if self._is_open:
            self._slots.append(slot)
            self._keep(frame)
        else:
            self._send_first(frame)
            slot.clear_note()

    def _send_first(self, frame: bytes) -> None:
        if not self._is_open:
            self._is_open = True
            self._call_soon(self.flush)
        if self._frames:
            self._write(_monotonic())
        self._channel.send(frame)

    def _keep(self, frame: bytes) -> None:
        now = _monotonic()
        frames = self._frames
        if not frames:
            self._since = now
        frames.append(frame)
        self._size += len(frame)
        if (
            self._size >= MAX_HELD_BYTES
            or now < self._direct_until
            or now - self._since >= HOLD_SECONDS
        ):
            self._write(now)

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """Sends a frame with a large payload without copying it."""
        if self._frames:
            self._write(_monotonic())
        self._channel.send_body(kind, request, payload, flags)

    def log(self, level: int, text: str, request: int = 0) -> None:
        """As the channel does, behind what waits."""
        if self._frames:
            self._write(_monotonic())
        self._channel.log(level, text, request)

    def poisoned(self, text: str) -> None:
        """As the channel does."""
        self._channel.poisoned(text)

    def hold(self, now: float) -> None:
        """Something is about to begin whose frames may wait for `flush`, which the caller calls;
        what has waited long enough does not wait for it.
        """
        self._is_open = True
        if self._frames and now - self._since >= HOLD_SECONDS:
            self._write(now)

    def flush(self) -> None:
        """Sends what waits."""
        self._is_open = False
        self._has_passed = False
        if self._frames:
            self._write(_monotonic())

    def _write(self, now: float) -> None:
        frames, slots = self._frames, self._slots
        self._channel.send(frames[0] if len(frames) == 1 else b"".join(frames))
        frames.clear()
        self._size = 0
        if slots:
            for slot in slots:
                slot.clear_note()
            slots.clear()
        if now - self._since >= LATE_SECONDS:
            self._direct_until = now + self._direct_seconds
            self._direct_seconds = min(2 * self._direct_seconds, MAX_DIRECT_SECONDS)
