"""A control socket: one JSON object a line, in both directions. Knows no message."""

from __future__ import annotations

import json

from .native import read, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_LINE_BYTES = 1_048_576

_READ_BYTES = 65_536


class ControlFault(Exception):
    """The other side sent a control message that breaks the protocol."""


class Control:
    """One end of a control socket, or of another stream that is read and written."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._received = b""

    def say(self, **message: object) -> None:
        """Sends one message; does nothing if the other side is gone."""
        line = encode(message)
        try:
            while line:
                line = line[write(self.fd, line) :]
        except OSError:
            pass

    def receive(self) -> list[dict[str, Any]] | None:
        """Reads once → the messages that are whole by now; None at the end.

        Raises ControlFault, or ValueError for what is no JSON.
        """
        try:
            chunk = self._read()
        except BlockingIOError:
            return []
        except OSError:
            return None
        self._received += chunk
        *lines, self._received = self._received.split(b"\n")
        if len(self._received) > MAX_LINE_BYTES:
            raise ControlFault("a control message of more than 1 MiB")
        return [_decode(line) for line in lines] if chunk else None

    # A side that ends without reading everything resets the socket; what it has sent comes after.
    def _read(self) -> bytes:
        try:
            return read(self.fd, _READ_BYTES)
        except ConnectionResetError:
            return read(self.fd, _READ_BYTES)


def encode(message: object) -> bytes:
    """Encodes one message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> dict[str, Any]:
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ControlFault(f"no control message: {line[:200]!r}")
    return message
