"""Running a WSGI application for one exchange (PEP 3333).

`WsgiServer.serve` calls the application and sees its iterable to the end; whatever happens, one
last frame is sent and `close()` is called once. `Answer` is the exchange with `start_response` and
`write`. Types and lengths are checked here, the meaning of header fields in the front.
"""

from __future__ import annotations

from types import CoroutineType, GeneratorType

from .environ import EnvironMaker
from .exchange import ClientGone, Exchange
from .faults import ApplicationFault, count_frames, describe, describe_type
from .interrupt import RequestTimeout
from .start_response import encode_head, explain_head
from .wire import MAX_BODY_FRAME_BYTES, WEBSOCKET, WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TextIO

    from .settings import Settings
    from .wsgi_websocket import Sockets

    ExcInfo = tuple[Any, Any, Any]

# Reads of a file that we send ourselves; the block size that applications give is a small one.
_FILE_BLOCK_BYTES = MAX_BODY_FRAME_BYTES


class FileWrapper:
    """wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


class Answer(Exchange):
    """The answer to one request, as a WSGI application gives it."""

    __slots__ = ("count", "declared", "head", "is_bodiless", "is_head", "passed")

    def begin(self) -> None:
        """Before anything else; cheaper than a constructor that passes seven arguments on."""
        # Of the head that was last given: encoded, its number of fields, its Content-Length or -1.
        self.head: bytes | None = None
        self.count = 0
        self.declared = -1
        # Bytes of body that the application has given.
        self.passed = 0
        # To HEAD, or with 204 or 304: what there is of a body stays here.
        self.is_head = False
        self.is_bodiless = False

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Keeps the head (PEP 3333, "The start_response() Callable"); returns `write`."""
        if exc_info is not None:
            try:
                if self.is_started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.head is not None:
            raise AssertionError("start_response() was called again without exc_info")
        try:
            self.head, self.count, self.declared = encode_head(status, headers)
        except (TypeError, ValueError, AttributeError):
            raise AssertionError(explain_head(status, headers)) from None
        self.is_bodiless = self.is_head or status.startswith(("204", "304"))
        return self.write

    def write(self, chunk: bytes) -> None:
        """Sends a chunk at once: PEP 3333, "The write() Callable"."""
        if self.is_cancelled:
            raise ClientGone("the client has left")
        if self._has_bytes(chunk):
            self._send(chunk)

    def send_list(self, chunks: list[bytes] | tuple[bytes, ...]) -> None:
        """Sends a body that is there whole, in one frame if it is small."""
        if len(chunks) == 1 and type(chunks[0]) is bytes:
            body = chunks[0]
        else:
            for chunk in chunks:
                self._has_bytes(chunk)
            body = b"".join(chunks)
        if self.is_started or len(body) > MAX_BODY_FRAME_BYTES:
            if body:
                self._send(body)
            self._end()
            return
        head = self.head
        if head is None:
            raise ApplicationFault("the application returned without calling start_response()")
        if self.is_bodiless:
            body = b""
        elif 0 <= self.declared != len(body):
            self.passed = len(body)
            raise self._wrong_length()
        self.send_head(head, self.count, body, True)

    def send_iterable(self, chunks: Iterable[bytes]) -> None:
        """Sends chunks as they come.

        The chunk that reaches the declared length waits for what the iterator does next: an answer
        that is too long can then still be a 500. A generator's does not wait, because it may work
        on after its last chunk; frameworks wrap theirs, and have done their work by then.
        """
        if isinstance(chunks, (bytes, str)) or not hasattr(chunks, "__iter__"):
            hint = ""
            if isinstance(chunks, CoroutineType):
                chunks.close()
                hint = " (an ASGI application is served with --interface asgi)"
            raise ApplicationFault(
                f"the application returned {describe_type(chunks)}; "
                f"PEP 3333 wants an iterable of bytes, such as [body]{hint}"
            )
        may_wait = type(chunks) is not GeneratorType
        last = b""
        for chunk in chunks:
            if self.is_cancelled:
                break
            if not self._has_bytes(chunk):
                continue
            if self.is_bodiless:
                break
            if last:
                self.passed += len(last) + len(chunk)
                raise self._wrong_length()
            if may_wait and self.passed + len(chunk) == self.declared:
                last = chunk
            else:
                self._send(chunk)
        if last:
            self.send_list((last,))
        else:
            self._end()

    def send_file(self, wrapper: FileWrapper) -> None:
        """Sends a file from where it stands to its end, or to the declared length."""
        rest = self.declared - self.passed
        while rest != 0 and not self.is_cancelled and not self.is_bodiless:
            size = _FILE_BLOCK_BYTES if rest < 0 else min(rest, _FILE_BLOCK_BYTES)
            block = wrapper.filelike.read(size)
            if not self._has_bytes(block):
                break
            if len(block) == self.declared:
                self.send_list((block,))
                return
            self._send(block)
            if rest > 0:
                rest -= len(block)
        self._end()

    def fail(self, error: BaseException) -> None:
        """The application has raised, or has broken a rule."""
        is_interrupted = isinstance(error, (ClientGone, RequestTimeout))
        if self.is_cancelled and is_interrupted and not self.has_ended:
            self.send_end()
        else:
            # Without a frame of the application's the fault may be ours, and ours are all there is.
            is_ours = count_frames(error) == 0
            self.send_fault(describe(error, is_ours=is_ours))

    def _has_bytes(self, chunk: object) -> bool:
        if isinstance(chunk, bytes):
            return len(chunk) > 0
        raise ApplicationFault(
            f"the application gave {describe_type(chunk)} as body; PEP 3333 wants bytes"
        )

    def _send(self, chunk: bytes) -> None:
        self.passed += len(chunk)
        if self.is_bodiless:
            return
        if 0 <= self.declared < self.passed:
            raise self._wrong_length()
        if self.is_started:
            self.send_body(chunk)
            return
        if self.head is None:
            raise ApplicationFault("the application sent a body before calling start_response()")
        first = chunk[:MAX_BODY_FRAME_BYTES]
        self.send_head(self.head, self.count, first, False)
        if len(first) < len(chunk):
            self.send_body(memoryview(chunk)[len(first) :])

    def _end(self) -> None:
        if self.is_cancelled:
            self.send_end()
        elif self.head is None:
            raise ApplicationFault("the application returned without calling start_response()")
        elif 0 <= self.declared != self.passed and not self.is_bodiless:
            raise self._wrong_length()
        elif self.is_started:
            self.send_end()
        else:
            self.send_head(self.head, self.count, b"", True)

    def _wrong_length(self) -> ApplicationFault:
        more = "at least " if self.passed > self.declared else ""
        return ApplicationFault(
            f"the application gave {more}{self.passed} bytes of body, "
            f"but its Content-Length says {self.declared}"
        )


