"""Running a WSGI application (PEP 3333): the call, the iterable, `close()`.

Whatever happens, exactly one last frame is sent and `close()` is called once.
"""

from __future__ import annotations

from collections.abc import Callable

from typhon_worker.application.cancellation import RequestTimeout
from typhon_worker.process.tracebacks import describe
from typhon_worker.wire import WireFault
from typhon_worker.wire.settings import Settings

from .environ import EnvironMaker
from .exchange import FileWrapper, WsgiExchange
from .websocket import Sockets, WebSocketExchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO


class WsgiServer:
    """Runs one application."""

    def __init__(
        self, app: Callable[..., Any], settings: Settings, errors: TextIO, sockets: Sockets
    ) -> None:
        self._app = app
        self._sockets = sockets
        self._make_environ = EnvironMaker(settings, errors).make

    def serve(self, exchange: WsgiExchange) -> None:
        """Answers one request. Raises WireFault only."""
        result = body = None
        try:
            try:
                environ = self._make_environ(exchange)
                body = environ["wsgi.input"]
                exchange.is_head = environ["REQUEST_METHOD"] == "HEAD"
                if type(exchange) is WebSocketExchange:
                    exchange.offer_socket(self._sockets, environ)
                result = self._app(environ, exchange.start_response)
                kind = type(result)
                if kind is list or kind is tuple:
                    exchange.send_list(result)
                elif kind is FileWrapper:
                    exchange.send_file(result)
                else:
                    exchange.send_iterable(result)
            except WireFault:
                raise
            # SystemExit too: one request must not end the others of this process.
            except BaseException as error:
                exchange.fail(error)
        # Set while the application was in C code that failed, and raised in the code above.
        except RequestTimeout as error:
            exchange.fail(error)
        # A request without flags has its body in memory, where there is nothing to close.
        if exchange.flags:
            _close(exchange, body)
        if result is not None:
            _close(exchange, result)


def _close(exchange: WsgiExchange, closable: Any) -> None:
    try:
        close = getattr(closable, "close", None)
        if close is not None:
            close()
    except BaseException as error:
        exchange.send_fault(describe(error))


# The functions that call the application: the frames above one of these are the application's.
CALLERS = frozenset(
    caller.__code__
    for caller in (
        WsgiServer.serve,
        WsgiExchange.send_iterable,
        WsgiExchange.send_file,
        FileWrapper.__next__,
    )
)
