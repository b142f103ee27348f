"""The channel to the front: one Unix stream socket that carries frames in both directions.

Any thread may send; one thread listens. Sending blocks, which is safe: the front always reads, and
credit bounds what may be sent for one request. When the socket ends there is nobody left to work
for, and the process exits at once without asking the application. Knows frames, not their meaning.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from typhon_worker.wire import WireFault, frames

from .native import POLLIN, allocate_lock, poll, socket, write, writev
from .process_setup import move_high

EXIT_CHANNEL_ENDED = 1
EXIT_POISONED = 4
# The front writes the rest of a frame at once, unless it is stopped for a moment. A frame that does
# not go on for so long has lost bytes to the application.
FRAME_MS = 30_000

# The front connects as soon as it hears of a worker. It never does if the launcher died before it
# could tell the front.
ACCEPT_SECONDS = 30.0


class Channel:
    """Frames to and from the front."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lock = allocate_lock()

    @classmethod
    def accept(cls, listener_fd: int, timeout: float = ACCEPT_SECONDS) -> Channel:
        """Waits for the front to connect, then closes the listening socket. Fails with OSError."""
        with socket(fileno=listener_fd) as listener:
            listener.settimeout(timeout)
            connection, _ = listener.accept()
        return cls(move_high(connection.detach()))

    def send(self, frame: bytes) -> None:
        """Sends whole frames; returns when the kernel has them."""
        lock = self._lock
        lock.acquire()
        try:
            sent = write(self.fd, frame)
            # A write is partial only if a signal interrupted it.
            while sent < len(frame):
                sent += write(self.fd, frame[sent:])
        except OSError:
            os._exit(EXIT_CHANNEL_ENDED)
        finally:
            lock.release()

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """Sends a frame with a large payload without copying the payload."""
        header = frames.pack_frame(len(payload), kind, flags, 0, request)
        with self._lock:
            try:
                sent = writev(self.fd, (header, payload)) - len(header)
                if sent < 0:
                    sent += write(self.fd, header[sent:])
                while sent < len(payload):
                    sent += write(self.fd, payload[max(sent, 0) :])
            except OSError:
                os._exit(EXIT_CHANNEL_ENDED)

    def log(self, level: int, text: str, request: int = 0) -> None:
        """Sends a text for the log."""
        self.send(frames.encode(frames.LOG, request, frames.encode_text(text), count=level))

    def poisoned(self, fault: WireFault) -> None:
        """Tells the front that the queue is broken, for every worker, and exits."""
        text = f"the queue carried {fault}"
        self.send(frames.encode(frames.POISONED, 0, frames.encode_text(text)))
        os._exit(EXIT_POISONED)

    def broken(self, fault: WireFault) -> None:
        """Tells the front that this channel is broken, and exits."""
        self.log(frames.LEVEL_ERROR, f"the channel carried {fault}")
        os._exit(EXIT_CHANNEL_ENDED)

    def listen(self, receive: Callable[[int, int, int, int, bytes], None]) -> None:
        """Gives each frame to `receive`: type, flags, count, id, payload. Never returns."""
        decoder = frames.FrameDecoder()
        # poll, not a blocking read: the kernel wakes a thread that sleeps inside read each time the
        # front has taken what this process sent, once a response, which costs 4 µs a request.
        readable = poll()
        readable.register(self.fd, POLLIN)
        try:
            while True:
                if not readable.poll(FRAME_MS if decoder.is_inside_frame else None):
                    raise WireFault("a frame that was begun and not ended")
                size = os.readv(self.fd, (decoder.room,))
                if not size:
                    break
                for frame in decoder.push(size):
                    receive(*frame)
        except WireFault as fault:
            self.broken(fault)
        except OSError:
            pass
        os._exit(EXIT_CHANNEL_ENDED)

    def close_in_child(self) -> None:
        """In a forked child of the application: the child may not speak for this worker."""
        os.close(self.fd)
        # A later send in the child fails and ends the child. The lock is replaced because a thread
        # of the parent may have held it at the fork.
        self.fd = -1
        self._lock = allocate_lock()
