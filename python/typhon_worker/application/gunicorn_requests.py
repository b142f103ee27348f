"""gunicorn's pre_request and post_request around the requests of a WSGI application.

post_request runs when the application has given its whole response: at once behind a list, and
with `close()` behind any other iterable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from typhon_worker.process.tracebacks import describe

from .cancellation import INNER_CALLERS
from .stand_in import StandIn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Variables of fields without HTTP_ before their names.
_FIELDS = ("CONTENT_TYPE", "CONTENT_LENGTH")


class Request(StandIn):
    """req: the request as gunicorn's parser would have it."""

    kind = "req"

    def __init__(self, environ: dict[str, Any]) -> None:
        self.method = environ["REQUEST_METHOD"]
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        self.query = environ.get("QUERY_STRING", "")
        self.uri = environ.get("RAW_URI") or (f"{path}?{self.query}" if self.query else path)
        self.path = self.uri.partition("?")[0]
        self.fragment = ""
        self.scheme = environ["wsgi.url_scheme"]
        self.version = tuple(
            int(part) for part in environ["SERVER_PROTOCOL"].partition("/")[2].split(".")
        )
        self.remote_addr = (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0))
        self.peer_addr = self.remote_addr
        self.body = environ["wsgi.input"]
        self.headers = [
            (name.removeprefix("HTTP_").replace("_", "-"), value)
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name in _FIELDS and value)
        ]

    def change(self, environ: dict[str, Any], known: int) -> None:
        """Takes over what pre_request may have changed: the scheme, and fields behind `known`."""
        environ["wsgi.url_scheme"] = self.scheme
        for name, value in self.headers[known:]:
            variable = name.upper().replace("-", "_")
            environ[variable if variable in _FIELDS else f"HTTP_{variable}"] = value


class Response(StandIn):
    """resp: what the application has responded so far."""

    kind = "resp"

    def __init__(self) -> None:
        # Where the application fails before its response has begun.
        self.status = "500 Internal Server Error"
        self.status_code = 500
        self.headers: list[tuple[str, str]] = []
        self.response_length: int | None = None
        self.has_ended = False

    def begin(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Takes the arguments of start_response, which checks them."""
        self.status = status
        self.status_code = int(status[:3]) if str(status)[:3].isdigit() else 0
        self.headers = list(headers)
        for name, value in self.headers:
            if name.lower() == "content-length" and value.isdigit():
                self.response_length = int(value)


class RequestHooks:
    """A WSGI application whose requests run between two hooks; either may be missing."""

    def __init__(
        self,
        app: Callable[..., Any],
        worker: Any,
        before: Callable[..., object] | None,
        after: Callable[..., object] | None,
    ) -> None:
        # Whoever looks for what the application consists of follows this name.
        self.__wrapped__ = app
        self._worker = worker
        self._before = before
        self._after = after

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Runs one request."""
        request = Request(environ)
        if self._before is not None:
            known = len(request.headers)
            self._before(self._worker, request)
            request.change(environ, known)
        after = self._after
        if after is None:
            return self.__wrapped__(environ, start_response)
        response = Response()

        def begin(status: Any, headers: Any, *exc_info: Any) -> Any:
            write = start_response(status, headers, *exc_info)
            response.begin(status, headers)
            return write

        def end() -> None:
            # An iterable may close itself, and is then closed again by the server.
            if response.has_ended:
                return
            response.has_ended = True
            self._worker.nr += 1
            try:
                after(self._worker, request, environ, response)
            except Exception as error:
                # The response is complete; gunicorn writes the same line.
                self._worker.log.error("Exception in post_request hook\n%s", describe(error))

        try:
            result = self.__wrapped__(environ, begin)
        except BaseException:
            end()
            raise
        if type(result) in (list, tuple, str, bytes) or not hasattr(result, "__iter__"):
            end()
            return result
        return _end_with(result, end)


# The object stays what it is where that is possible: the front may send a file itself.
def _end_with(result: Any, end: Callable[[], None]) -> Any:
    close = getattr(result, "close", None)

    def close_and_end() -> None:
        try:
            if close is not None:
                close()
        finally:
            end()

    try:
        result.close = close_and_end
    except AttributeError:
        return _Ended(result, close_and_end)
    return result


class _Ended:
    """An iterable that takes no attribute, such as a generator, with another `close`."""

    def __init__(self, result: Iterable[bytes], close: Callable[[], None]) -> None:
        self._result = result
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._result)


INNER_CALLERS.add(RequestHooks.__call__.__code__)
