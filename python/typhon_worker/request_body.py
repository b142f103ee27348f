"""wsgi.input over a body that is fetched from the front piece by piece (PEP 3333, "Input Streams").

Nothing is fetched before the application reads. A body within the page needs none of this, and one
in a file is that file. Knows an exchange that gives pieces, not how they travel.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .exchange import Exchange


class ChannelBody:
    """A readable stream of bytes; its end is the end of the body. Used by one thread."""

    __slots__ = ("_at", "_exchange", "_has_ended", "_held")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        # Bytes that came and were not read yet: those of _held from _at on.
        self._held = b""
        self._at = 0
        self._has_ended = False

    def read(self, size: int | None = -1) -> bytes:
        """Reads `size` bytes, fewer only at the end; all that is left if negative or None."""
        if size is None or size < 0:
            return b"".join(self._pieces())
        parts = []
        wanted = size
        while wanted > 0 and self._fill():
            part = self._held[self._at : self._at + wanted]
            self._at += len(part)
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def readline(self, size: int | None = -1) -> bytes:
        """Reads up to and with the next newline, at most `size` bytes if that is not negative."""
        parts = []
        wanted = -1 if size is None else size
        while wanted != 0 and self._fill():
            end = self._held.find(b"\n", self._at) + 1 or len(self._held)
            if wanted > 0:
                end = min(end, self._at + wanted)
                wanted -= end - self._at
            part = self._held[self._at : end]
            self._at = end
            parts.append(part)
            if part.endswith(b"\n"):
                break
        return b"".join(parts)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Reads lines to the end, or until they hold `hint` bytes if that is positive."""
        lines = []
        size = 0
        for line in self:
            lines.append(line)
            size += len(line)
            if hint is not None and 0 < hint <= size:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _pieces(self) -> Iterator[bytes]:
        while self._fill():
            piece = self._held[self._at :] if self._at else self._held
            self._at = len(self._held)
            yield piece

    def _fill(self) -> bool:
        if self._at < len(self._held):
            return True
        if not self._has_ended:
            self._held = self._exchange.read_input()
            self._at = 0
            self._has_ended = not self._held
        return not self._has_ended
