"""Packages whose applications keep state in their process, so that they need a single worker.

What counts is the application that is served, and what is mounted in it: a program that only
imports such a package, or uses it as a client, does not. Each entry tells why, for the log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from .parts import attribute, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# An external manager tells all processes of each message, and a WebSocket stays in its process.
# Long polling, which comes first unless it is switched off, does not.
def _is_polled(part: Any) -> bool:
    server = _first(part, "engineio_server", "engineio_app")
    if server is None:
        return False
    engine = getattr(server, "eio", server)
    is_polled = "polling" in getattr(engine, "transports", ("polling",))
    manager = getattr(server, "manager", None)
    is_shared = any("pubsub" in kind.__module__ for kind in type(manager).__mro__)
    return is_polled or not is_shared


def _has_sessions(part: Any) -> bool:
    manager = getattr(part, "session_manager", None)
    if manager is not None:
        return not manager.stateless
    return any(kind.__name__ == "SseServerTransport" for kind in type(part).__mro__)


# Datasette draws 64 hexadecimal digits where it was given no secret.
def _has_random_secret(part: Any) -> bool:
    secret = getattr(getattr(part, "ds", None), "_secret", "")
    return len(secret) == 64 and not set(secret) - set("0123456789abcdef")


# A file or a memory of its own. The storages of ZEO and RelStorage serve many processes.
def _has_own_storage(part: Any) -> bool:
    return type(getattr(part, "storage", None)).__module__.startswith("ZODB.")


def _has_layer_in_memory(_part: Any) -> bool:
    layers = sys.modules.get("channels.layers")
    configured = layers.channel_layers.configs.values() if layers is not None else ()
    return any("InMemory" in one.get("BACKEND", "") for one in configured)


def _always(_part: Any) -> bool:
    return True


_SOCKET_IO = "each Socket.IO session is known to one process only"
_MCP = "each MCP session is known to one process only"
_SESSIONS = "its sessions are in the memory of one process"

# By the name of the package: the reason, and whether a part that comes from it keeps state. The
# first that fits is named.
PACKAGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "socketio": (_SOCKET_IO, _is_polled),
    "bokeh": (_SESSIONS, _always),
    "bokeh_fastapi": (_SESSIONS, _always),
    "chainlit": (_SOCKET_IO, _always),
    "channels": ("its channel layer is in the memory of one process", _has_layer_in_memory),
    "datasette": (
        "each process signs with a random secret (it takes secret=…)",
        _has_random_secret,
    ),
    "dtale": ("its data is in the memory of one process", _always),
    "engineio": (_SOCKET_IO, _is_polled),
    "fastmcp": (_MCP, _has_sessions),
    "flet": (_SESSIONS, _always),
    "flet_web": (_SESSIONS, _always),
    "gradio": ("its queue of jobs is in the memory of one process", _always),
    "marimo": (_SESSIONS, _always),
    "mcp": (_MCP, _has_sessions),
    "nicegui": (_SOCKET_IO, _always),
    "panel": (_SESSIONS, _always),
    "pywebio": (_SESSIONS, _always),
    "reflex": (_SOCKET_IO, _always),
    "rio": (_SESSIONS, _always),
    "shiny": (_SESSIONS, _always),
    "solara": (_SESSIONS, _always),
    "streamlit": (_SESSIONS, _always),
    "wsgidav": ("its locks are in the memory of one process", _always),
    "ZODB": ("a storage of ZODB belongs to one process", _has_own_storage),
}


def find_reason(app: object, app_dir: str) -> str:
    """Returns why the application needs a single process, "" if nothing says so.

    `app_dir`: modules of the application itself, which may be named like a package.
    """
    packages = [name for name in PACKAGES if _is_installed(name, app_dir)]
    for part in parts_of(app) if packages else ():
        names = _packages_of(part)
        for package in packages:
            if package in names and _keeps_state(package, part):
                return f"{package}: {PACKAGES[package][0]}"
    return ""


def _is_installed(package: str, app_dir: str) -> bool:
    file = attribute(sys.modules.get(package), "__file__")
    if not isinstance(file, str):
        return package in sys.modules
    return not file.startswith(os.path.join(app_dir, "")) or "-packages" + os.sep in file


def _packages_of(part: object) -> set[str]:
    modules = [attribute(part, "__module__"), *(kind.__module__ for kind in type(part).__mro__)]
    return {str(module).partition(".")[0] for module in modules}


def _keeps_state(package: str, part: object) -> bool:
    try:
        return PACKAGES[package][1](part)
    except Exception:
        # Another version of the package may have other attributes. One process is right for all.
        return True


def _first(part: object, *names: str) -> Any:
    found = (attribute(part, name) for name in names)
    return next((one for one in found if one is not None), None)
