"""The channel to the front: one Unix stream socket that carries whole frames both ways.

Any thread may send; one thread listens. Sends block: the front always reads, and what may be sent
for one request is bounded by its credit. When the socket ends there is nobody left to work for and
the process exits at once, without the application's leave. Knows frames, not what they mean.
"""

from __future__ import annotations

import os
import select
import socket
from _thread import allocate_lock

from .wire import LOG, POISONED, FrameDecoder, WireFault, encode_frame, pack_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CHANNEL_ENDED = 1
EXIT_POISONED = 4

LEVEL_WARNING = 2
LEVEL_ERROR = 3

# Longer texts lose their middle: a frame has a limit, and so has what anybody reads of a log.
MAX_TEXT_CHARACTERS = 65_536


def shorten(text: str) -> str:
    """Cuts the middle out of a text that is too long for a log."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    half = MAX_TEXT_CHARACTERS // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def encode_text(text: str) -> bytes:
    """A text as frames carry it: UTF-8 whatever surrogates are in it, and of bounded length."""
    return shorten(text).encode("utf-8", "backslashreplace")


# The front connects as soon as it hears of a worker, and never if the launcher died before it told.
ACCEPT_SECONDS = 30.0


class Channel:
    """Frames to and from the front."""

    __slots__ = ("_lock", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lock = allocate_lock()

    @classmethod
    def accept(cls, door: int, patience: float = ACCEPT_SECONDS) -> Channel:
        """Waits for the front at `door`, a listening socket, and closes it. Fails with OSError."""
        with socket.socket(fileno=door) as listening:
            listening.settimeout(patience)
            front, _ = listening.accept()
        return cls(front.detach())

    def send(self, frame: bytes) -> None:
        """Sends a whole frame; returns when the kernel has it."""
        lock = self._lock
        lock.acquire()
        try:
            sent = os.write(self.fd, frame)
            # Less only when a signal came in between.
            while sent < len(frame):
                sent += os.write(self.fd, frame[sent:])
        except OSError:
            os._exit(EXIT_CHANNEL_ENDED)
        finally:
            lock.release()

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """Sends a frame with a large payload without copying it."""
        header = pack_frame(len(payload), kind, flags, 0, request)
        with self._lock:
            try:
                sent = os.writev(self.fd, (header, payload)) - len(header)
                if sent < 0:
                    sent += os.write(self.fd, header[sent:])
                while sent < len(payload):
                    sent += os.write(self.fd, payload[max(sent, 0) :])
            except OSError:
                os._exit(EXIT_CHANNEL_ENDED)

    def log(self, level: int, text: str, request: int = 0) -> None:
        """Sends a line or a text for the log."""
        self.send(encode_frame(LOG, request, encode_text(text), count=level))

    def poisoned(self, text: str) -> None:
        """Tells the front that what it sent cannot be understood, and exits."""
        self.send(encode_frame(POISONED, 0, encode_text(text)))
        os._exit(EXIT_POISONED)

    def listen(self, receive: Callable[[int, int, int, int, bytes], None]) -> None:
        """Gives each frame to `receive`: type, flags, count, id, payload. Never returns."""
        decoder = FrameDecoder()
        # A thread that sleeps inside read is woken by the kernel each time the front has taken what
        # we sent, once an answer, and sleeps again: 4 µs a request. One that polls is not.
        readable = select.poll()
        readable.register(self.fd, select.POLLIN)
        try:
            while True:
                readable.poll()
                size = os.readv(self.fd, (decoder.room,))
                if not size:
                    break
                for frame in decoder.push(size):
                    receive(*frame)
        except WireFault as fault:
            self.poisoned(f"the channel carried {fault}")
        except OSError:
            pass
        os._exit(EXIT_CHANNEL_ENDED)

    def close_in_child(self) -> None:
        """In a child of the application: it may not speak for this worker."""
        os.close(self.fd)
        # What still tries to send there ends that child, whatever thread held the lock.
        self.fd = -1
        self._lock = allocate_lock()