class WsgiServer:
    """Runs one application; without `sockets` no handshake may come."""

    def __init__(
        self,
        app: Callable[..., Any],
        settings: Settings,
        errors: TextIO,
        sockets: Sockets | None = None,
    ) -> None:
        self._app = app
        self._sockets = sockets
        self._make_environ = EnvironMaker(settings, errors, FileWrapper).make

    def serve(self, answer: Answer) -> None:
        """Answers one request; raises WireFault only."""
        result = body = None
        answer.begin()
        sockets = self._sockets if answer.flags & WEBSOCKET else None
        if sockets is not None:
            answer = sockets.take_over(answer)
        try:
            try:
                environ = self._make_environ(answer)
                body = environ["wsgi.input"]
                answer.is_head = environ["REQUEST_METHOD"] == "HEAD"
                if sockets is not None:
                    sockets.offer(answer, environ)
                result = self._app(environ, answer.start_response)
                kind = type(result)
                if kind is list or kind is tuple:
                    answer.send_list(result)
                elif kind is FileWrapper:
                    answer.send_file(result)
                else:
                    answer.send_iterable(result)
            except WireFault:
                raise
            # SystemExit too: one request must not end the others of this process.
            except BaseException as error:
                answer.fail(error)
        # Set while the application was in C code that failed, raised on the way out of it.
        except RequestTimeout as error:
            answer.fail(error)
        if answer.flags:
            _close(answer, body)
        if result is not None:
            _close(answer, result)


def _close(answer: Answer, closable: Any) -> None:
    try:
        close = getattr(closable, "close", None)
        if close is not None:
            close()
    except BaseException as error:
        answer.send_fault(describe(error))


# Where code of ours calls the application's: what stands above these is its own.
CALLERS = frozenset(
    caller.__code__
    for caller in (
        WsgiServer.serve,
        Answer.send_iterable,
        Answer.send_file,
        FileWrapper.__next__,
    )
)
