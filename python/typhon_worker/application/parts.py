"""What an application consists of, as far as that can be seen without calling it.

Applications contain others: a middleware wraps one, a router mounts several, and each route ends in
an endpoint. Frameworks name the attributes that lead there alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# More parts than this are not looked at: a generated API may have any number of routes.
MAX_PARTS = 10_000

# Attributes of a middleware, and variables of a function inside a function, that hold the
# application to which a request is passed on.
_INNER_NAMES = (
    "__wrapped__",
    "app",
    "_app",
    "application",
    "wsgi_app",
    "asgi_app",
    "asgi",
    "other_asgi_app",
    "wrapped_app",
    "csrf_app",
    "handler",
    "func",
    "__self__",
)
# Attributes that hold parts: lists of routes, dicts of mounted applications and views.
_LIST_NAMES = ("routes", "mounts", "application_mapping", "view_functions", "_zodb_databases")
_PART_NAMES = (*_INNER_NAMES, "router", "endpoint", "registry")


def inner_applications(app: object) -> Iterator[Any]:
    """Yields the applications in `app` to which it may pass a request on, nearest first."""
    yield from _walk(app, _INNER_NAMES, ())


def parts_of(app: object) -> Iterator[Any]:
    """Yields `app` and every application, route and endpoint in it, each once, nearest first."""
    yield from _walk(app, _PART_NAMES, _LIST_NAMES)


def _walk(app: object, names: tuple[str, ...], lists: tuple[str, ...]) -> Iterator[Any]:
    waiting = deque((app,))
    # Keeps each part alive, so that no two parts can have the same id.
    seen: dict[int, object] = {}
    while waiting and len(seen) < MAX_PARTS:
        part = waiting.popleft()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        yield part
        waiting.extend(_attributes(part, names))
        waiting.extend(_captured(part))
        for name in lists:
            waiting.extend(_members(attribute(part, name)))


def _attributes(part: object, names: tuple[str, ...]) -> Iterator[Any]:
    for name in names:
        found = attribute(part, name)
        if found is not None and not isinstance(found, (str, int)):
            yield found


def _members(found: object) -> list[Any]:
    if isinstance(found, Mapping):
        return list(found.values())
    return list(found) if isinstance(found, (list, tuple)) else []


# The applications in the variables that a function has kept from the function around it.
def _captured(function: Any) -> Iterator[Any]:
    function = attribute(function, "__func__") or function
    names = attribute(attribute(function, "__code__"), "co_freevars")
    cells = attribute(function, "__closure__")
    if isinstance(names, tuple) and isinstance(cells, tuple):
        for name, cell in zip(names, cells, strict=False):
            content = attribute(cell, "cell_contents")
            if name in _INNER_NAMES and callable(content):
                yield content


# Attributes may be computed by the application's code, which may raise anything.
def attribute(part: object, name: str) -> Any:
    """Returns an attribute, None without one."""
    try:
        return getattr(part, name, None)
    except Exception:
        return None
