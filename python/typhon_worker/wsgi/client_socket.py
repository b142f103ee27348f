"""The socket of a WebSocket as a WSGI application has it.

Imported when the first one is opened: gevent may have put its own class in the place of
socket.socket by then, and only a socket of that class lets the other greenlets of a thread run.
"""

from __future__ import annotations

import os
import socket
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A library's thread may still have to send the close frame that it told the application of.
LAST_FRAME_SECONDS = 1.0


class ClientSocket(socket.socket):
    """The socket as the application has it: blocking, and each send is whole.

    A library sends messages from one thread and pongs from another, with `send`, and does not look
    at its result. A short write, or a pong inside of a message, would end the connection.

    A library's thread may read a fault, wake the application, and only then send its close frame.
    So the end of a request waits for a thread that has read and does not read again.
    """

    __slots__ = ("_busy", "_owner", "_process", "_sending", "was_used")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Overrides a default that the application may have set for its own connections.
        self.settimeout(None)
        self._process = os.getpid()
        # Locks of the application's threads, which a green library may have made greenlets.
        self._sending = threading.Lock()
        # Held while another thread than the request's is between two calls of `recv`.
        self._busy = threading.Lock()
        self._owner = threading.get_ident()
        self.was_used = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As socket.recv."""
        self._rest()
        data = super().recv(bufsize, flags)
        if threading.get_ident() != self._owner:
            self._busy.acquire(False)
        return data

    def _rest(self) -> None:
        if self._busy.locked():
            self._busy.release()

    def wait_for_reader(self) -> None:
        """Waits until what a library's thread has read is answered, LAST_FRAME_SECONDS at most."""
        self._busy.acquire(timeout=LAST_FRAME_SECONDS)

    # Called at a close when no file object uses the socket any more, as in ssl.SSLSocket. The
    # worker's own copy is still open, so without a shutdown the front would not see the close. The
    # close of a forked child's copy means nothing.
    def _real_close(self) -> None:
        self._rest()
        if os.getpid() == self._process:
            try:
                self.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It is shut already, or the front has left.
        super()._real_close()  # type: ignore[misc]

    # Closes without the usual ResourceWarning: an application that drops the socket at the end of
    # its request has done nothing wrong.
    def __del__(self) -> None:
        self.close()

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Sends all of `data` on a blocking socket, else as much as there is room for."""
        if self.gettimeout() == 0.0:
            self.was_used = True
            return super().send(data, flags)
        self.sendall(data, flags)
        return memoryview(data).nbytes

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As socket.sendall, one call after the other; a timeout counts for each part."""
        self.was_used = True
        rest = memoryview(data).cast("B")
        with self._sending:
            # Not by the base class, whose sendall may call `send`, as gevent's does.
            while rest:
                rest = rest[super().send(rest, flags) :]
