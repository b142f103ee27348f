"""Warm-up: requests that a worker sends itself before it is ready.

What an application does at its first request (templates, connections, lazy imports) is done before
a client waits for it. The requests run as all others do and their responses go nowhere. A failure
is a line in the log, and never fails the start.
"""

from __future__ import annotations

from typhon_worker.process.channel import Channel
from typhon_worker.wire import frames

# More than any response has: no front would grant credit.
ENDLESS_CREDIT = 1 << 62
_TYPE_AT = 4
_HEAD_AT = frames.FRAME_HEADER_BYTES + frames.HEAD_PREFIX_BYTES


class WarmupSlot:
    """Stands for the slot and the channel of one warm-up request, and keeps its outcome."""

    def __init__(self) -> None:
        self.channel = self
        self._status = ""
        self._faults: list[str] = []

    def clear_note(self) -> None:
        """Does nothing: the request is not noted."""

    def send(self, frame: bytes) -> None:
        """Keeps the status of a HEAD, or the text of a FAULT."""
        kind = frame[_TYPE_AT]
        if kind == frames.HEAD:
            self._status = frame[_HEAD_AT : _HEAD_AT + 3].decode("latin-1")
        elif kind == frames.FAULT:
            self._faults.append(frame[frames.FRAME_HEADER_BYTES :].decode())

    def send_last(self, frame: bytes, _slot: object) -> None:
        """As `send`."""
        self.send(frame)

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """Drops a piece of the body."""

    def log(self, _level: int, text: str, _request: int = 0) -> None:
        """Keeps the text of a failure after the last frame."""
        self._faults.append(text)

    def report(self, channel: Channel, path: str) -> None:
        """Logs the outcome of `GET path`, if it is a failure."""
        if self._faults:
            status = f"failed after status {self._status}" if self._status else "status 500"
            outcome = "\n".join((status, *self._faults))
        elif "100" <= self._status < "400":
            return
        else:
            outcome = f"status {self._status}"
        channel.log(frames.LEVEL_WARNING, f"warm-up GET {path}: {outcome}")
