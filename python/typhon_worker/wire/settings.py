"""The application as the front describes it (object A of docs/worker-protocol.md), checked."""

from __future__ import annotations

from collections.abc import Mapping

MAX_THREADS = 1024
MAX_WORKERS = 65_536
MAX_CONCURRENCY = 65_536
DEFAULT_CONCURRENCY = 1024
DEFAULT_ABANDON_SECONDS = 120.0

INTERFACES = ("auto", "wsgi", "asgi")
LOOPS = ("auto", "asyncio", "uvloop")
LIFESPANS = ("auto", "on", "off")
DEVELOPMENT = ("off", "page", "locals")


class Settings:
    """One application; all of its workers have the same settings."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        """Raises ValueError on a field that is missing or has the wrong type."""
        self._fields = fields
        self.app = _text(fields, "app")
        self.app_dir = _text(fields, "app_dir")
        # The working directory; "": the launcher's.
        self.cwd = _text({"cwd": "", **fields}, "cwd")
        # Where symbolic links among these folders lead to, by the names that the operator gave.
        self.moved = _texts({"moved": {}, **fields}, "moved")
        self.interface = _choice(fields, "interface", INTERFACES)
        self.loop = _choice(fields, "loop", LOOPS)
        self.lifespan = _choice(fields, "lifespan", LIFESPANS)
        self.pathsend = _switch(fields, "pathsend")
        # Whether a template loads the application once, for all workers of a generation.
        self.preload = _switch(fields, "preload")
        self.cancel_on_disconnect = _switch(fields, "cancel_on_disconnect")
        self.abandon_seconds = _seconds(fields, "abandon_timeout", DEFAULT_ABANDON_SECONDS)
        self.root_path = _text(fields, "root_path")
        self.software = _text(fields, "software")
        self.threads = _count(fields, "threads", MAX_THREADS)
        self.workers = _count(fields, "workers", MAX_WORKERS)
        # Without a choice an application that needs a single process gets one.
        self.are_workers_chosen = fields.get("workers_chosen") is not False
        self.concurrency = DEFAULT_CONCURRENCY
        if "concurrency" in fields:
            self.concurrency = _count(fields, "concurrency", MAX_CONCURRENCY)
        self.env = _texts(fields, "env")
        # Whether exceptions are shown as pages, and with their local variables.
        self.development = _choice({"development": "off", **fields}, "development", DEVELOPMENT)
        # Absolute paths, "" for none, and the names of the hooks that the second file has.
        self.log_config = _text({"log_config": "", **fields}, "log_config")
        self.gunicorn_conf = _text({"gunicorn_conf": "", **fields}, "gunicorn_conf")
        self.gunicorn_hooks = _names(fields, "gunicorn_hooks")
        self.warmup = _paths(fields, "warmup")
        # Whether this process has the application's folders, environment and sys.path.
        self.is_entered = False

    def at(self, place: Mapping[str, object]) -> Settings:
        """The same application in the folders of one generation; they are among the fields."""
        names = ("app", "app_dir", "cwd", "moved")
        return Settings({**self._fields, **{name: place[name] for name in names if name in place}})

    @property
    def asgi_slots(self) -> int:
        """Slots of the notes under ASGI: `concurrency` requests, and as many abandoned ones."""
        return 2 * self.concurrency


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name}: a string is needed")
    return value


def _texts(fields: Mapping[str, object], name: str) -> dict[str, str]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: an object is needed")
    return {key: _text(value, key) for key in value}


# A missing field means "auto".
def _choice(fields: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    value = fields.get(name, "auto")
    if value not in choices:
        raise ValueError(f"{name}: one of {', '.join(choices)} is needed")
    return str(value)


# A missing field means no.
def _switch(fields: Mapping[str, object], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: true or false is needed")
    return value


def _seconds(fields: Mapping[str, object], name: str, default: float) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError(f"{name}: a number of seconds is needed")
    return float(value)


def _count(fields: Mapping[str, object], name: str, most: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name}: a number from 1 to {most} is needed")
    return value


# A missing field means no names.
def _names(fields: Mapping[str, object], name: str) -> list[str]:
    value = fields.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}: a list of names is needed")
    return value


# A missing field means no paths. A path with a NUL would end its value in the record.
def _paths(fields: Mapping[str, object], name: str) -> list[str]:
    value = fields.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name}: a list is needed")
    for path in value:
        if not isinstance(path, str) or path[:1] != "/" or "\0" in path:
            raise ValueError(f"{name}: paths that begin with / are needed")
    return value
