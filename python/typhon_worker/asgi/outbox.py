"""The frames of an ASGI worker: those of one turn of the event loop go in one write.

Each write wakes the front, which costs both sides more than a quick application does. The first
frame of a turn is sent at once, so that an application that sends a little and then computes is
heard. The frames behind it wait until the loop has run what is ready, at most half a millisecond. A
callback may keep the loop for longer; then the frames of the next seconds are sent at once. A
request stays noted until its last frame is written. Everything happens in the loop's thread.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable

from typhon_worker.process.channel import Channel
from typhon_worker.process.page_queue import Notes, Slot
from typhon_worker.wire import WireFault

# The longest wait of a frame for those that are sent after it.
HOLD_SECONDS = 0.0005
# A frame that waited longer shows that the application keeps the loop. No frame waits for a second
# then, and for twice as long each time it happens again.
LATE_SECONDS = 0.005
MIN_DIRECT_SECONDS = 1.0
MAX_DIRECT_SECONDS = 64.0
# Waiting frames are sent at this size: joining more of them would cost what it saves.
MAX_HELD_BYTES = 16_384

_monotonic = time.monotonic


class TaskSlot(Slot):
    """A slot of the notes, and what an exchange in it needs of this worker.

    `abandon` is called with an exchange when nobody waits for its response any more, `on_accepted`
    with a WebSocket that leaves its slot.
    """

    __slots__ = ("abandon", "channel", "loop", "on_accepted")
    is_noted = True

    def __init__(
        self,
        number: int,
        notes: Notes,
        channel: Outbox,
        loop: AbstractEventLoop,
        abandon: Callable[..., None],
        on_accepted: Callable[..., None],
    ) -> None:
        super().__init__(number, notes)
        self.bind_thread()
        self.channel = channel
        self.loop = loop
        self.abandon = abandon
        self.on_accepted = on_accepted


class UnnotedSlot(TaskSlot):
    """In place of a slot, for an accepted WebSocket: the front knows who has it, without a note."""

    __slots__ = ()
    is_noted = False

    def __init__(self, slot: TaskSlot) -> None:
        self.channel = slot.channel
        self.loop = slot.loop
        self.abandon = slot.abandon
        self.on_accepted = slot.on_accepted

    def clear_note(self) -> None:
        """There is none."""


class Outbox:
    """Sends frames, in their order."""

    def __init__(self, channel: Channel, loop: AbstractEventLoop) -> None:
        self._channel = channel
        self._call_soon = loop.call_soon
        # The frames that wait, their bytes, the slots of the requests that end with them, and the
        # second since when the first one waits.
        self._frames: list[bytes] = []
        self._size = 0
        self._slots: list[TaskSlot] = []
        self._since = 0.0
        # Whether frames may wait: `flush` will be called in this turn.
        self._is_open = False
        # Whether a frame that is not its request's last has been sent in this turn.
        self._has_sent = False
        self._direct_until = 0.0
        self._direct_seconds = MIN_DIRECT_SECONDS

    def send(self, frame: bytes) -> None:
        """Sends a frame that is not the last of its request."""
        if self._has_sent:
            self._keep(frame)
            return
        self._has_sent = True
        self._send_first(frame)

    def send_last(self, frame: bytes, slot: TaskSlot) -> None:
        """Sends the last frame that needs the note in `slot`, then clears the note."""
        if self._is_open:
            self._slots.append(slot)
            self._keep(frame)
        else:
            self._send_first(frame)
            slot.clear_note()

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """Sends a frame with a large payload without copying the payload."""
        if self._frames:
            self._write(_monotonic())
        self._channel.send_body(kind, request, payload, flags)

    def log(self, level: int, text: str, request: int = 0) -> None:
        """As Channel.log, after the frames that wait."""
        if self._frames:
            self._write(_monotonic())
        self._channel.log(level, text, request)

    def poisoned(self, fault: WireFault) -> None:
        """As Channel.poisoned."""
        self._channel.poisoned(fault)

    def hold(self, now: float) -> None:
        """Lets the frames of the next request wait; the caller calls `flush` afterwards.

        Frames that have waited long enough are sent first.
        """
        self._is_open = True
        if self._frames and now - self._since >= HOLD_SECONDS:
            self._write(now)

    def flush(self) -> None:
        """Sends the frames that wait."""
        self._is_open = False
        self._has_sent = False
        if self._frames:
            self._write(_monotonic())

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
