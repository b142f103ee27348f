"""What the front says about the application (object A of docs/worker-protocol.md), checked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_THREADS = 1024
MAX_CONCURRENCY = 65_536
DEFAULT_CONCURRENCY = 1024

INTERFACES = ("auto", "wsgi", "asgi")
LOOPS = ("auto", "asyncio", "uvloop")
LIFESPANS = ("auto", "on", "off")


class Settings:
    """One application; the same for all of its workers."""

    __slots__ = (
        "app",
        "app_dir",
        "concurrency",
        "env",
        "interface",
        "lifespan",
        "loop",
        "root_path",
        "software",
        "threads",
        "warmup",
        "workers",
    )

    def __init__(self, fields: Mapping[str, object]) -> None:
        """Raises ValueError on what is missing or of the wrong type."""
        self.app = _text(fields, "app")
        self.app_dir = _text(fields, "app_dir")
        self.interface = _choice(fields, "interface", INTERFACES)
        self.loop = _choice(fields, "loop", LOOPS)
        self.lifespan = _choice(fields, "lifespan", LIFESPANS)
        self.root_path = _text(fields, "root_path")
        self.software = _text(fields, "software")
        self.threads = _count(fields, "threads", MAX_THREADS)
        self.workers = _count(fields, "workers", 1 << 16)
        self.concurrency = DEFAULT_CONCURRENCY
        if "concurrency" in fields:
            self.concurrency = _count(fields, "concurrency", MAX_CONCURRENCY)
        env = fields.get("env")
        if not isinstance(env, dict):
            raise ValueError("env: an object is needed")
        self.env: dict[str, str] = {name: _text(env, name) for name in env}
        self.warmup = _paths(fields, "warmup")

    @property
    def slots(self) -> int:
        """Requests that a worker may run at once, whichever interface is found: slots of notes."""
        return max(self.threads, self.concurrency)


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name}: a string is needed")
    return value


# Missing is auto.
def _choice(fields: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    value = fields.get(name, "auto")
    if value not in choices:
        raise ValueError(f"{name}: one of {', '.join(choices)} is needed")
    return str(value)


def _count(fields: Mapping[str, object], name: str, most: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name}: a number from 1 to {most} is needed")
    return value


# Missing is empty. A NUL would end the value that the path becomes in a record.
def _paths(fields: Mapping[str, object], name: str) -> list[str]:
    value = fields.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name}: a list is needed")
    for path in value:
        if not isinstance(path, str) or path[:1] != "/" or "\0" in path:
            raise ValueError(f"{name}: paths that begin with / are needed")
    return value
