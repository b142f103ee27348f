"""Whole answers on their way to the front: those of one turn of the loop go in one write.

Each write wakes the front, which costs both sides more than a quick application does. An answer
waits only while the loop begins requests that lie in the queue, half a millisecond at most unless
one of these keeps the loop; where that happens, the answers of the next second go at once. Until it
is written its request stays noted.
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
# An answer may wait so long for those that are begun after it.
HOLD_SECONDS = 0.0005
# One that has waited longer than this shows that requests of this application keep the loop.
LATE_SECONDS = 0.005
DIRECT_SECONDS = 1.0
# Larger frames go at once: joining them would cost what it saves.
MAX_HELD_BYTES = 16_384


class Slot:
    """One slot of the notes, and what an exchange in it needs of this worker."""

    __slots__ = ("_id_at", "_memory", "answers", "at", "channel", "loop", "page")

    def __init__(
        self,
        number: int,
        notes: Notes,
        channel: Channel,
        loop: AbstractEventLoop,
        answers: Answers,
    ) -> None:
        self.at = number * SLOT_BYTES
        # As readv wants it.
        self.page = (notes.page(number),)
        self.channel = channel
        self.loop = loop
        self.answers = answers
        self._memory = notes.memory
        self._id_at = self.at + 8

    def clear_note(self) -> None:
        """The request of this slot is answered."""
        self._memory[self._id_at : self._id_at + 8] = _NO_ID


class Answers:
    """Sends frames that end requests."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._is_holding = False
        self._frames: list[bytes] = []
        self._slots: list[Slot] = []
        self._since = 0.0
        self._direct_until = 0.0

    def add(self, frame: bytes, slot: Slot) -> None:
        """Sends the one last frame of a request, now or with `flush`."""
        if self._is_holding and len(frame) <= MAX_HELD_BYTES:
            self._frames.append(frame)
            self._slots.append(slot)
        else:
            self._channel.send(frame)
            slot.clear_note()

    def at(self, now: float) -> None:
        """Another request is about to begin: what has waited long enough goes."""
        if not self._is_holding:
            self._since = now
            self._is_holding = now >= self._direct_until
        elif self._frames and now - self._since >= HOLD_SECONDS:
            self._write()
            self._since = now

    def flush(self) -> None:
        """Sends what waits; what comes now goes at once."""
        self._is_holding = False
        if self._frames:
            self._write()

    def _write(self) -> None:
        frames, slots = self._frames, self._slots
        self._channel.send(frames[0] if len(frames) == 1 else b"".join(frames))
        for slot in slots:
            slot.clear_note()
        frames.clear()
        slots.clear()
        now = time.monotonic()
        if now - self._since >= LATE_SECONDS:
            self._direct_until = now + DIRECT_SECONDS
