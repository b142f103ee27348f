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
from typhon_worker.wire.settings import Settings

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
        context = self._context
        enter(settings)
        # A template has set up logging before it has loaded the application.
        if settings.log_config and not context.is_from_template:
            from . import log_config

            log_config.apply_file(settings.log_config)
        if settings.gunicorn_conf:
            from .gunicorn_conf import GunicornConf

            self._gunicorn = GunicornConf(settings, context.number, context.channel)
            self._gunicorn.set_up_logging(is_applied=context.is_from_template)
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


def set_up_template(settings: Settings) -> None:
    """Sets up logging in a template (--preload), before it loads the application. LoadError."""
    if settings.log_config:
        from . import log_config

        enter(settings)
        log_config.apply_file(settings.log_config)
    elif settings.gunicorn_conf:
        from .gunicorn_conf import GunicornConf

        enter(settings)
        GunicornConf(settings, 0).apply_log_settings()


# The application may never have imported the module.
def _registered(hook: str) -> list[Callable[..., Any]]:
    module = sys.modules.get("typhon_server.hooks")
    return list(module.registered[hook]) if module is not None else []


def _find_exit_hooks() -> list[str]:
    return [f"{one.__module__}:{one.__qualname__}" for one in _registered("worker_exit")]


def _name(hook: str, function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{hook} {getattr(function, '__module__', '')}:{name}"
