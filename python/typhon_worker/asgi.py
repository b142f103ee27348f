"""Running an ASGI application for one exchange (asgiref specification, versions 2 and 3).

`AsgiServer.serve` is what a request's task runs: it calls the application and sees to it that one
last frame is sent, whatever happens. What the messages mean is the exchange's.
"""

from __future__ import annotations

from .faults import ApplicationFault, count_frames
from .interface import is_double_callable
from .scope import ScopeMaker
from .wire import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .asgi_http import HttpExchange

    App = Callable[..., Awaitable[object]]
    Ended = Callable[[HttpExchange], None]


class DoubleCallable:
    """An application of ASGI 2 as one of ASGI 3."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def call(self, scope: Any, receive: Any, send: Any) -> None:
        """Calls it with the scope, and what comes back with the rest."""
        await self._app(scope)(receive, send)


def as_single_callable(app: Any) -> tuple[App, str]:
    """Returns the application as ASGI 3 calls it, and the version that it was written for."""
    if is_double_callable(app):
        return DoubleCallable(app).call, "2.0"
    return app, "3.0"


class AsgiServer:
    """Runs one application; `ended` is told of each exchange that has ended."""

    def __init__(self, app: App, make_scope: ScopeMaker, ended: Ended) -> None:
        self._app = app
        self._make_scope = make_scope.make
        self._ended = ended

    async def serve(self, exchange: HttpExchange) -> None:
        """Answers one request."""
        try:
            scope = self._make_scope(exchange.flags, exchange.names, exchange.values)
            await self._app(scope, exchange.receive, exchange.send)
            if not exchange.has_ended:
                exchange.finish()
        except WireFault as fault:
            exchange.outbox.poisoned(f"the queue carried {fault}")
        # SystemExit too: one request must not end the others of this process.
        except BaseException as error:
            exchange.fail(_explain(error))
        self._ended(exchange)


# Raised without a frame of the application's: it could not even be called like that.
def _explain(error: BaseException) -> BaseException:
    if isinstance(error, TypeError) and count_frames(error) == 0:
        text = f"TypeError: {error}\n(a WSGI application is served with --interface wsgi)"
        return ApplicationFault(text)
    return error


# Where code of ours calls the application's: what stands above these is its own.
CALLERS = frozenset((AsgiServer.serve.__code__, DoubleCallable.call.__code__))
