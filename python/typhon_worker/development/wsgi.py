"""A WSGI application whose exceptions are shown (PEP 3333).

A response with a status of 5xx is held while it may have to become a page. An exception that the
application lets pass goes on to the server when the page is sent, which tells the log of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from typhon_worker.application.cancellation import INNER_CALLERS

from .request import facts_of_environ
from .watch import MAX_REPLACED_BYTES, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Write = Callable[[bytes], None]


class WsgiPages:
    """The application, with pages."""

    def __init__(self, app: Callable[..., Any], is_local: bool) -> None:
        self.app = app
        self._is_local = is_local

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Write]) -> Any:
        """As the application."""
        watch = Watch(facts_of_environ(environ), self._is_local)
        environ["wsgi.errors"] = _WatchedErrors(environ["wsgi.errors"], watch)
        start = _Start(start_response, watch)
        is_body_next = False
        try:
            try:
                result = self.app(environ, start)
                if isinstance(result, (list, tuple)):
                    return start.decide(result)
                if not _is_iterable(result) or isinstance(result, environ["wsgi.file_wrapper"]):
                    start.release()
                    return result
                body = _Body(result, start, watch)
            except BaseException as error:
                if not watch.may_show(error):
                    raise
                body = _Body((), start, watch)
                body.show(error)
            is_body_next = True
            return body
        finally:
            if not is_body_next:
                watch.end()


def _is_iterable(result: object) -> bool:
    return hasattr(result, "__iter__") and not isinstance(result, (bytes, str))


class _WatchedErrors:
    def __init__(self, errors: Any, watch: Watch) -> None:
        self._errors = errors
        self._watch = watch

    def write(self, text: str) -> Any:
        # Frameworks without a logger write their traceback here (Bottle, Falcon).
        from .report import current_error

        self._watch.note(current_error())
        return self._errors.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._errors, name)


class _Start:
    """start_response, which holds the head of a response that may become a page."""

    def __init__(self, start_response: Callable[..., Write], watch: Watch) -> None:
        self._start = start_response
        self._watch = watch
        self._write: Write | None = None
        self.held: tuple[str, Any, Any] | None = None

    def __call__(self, status: str, headers: Any, exc_info: Any = None) -> Write:
        if exc_info is not None:
            self._watch.note(exc_info[1])
        if self._watch.judge(int(status[:3]) if status[:3].isdecimal() else 0):
            self.held = (status, headers, exc_info)
            return self._write_held
        self.held = None
        return self._begin(status, headers, exc_info)

    def release(self) -> None:
        """Begins the held response as it is."""
        if self.held is not None:
            held, self.held = self.held, None
            self._write = self._begin(*held)

    def decide(self, body: Any) -> Any:
        """Returns a whole body, or the page in its place."""
        if self.held is None:
            return body
        _, headers, _ = self.held
        fields = [(str(name).lower(), str(value)) for name, value in headers]
        if self._watch.may_replace(fields, b"".join(body)):
            return [self.show()]
        self.release()
        return body

    def show(self) -> bytes:
        """Begins the page and returns its body. Raises the exception if a response was sent."""
        status, headers, _ = self.held or ("500 Internal Server Error", [], None)
        self.held = None
        error = self._watch.error
        fields = [(str(name).lower(), str(value)) for name, value in headers]
        head, body = self._watch.make(fields)
        assert error is not None
        self._start(status, head, (type(error), error, error.__traceback__))
        return body

    def _begin(self, status: str, headers: Any, exc_info: Any) -> Write:
        return self._start(status, headers, exc_info) if exc_info else self._start(status, headers)

    def _write_held(self, data: bytes) -> None:
        self.release()
        if self._write is not None:
            self._write(data)


class _Body:
    """The body of a response, or the page in its place."""

    def __init__(self, result: Any, start: _Start, watch: Watch) -> None:
        self._result = result
        self._start = start
        self._watch = watch
        self._chunks: Iterator[bytes] | None = None
        self._shown: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._chunks is None:
                self._chunks = iter(self._result)
            chunk: bytes | None = next(self._chunks, None)
            if self._start.held is not None:
                return self._decide(self._chunks, chunk)
        except BaseException as error:
            if self._shown is not None or not self._watch.may_show(error):
                raise
            self.show(error)
            chunk = next(iter(self._chunks or ()), None)
        if chunk is None:
            raise StopIteration
        return chunk

    def show(self, error: BaseException) -> None:
        """Makes the page the whole body. Raises the exception if a response was sent."""
        self._chunks = iter((self._start.show(),))
        self._shown = error

    def _decide(self, chunks: Iterator[bytes], first: bytes | None) -> bytes:
        gathered = [] if first is None else [first]
        for chunk in chunks:
            gathered.append(chunk)
            if sum(map(len, gathered)) > MAX_REPLACED_BYTES:
                self._start.release()
                break
        body: bytes = b"".join(self._start.decide(gathered))
        return body

    def close(self) -> None:
        """As the application's. Raises what the page has shown, for the log."""
        close = getattr(self._result, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._watch.end()
        if self._shown is not None:
            raise self._shown


INNER_CALLERS.update((WsgiPages.__call__.__code__, _Body.__next__.__code__, _Body._decide.__code__))
