"""Running an ASGI application for one exchange (asgiref specification, versions 2 and 3).

`AsgiServer.serve` is what a request's task runs. Whatever the application does, exactly one last
frame is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from typhon_worker.application.interface import is_double_callable
from typhon_worker.process.tracebacks import ApplicationFault, count_frames
from typhon_worker.wire import WireFault

from .http_exchange import HttpExchange
from .scope import ScopeMaker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    App = Callable[..., Awaitable[object]]


class DoubleCallable:
    """An application of ASGI 2 that is called as one of ASGI 3."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def call(self, scope: Any, receive: Any, send: Any) -> None:
        """Calls the application with the scope, and its result with the rest."""
        await self._app(scope)(receive, send)


def as_single_callable(app: Any) -> tuple[App, str]:
    """Returns the application as ASGI 3 calls it, and the version that it was written for."""
    if is_double_callable(app):
        return DoubleCallable(app).call, "2.0"
    return app, "3.0"


class AsgiServer:
    """Runs one application; `on_ended` is called with each exchange that has ended."""

    def __init__(
        self, app: App, scopes: ScopeMaker, on_ended: Callable[[HttpExchange], None]
    ) -> None:
        self._app = app
        self._make_scope = scopes.make
        self._on_ended = on_ended

    async def serve(self, exchange: HttpExchange) -> None:
        """Answers one request."""
        try:
            scope = self._make_scope(exchange.flags, exchange.names, exchange.values)
            await self._app(scope, exchange.receive, exchange.send)
            if not exchange.has_ended:
                exchange.finish()
        except WireFault as fault:
            exchange.outbox.poisoned(fault)
        # SystemExit too: one request must not end the others of this process.
        except BaseException as error:
            exchange.fail(_explain(error))
        self._on_ended(exchange)


# A TypeError without a frame of the application: the call itself failed.
def _explain(error: BaseException) -> BaseException:
    if isinstance(error, TypeError) and count_frames(error) == 0:
        text = f"TypeError: {error}\n(a WSGI application is served with --interface wsgi)"
        return ApplicationFault(text)
    return error


# The functions that call the application: the frames above one of these are the application's.
CALLERS = frozenset((AsgiServer.serve.__code__, DoubleCallable.call.__code__))
