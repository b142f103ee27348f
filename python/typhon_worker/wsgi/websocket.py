"""WebSockets under WSGI: the client's socket, for applications that speak the protocol themselves.

    WS_SOCKET ─▶ the front connects ─▶ environ ─▶ the request ends: shut ─▶ WS_SOCKET_DONE

Libraries such as simple-websocket (Flask-Sock) find the socket in the environ and write handshake
and frames into it. The front checks the handshake and joins the socket to the client's. If anything
came on the socket, the ordinary response of the application does not count: so the worker shuts its
side of the socket before the first frame of a response, and the front reads the socket first
(docs/worker-protocol.md, "WebSockets under WSGI").
"""

from __future__ import annotations

import os
import socket
from _thread import allocate_lock, get_ident
from collections.abc import Iterable
from struct import pack

from typhon_worker.process.tracebacks import ApplicationFault
from typhon_worker.wire import frames

from .exchange import FileWrapper, WsgiExchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The front connects when it reads WS_SOCKET. If it takes longer, it has forgotten the request.
MAX_CONNECT_SECONDS = 10.0
# A library's thread may still have to send the close frame that it told the application of.
LAST_FRAME_SECONDS = 1.0
# Keys that libraries know. simple-websocket tries Werkzeug's first and then ends the request with
# an ordinary response; with gunicorn's it raises StopIteration through the whole application.
NAMES = ("werkzeug.socket", "gunicorn.socket")
# Ends of an application that has used its socket, and that are no failure: gunicorn's StopIteration
# (above), a client that has left, a response that breaks PEP 3333.
_ENDINGS = (StopIteration, ConnectionError, ApplicationFault)


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
        self._sending = allocate_lock()
        # Held while another thread than the request's is between two calls of `recv`.
        self._busy = allocate_lock()
        self._owner = get_ident()
        self.was_used = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As socket.recv."""
        self._rest()
        data = super().recv(bufsize, flags)
        if get_ident() != self._owner:
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
        """As socket.sendall, one call after the other."""
        self.was_used = True
        with self._sending:
            super().sendall(data, flags)


class Sockets:
    """The sockets of one worker, by request id; `base` is the prefix of their paths."""

    def __init__(self, base: str) -> None:
        self._base = base
        # The worker's own copies, until the front has closed its end; None while it connects. A
        # copy keeps the socket open after the application's close. Otherwise a front that still
        # has something to send would get a reset, and lose what the application wrote.
        self._ends: dict[int, socket.socket | None] = {}
        self._lock = allocate_lock()

    def open(self, exchange: WebSocketExchange) -> ClientSocket:
        """Opens the socket of a handshake: offers it to the front and waits. Fails with OSError."""
        request = exchange.request
        path = f"{self._base}.{request}.socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            try:
                listener.listen(1)
                listener.settimeout(MAX_CONNECT_SECONDS)
                self._ends[request] = None
                taken = pack("<d", exchange.taken)
                exchange.slot.channel.send(frames.encode(frames.WS_SOCKET, request, taken))
                end, _ = listener.accept()
            except OSError:
                self._ends.pop(request, None)
                raise
            finally:
                os.unlink(path)
        client = ClientSocket(fileno=os.dup(end.fileno()))
        with self._lock:
            # The front may have closed its end by now: WS_SOCKET_DONE has removed the entry.
            if request in self._ends:
                self._ends[request] = end
            else:
                end.close()
        return client

    def is_open(self, request: int) -> bool:
        """Whether the front still has its end."""
        return request in self._ends

    def shut(self, request: int) -> None:
        """Ends what is sent, whoever else has the socket; what was sent can still be read."""
        with self._lock:
            end = self._ends.get(request)
            if end is None:
                return
            try:
                end.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The application has shut it.

    def done(self, request: int) -> None:
        """WS_SOCKET_DONE has come: the front has closed its end."""
        with self._lock:
            end = self._ends.pop(request, None)
            if end is not None:
                end.close()

    def close_in_child(self) -> None:
        """In a forked child: closes the copies, so that the front sees the worker's end."""
        for end in self._ends.values():
            if end is not None:
                end.close()


class WebSocketExchange(WsgiExchange):
    """A handshake: answered on its socket, or else as any other request."""

    __slots__ = ("client", "sockets")

    def begin(self) -> None:
        super().begin()
        self.client: ClientSocket | None = None
        self.sockets: Sockets | None = None

    def offer_socket(self, sockets: Sockets, environ: dict[str, Any]) -> None:
        """Puts a socket into the environ; if none can be opened the application runs without."""
        self.sockets = sockets
        try:
            self.client = sockets.open(self)
        except OSError as error:
            text = f"no socket could be opened for a WebSocket: {error}"
            self.slot.channel.log(frames.LEVEL_WARNING, text, self.request)
            return
        environ.update(dict.fromkeys(NAMES, self.client))

    def is_abandoned(self) -> bool:
        """Whether the client has left, before or after the handshake."""
        if self.is_cancelled or self.client is None or self.sockets is None:
            return self.is_cancelled
        return not self.sockets.is_open(self.request)

    def send_list(self, chunks: list[bytes] | tuple[bytes, ...]) -> None:
        """As WsgiExchange.send_list, if the socket was not used."""
        if not self._ends_used():
            super().send_list(chunks)

    def send_iterable(self, chunks: Iterable[bytes]) -> None:
        """As WsgiExchange.send_iterable, if the socket was not used."""
        if not self._ends_used():
            super().send_iterable(chunks)

    def send_file(self, wrapper: FileWrapper) -> None:
        """As WsgiExchange.send_file, if the socket was not used."""
        if not self._ends_used():
            super().send_file(wrapper)

    def fail(self, error: BaseException) -> None:
        """As WsgiExchange.fail; some exceptions are an ordinary end of a used socket."""
        if not isinstance(error, _ENDINGS) or not self._ends_used():
            super().fail(error)

    def send_head(self, head: bytes, count: int, body: bytes, is_end: bool) -> None:
        """As WsgiExchange.send_head; shuts the socket first."""
        self._shut()
        super().send_head(head, count, body, is_end)

    def send_last(self, frame: bytes) -> None:
        """As Exchange.send_last; shuts the socket first."""
        self._shut()
        super().send_last(frame)

    def _shut(self) -> None:
        if self.sockets is not None:
            self.sockets.shut(self.request)

    # Ends a request that was answered on its socket: a FAULT with an empty text says so.
    def _ends_used(self) -> bool:
        if self.client is None or not self.client.was_used:
            return False
        if not self.has_ended:
            if not self.is_abandoned():
                self.client.wait_for_reader()
            self.send_fault("")
        return True
