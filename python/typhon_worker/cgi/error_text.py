"""The text that a program writes to its standard error, in whole lines where that is possible."""

from __future__ import annotations

MAX_ERROR_BYTES = 65_536
# A line that has not ended is given on when it is so long.
_MAX_HELD_BYTES = 8192


class ErrorText:
    """Text of one run: at most MAX_ERROR_BYTES, then one "…"."""

    __slots__ = ("_held", "_is_cut", "_left")

    def __init__(self) -> None:
        self._held = b""
        self._left = MAX_ERROR_BYTES
        self._is_cut = False

    def push(self, chunk: bytes) -> str:
        """Takes bytes → the lines that are complete by now, "" if none is."""
        if self._is_cut:
            return ""
        self._held += chunk[: self._left]
        self._is_cut = len(chunk) > self._left
        if self._is_cut:
            return f"{self.flush()}…"
        self._left -= len(chunk)
        cut = self._held.rfind(b"\n") + 1
        if cut == 0 and len(self._held) >= _MAX_HELD_BYTES:
            cut = len(self._held)
        lines, self._held = self._held[:cut], self._held[cut:]
        return lines.decode(errors="replace")

    def flush(self) -> str:
        """Returns the line that has not ended."""
        held, self._held = self._held, b""
        return held.decode(errors="replace")
