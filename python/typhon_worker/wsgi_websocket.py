"""WebSockets of WSGI applications: a socket of the client's for who speaks the protocol by itself.

    WS_SOCKET ─▶ the front connects ─▶ environ ─▶ the request ends: shut ─▶ WS_SOCKET_DONE

Libraries such as simple-websocket (Flask-Sock) look for the socket in the environ and write
handshake and frames into it; the front checks the handshake and joins the socket to the client's.
Where anything came on it the application's ordinary answer does not count: so our side is shut
before the first frame of that answer. See docs/worker-protocol.md, "WebSockets under WSGI".
"""

from __future__ import annotations

import os
import socket
from _thread import allocate_lock
from struct import pack

from .channel import LEVEL_WARNING
from .faults import ApplicationFault
from .wire import WS_SOCKET, encode_frame
from .wsgi import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .wsgi import FileWrapper

# The front connects when it reads the frame; longer means that it has forgotten this request.
MAX_CONNECT_SECONDS = 10.0
# Both are known to libraries. simple-websocket looks for Werkzeug's first, and then ends a request
# by an ordinary answer; with gunicorn's it raises StopIteration through the whole application.
NAMES = ("werkzeug.socket", "gunicorn.socket")
# How an application ends that has used its socket, without a fault of its own: gunicorn's way, a
# client that has left, an answer that is none.
_ENDINGS = (StopIteration, ConnectionError, ApplicationFault)


class ClientSocket(socket.socket):
    """The socket as the application has it: blocking, and what is sent leaves whole.

    A library sends messages from one thread and pongs from another, by `send` and without a look at
    what it returns: a short write, or a pong inside a message, would end the connection.
    """

    __slots__ = ("_process", "_sending", "was_used")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Whatever default the application has set for its own connections.
        self.settimeout(None)
        self._process = os.getpid()
        self._sending = allocate_lock()
        self.was_used = False

    # As ssl.SSLSocket has it: what a close does when no file object uses the socket any more. Our
    # own end is open still, so the front would not hear of it; a child's copy is nobody's word.
    def _real_close(self) -> None:
        if os.getpid() == self._process:
            try:
                self.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It has been, or the front has left.
        super()._real_close()  # type: ignore[misc]

    # Who drops it without a close has done nothing wrong: its request is over.
    def __del__(self) -> None:
        self.close()

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Sends all of `data`, where the socket may block; else what there is room for."""
        if self.gettimeout() == 0.0:
            self.was_used = True
            return super().send(data, flags)
        self.sendall(data, flags)
        return memoryview(data).nbytes

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As socket.sendall, one after the other."""
        self.was_used = True
        with self._sending:
            super().sendall(data, flags)


class Sockets:
    """The sockets of one worker, by request; `base` is where they listen, but for the end."""

    __slots__ = ("_base", "_ends", "_lock")

    def __init__(self, base: str) -> None:
        self._base = base
        # Our own ends, until the front has closed its one: None while it connects. They keep open
        # what the application closes, so that all that it wrote can be read by a front that also
        # has something to write.
        self._ends: dict[int, socket.socket | None] = {}
        self._lock = allocate_lock()

    def take_over(self, answer: Answer) -> WebSocketAnswer:
        """The exchange of a handshake in place of the one that the intake has made."""
        seat = answer.seat
        with seat.news:
            ours = WebSocketAnswer(
                seat,
                answer.request,
                answer.flags,
                answer.taken,
                answer.names,
                answer.values,
                answer.body,
            )
            ours.is_cancelled = answer.is_cancelled
            ours.sockets = self
            seat.exchange = ours
        ours.begin()
        return ours

    def offer(self, answer: Answer, environ: dict[str, Any]) -> None:
        """Puts a socket into the environ; without one the application says what it says then."""
        assert isinstance(answer, WebSocketAnswer)
        try:
            answer.client = self._open(answer)
        except OSError as error:
            text = f"no socket could be opened for a WebSocket: {error}"
            answer.seat.channel.log(LEVEL_WARNING, text, answer.request)
            return
        environ.update(dict.fromkeys(NAMES, answer.client))

    def is_open(self, request: int) -> bool:
        """Whether the front still has its end."""
        return request in self._ends

    def shut(self, request: int) -> None:
        """Nothing more is sent, whoever else has the socket; what was sent can still be read."""
        with self._lock:
            end = self._ends.get(request)
            if end is None:
                return
            try:
                end.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The application has done so.

    def done(self, request: int) -> None:
        """The front has closed its end."""
        with self._lock:
            end = self._ends.pop(request, None)
            if end is not None:
                end.close()

    def close_in_child(self) -> None:
        """In a child of the application: the end of this worker must be seen as such."""
        for end in self._ends.values():
            if end is not None:
                end.close()

    def _open(self, answer: WebSocketAnswer) -> ClientSocket:
        request = answer.request
        path = f"{self._base}.{request}.socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(path)
            try:
                door.listen(1)
                door.settimeout(MAX_CONNECT_SECONDS)
                self._ends[request] = None
                answer.seat.channel.send(encode_frame(WS_SOCKET, request, pack("<d", answer.taken)))
                end, _ = door.accept()
            except OSError:
                self._ends.pop(request, None)
                raise
            finally:
                os.unlink(path)
        client = ClientSocket(fileno=os.dup(end.fileno()))
        with self._lock:
            # Its client may have left by now.
            if request in self._ends:
                self._ends[request] = end
            else:
                end.close()
        return client


class WebSocketAnswer(Answer):
    """The answer to a handshake: on the socket, or else as to any other request."""

    __slots__ = ("client", "sockets")

    sockets: Sockets

    def begin(self) -> None:
        """As Answer.begin."""
        super().begin()
        self.client: ClientSocket | None = None

    def is_abandoned(self) -> bool:
        """Whether the client has left, before or after the handshake."""
        return self.is_cancelled or (
            self.client is not None and not self.sockets.is_open(self.request)
        )

    def send_list(self, chunks: list[bytes] | tuple[bytes, ...]) -> None:
        """As Answer.send_list, if the socket was not used."""
        if not self._ends_used():
            super().send_list(chunks)

    def send_iterable(self, chunks: Iterable[bytes]) -> None:
        """As Answer.send_iterable, if the socket was not used."""
        if not self._ends_used():
            super().send_iterable(chunks)

    def send_file(self, wrapper: FileWrapper) -> None:
        """As Answer.send_file, if the socket was not used."""
        if not self._ends_used():
            super().send_file(wrapper)

    def fail(self, error: BaseException) -> None:
        """As Answer.fail; some exceptions are no more than an end."""
        if not isinstance(error, _ENDINGS) or not self._ends_used():
            super().fail(error)

    def send_head(self, head: bytes, count: int, body: bytes, is_end: bool) -> None:
        """As Exchange.send_head; the socket is over."""
        self.sockets.shut(self.request)
        super().send_head(head, count, body, is_end)

    def _send_last(self, kind: int, payload: bytes) -> None:
        self.sockets.shut(self.request)
        super()._send_last(kind, payload)

    # Ends a request whose answer went by the socket: there is nothing to tell.
    def _ends_used(self) -> bool:
        if self.client is None or not self.client.was_used:
            return False
        if not self.has_ended:
            self.send_fault("")
        return True
