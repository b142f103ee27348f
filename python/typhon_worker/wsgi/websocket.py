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
from collections.abc import Iterable
from socket import SHUT_WR
from struct import pack

from typhon_worker.process.native import allocate_lock, socket
from typhon_worker.process.run_directory import listen, remove_directory
from typhon_worker.process.tracebacks import ApplicationFault
from typhon_worker.wire import frames

from .exchange import FileWrapper, WsgiExchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .client_socket import ClientSocket

# The front connects when it reads WS_SOCKET. If it takes longer, it has forgotten the request.
MAX_CONNECT_SECONDS = 10.0
# Keys that libraries know. simple-websocket tries Werkzeug's first and then ends the request with
# an ordinary response; with gunicorn's it raises StopIteration through the whole application.
NAMES = ("werkzeug.socket", "gunicorn.socket")
# Ends of an application that has used its socket, and that are no failure: gunicorn's StopIteration
# (above), a client that has left, a response that breaks PEP 3333.
_ENDINGS = (StopIteration, ConnectionError, ApplicationFault)


class Sockets:
    """The sockets of one worker, by request id.

    Each handshake has a folder of its own (mode 0700) for the moment in which the front connects.
    Its name begins with that of the worker's run directory, so that the launcher finds the folders
    of a dead worker.
    """

    def __init__(self, run_directory: str) -> None:
        self._run_directory = run_directory
        # The worker's own copies, until the front has closed its end; None while it connects. A
        # copy keeps the socket open after the application's close. Otherwise a front that still
        # has something to send would get a reset, and lose what the application wrote.
        self._ends: dict[int, socket | None] = {}
        self._lock = allocate_lock()

    def open(self, exchange: WebSocketExchange) -> ClientSocket:
        """Opens the socket of a handshake: offers it to the front and waits. Fails with OSError."""
        request = exchange.request
        folder = f"{self._run_directory}.{os.urandom(8).hex()}"
        os.mkdir(folder, 0o700)
        path = os.path.join(folder, "socket")
        try:
            with listen(path) as listener:
                listener.settimeout(MAX_CONNECT_SECONDS)
                self._ends[request] = None
                offer = pack("<d", exchange.taken) + os.fsencode(path)
                exchange.slot.channel.send(frames.encode(frames.WS_SOCKET, request, offer))
                end, _ = listener.accept()
        except OSError:
            self._ends.pop(request, None)
            raise
        finally:
            remove_directory(folder)
        # Imported after the application, which may have put another class in socket.socket's place.
        from .client_socket import ClientSocket

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
                end.shutdown(SHUT_WR)
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

    def offer_file(self, head: bytes, count: int, fd: int, offset: int, length: int) -> None:
        """As Exchange.offer_file; shuts the socket first."""
        self._shut()
        super().offer_file(head, count, fd, offset, length)

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
