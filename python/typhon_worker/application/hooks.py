"""The hooks of one worker: those of typhon_server.hooks, and those of a gunicorn.conf.py.

before_load ─▶ the application is imported ─▶ after_load ─▶ it serves ─▶ at_stop
     └───────────────────────────────────────────┴─ LoadError
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from typhon_worker.process.ending import GraceOver
from typhon_worker.process.tracebacks import describe
from typhon_worker.process.worker_context import WorkerContext
from typhon_worker.wire import frames

from .importer import Loaded, LoadError, enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .gunicorn_conf import GunicornConf


class Hooks:
    """What runs in one worker around its application."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._gunicorn: GunicornConf | None = None
        context.find_exit_hooks = _find_exit_hooks

    def before_load(self) -> None:
        """Sets up logging, and calls gunicorn's hooks of a new worker. Raises LoadError."""
        settings = self._context.settings
        if not settings.log_config and not settings.gunicorn_conf:
            return
        enter(settings)
        if settings.log_config:
            from . import log_config

            log_config.apply_file(settings.log_config)
        if settings.gunicorn_conf:
            from .gunicorn_conf import GunicornConf

            context = self._context
            self._gunicorn = GunicornConf(settings, context.number, context.channel)
            self._gunicorn.set_up_logging()
            self._gunicorn.call("pre_fork", "post_fork")

    def after_load(self, loaded: Loaded) -> Callable[..., Any]:
        """Calls the hooks of a worker that has loaded → the application to run.

        Raises LoadError.
        """
        for function in _registered("worker_start"):
            try:
                function()
            except BaseException as error:
                text = f"{_name('worker_start', function)} failed\n{describe(error)}"
                raise LoadError("hook", text) from None
        app: Callable[..., Any] = loaded.app
        if self._gunicorn is not None:
            self._gunicorn.call("post_worker_init")
            if loaded.interface == "wsgi":
                return self._gunicorn.around_requests(app)
            self._context.doubt = self._gunicorn.explain_asgi(self._context.doubt)
        return app

    def at_stop(self) -> None:
        """Calls the hooks of a worker that ends, within its grace; a failure is a log line."""
        for function in _registered("worker_stop"):
            self._end(_name("worker_stop", function), function)
        if self._gunicorn is not None and self._gunicorn.has("worker_exit"):
            conf = self._gunicorn
            self._end("gunicorn's worker_exit", lambda: conf.call("worker_exit"))

    def _end(self, name: str, function: Callable[[], object]) -> None:
        def run() -> None:
            try:
                function()
            except GraceOver:
                raise
            except BaseException as error:
                # GunicornConf.call has told the traceback already.
                told = str(error) if isinstance(error, LoadError) else describe(error)
                self._context.channel.log(frames.LEVEL_ERROR, f"{name} failed\n{told}")

        self._context.ending.wait(name, run)


# The application may never have imported the module.
def _registered(hook: str) -> list[Callable[..., Any]]:
    module = sys.modules.get("typhon_server.hooks")
    return list(module.registered[hook]) if module is not None else []


def _find_exit_hooks() -> list[str]:
    return [f"{one.__module__}:{one.__qualname__}" for one in _registered("worker_exit")]


def _name(hook: str, function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{hook} {getattr(function, '__module__', '')}:{name}"
