"""The hooks of a gunicorn.conf.py, and the objects that gunicorn would give them.

A worker calls pre_fork and post_fork before it imports the application, post_worker_init after
that, pre_request and post_request around each request (WSGI), and worker_exit at its end. The hooks
of gunicorn's main process run in short-lived processes of their own (hook_process.py).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

from typhon_worker.process.channel import Channel
from typhon_worker.process.tracebacks import describe
from typhon_worker.wire import frames
from typhon_worker.wire.settings import Settings

from .gunicorn_requests import RequestHooks
from .importer import LoadError
from .log_config import apply_object
from .stand_in import StandIn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Hooks that get the server and the worker, and those that get the worker alone; the others get the
# server.
_WITH_WORKER = ("pre_fork", "post_fork", "worker_exit", "child_exit")
_OF_WORKER = ("post_worker_init",)
# The name that gunicorn gives to the module of its file.
_MODULE = "__config__"


class Cfg(StandIn):
    """server.cfg and worker.cfg: what the file sets, and what Typhon knows of the rest."""

    kind = "cfg"

    def __init__(self, names: Mapping[str, Any], settings: Settings) -> None:
        self.__dict__.update(
            workers=settings.workers,
            threads=settings.threads,
            worker_class="typhon",
            worker_class_str="typhon",
            wsgi_app=settings.app,
            proc_name=settings.app,
            default_proc_name=settings.app,
            chdir=settings.cwd or os.getcwd(),
            env=dict(settings.env),
        )
        self.__dict__.update(
            {name: value for name, value in names.items() if not name.startswith("_")}
        )


class Log(StandIn):
    """server.log and worker.log: gunicorn's logger, with the methods of `logging`'s."""

    kind = "log"

    def __init__(self, cfg: Cfg) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.cfg = cfg

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.error_log, name, None)
        return super().__getattr__(name) if found is None else found


class App(StandIn):
    """server.app and worker.app."""

    kind = "app"

    def __init__(self, cfg: Cfg) -> None:
        self.cfg = cfg


class Server(StandIn):
    """gunicorn's main process, whose part front and launcher have."""

    kind = "server"

    def __init__(self, cfg: Cfg, log: Log, age: int) -> None:
        self.pid = os.getppid()
        self.cfg = cfg
        self.log = log
        self.app = App(cfg)
        self.num_workers = cfg.workers
        self.worker_age = age
        self.proc_name = cfg.proc_name


class Worker(StandIn):
    """One worker; `pid` is its process, also where another process tells of its end."""

    kind = "worker"

    def __init__(self, cfg: Cfg, log: Log, age: int, pid: int) -> None:
        self.pid = pid
        self.ppid = os.getppid()
        self.age = age
        self.cfg = cfg
        self.log = log
        self.app = App(cfg)
        self.booted = False
        # Requests that post_request has seen.
        self.nr = 0

    @property
    def alive(self) -> bool:
        """Always true: the front decides when a worker ends."""
        return True

    @alive.setter
    def alive(self, _value: bool) -> None:
        raise AttributeError(
            "worker.alive cannot be set under Typhon, whose front decides when a worker ends; "
            "--max-requests, --max-rss and --max-age replace workers"
        )


class GunicornConf:
    """One gunicorn.conf.py in this process."""

    def __init__(
        self, settings: Settings, number: int, channel: Channel | None = None, pid: int = 0
    ) -> None:
        """Runs the file. Without a channel, log lines go to standard error.

        `pid`: the worker's, if it is another process. Raises LoadError.
        """
        self.path = settings.gunicorn_conf
        self._wanted = settings.gunicorn_hooks
        self._has_log_config = bool(settings.log_config)
        self._channel = channel
        self._names = _run_file(self.path)
        cfg = Cfg(self._names, settings)
        log = Log(cfg)
        self.server = Server(cfg, log, number)
        self.worker = Worker(cfg, log, number, pid or os.getpid())

    def set_up_logging(self, *, is_applied: bool = False) -> None:
        """Applies the file's logconfig_dict, unless there is a --log-config.

        Lines of gunicorn's logger go into the server's log, if nothing else was said.
        `is_applied`: a template has applied the settings.
        """
        logger = logging.getLogger("gunicorn.error")
        if not is_applied:
            self.apply_log_settings()
        if not logger.handlers:
            handler = logging.StreamHandler() if self._channel is None else _Handler(self._channel)
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG if self._channel else logging.INFO)
            logger.propagate = False

    def has(self, hook: str) -> bool:
        """Whether the file has the hook, and the front wants it called."""
        return hook in self._wanted and callable(self._names.get(hook))

    def _find(self, hook: str) -> Callable[..., Any] | None:
        return self._names[hook] if self.has(hook) else None

    def call(self, *hooks: str) -> None:
        """Calls those hooks that the file has. Raises LoadError."""
        for hook in hooks:
            if not self.has(hook):
                continue
            arguments: tuple[object, ...] = (self.server,)
            if hook in _WITH_WORKER:
                arguments = (self.server, self.worker)
            elif hook in _OF_WORKER:
                self.worker.booted = True
                arguments = (self.worker,)
            try:
                self._names[hook](*arguments)
            except BaseException as error:
                text = f"{hook} of {self.path} failed\n{describe(error)}"
                raise LoadError("hook", text) from None

    def around_requests(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a WSGI application in pre_request and post_request, if the file has one."""
        self.worker.app.callable = self.worker.wsgi = app
        before, after = self._find("pre_request"), self._find("post_request")
        if before is None and after is None:
            return app
        return RequestHooks(app, self.worker, before, after)

    def explain_asgi(self, doubt: str) -> str:
        """Says that hooks of requests are not called under ASGI, behind `doubt`."""
        unused = [hook for hook in ("pre_request", "post_request") if self.has(hook)]
        if not unused:
            return doubt
        text = (
            f"{' and '.join(unused)} of {self.path} run around WSGI requests only, as under "
            "gunicorn with the workers of uvicorn; an ASGI application has middleware"
        )
        return f"{doubt}\n{text}" if doubt else text

    def apply_log_settings(self) -> None:
        """Applies logconfig_dict of the file, unless there is a --log-config. Raises LoadError."""
        if self._names.get("logconfig_dict") and not self._has_log_config:
            apply_object(self._names["logconfig_dict"], "logconfig_dict of", self.path)


class _Handler(logging.Handler):
    """Sends lines to the front's log."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record with its traceback, if it has one."""
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        self._channel.log(_level(record.levelno), text)


def _level(number: int) -> int:
    if number >= logging.ERROR:
        return frames.LEVEL_ERROR
    if number >= logging.WARNING:
        return frames.LEVEL_WARNING
    return frames.LEVEL_INFO if number >= logging.INFO else frames.LEVEL_DEBUG


def _run_file(path: str) -> dict[str, Any]:
    module = ModuleType(_MODULE)
    module.__file__ = path
    sys.modules[_MODULE] = module
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except BaseException as error:
        raise LoadError("hook", f"--gunicorn-conf {path} failed\n{describe(error)}") from None
    return module.__dict__
