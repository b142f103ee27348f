"""The scope of a request (ASGI, "HTTP" and "WebSocket"), made from the record in its page.

The blocks of names repeat from request to request, so a bounded table keeps what each one means,
and so do addresses of this server. Knows records, not where they come from.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from .asgi_extensions import choose_extensions, keeps_trailers
from .wire import WEBSOCKET, WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The specifications that this server follows.
HTTP_SPECIFICATION = "2.5"
WEBSOCKET_SPECIFICATION = "2.5"

# Different blocks of names that are remembered; browsers of one site send a few dozen.
MAX_PLANS = 512
# Longer blocks are not worth remembering: a client may make up a new one each time.
MAX_PLAN_BYTES = 2048
# Addresses of ours that are remembered: one a listener, for some a few.
MAX_SERVERS = 64

# method, target, path, query, protocol, scheme, remote address and port, server name and port, id
_FIXED = 11
_SERVER = 8
_ID = 10
# Values behind those of the fields: body length, body file.
_TAIL = 2

_METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE")
}
_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0", b"HTTP/2": "2", b"HTTP/2.0": "2"}
_SCHEMES = {b"http": "http", b"https": "https"}
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

WEBSOCKET_EXTENSIONS = ("websocket.http.response",)


class Plan:
    """What one block of names means."""

    __slots__ = ("names", "size", "te")

    def __init__(self, names: bytes) -> None:
        listed = names.split(b"\0") if names else []
        self.size = _FIXED + len(listed) + _TAIL
        # The request's id is the last value before those of the fields, and becomes a field, too.
        self.names = [b"x-request-id", *listed]
        # Where TE stands among them; most clients send none.
        self.te = [at for at, name in enumerate(self.names) if name == b"te"]


class ScopeMaker:
    """Makes scopes for one application; `version` is ASGI's, `state` what the lifespan has made."""

    def __init__(self, root_path: str, version: str, state: dict[str, Any]) -> None:
        self._root = root_path
        self._raw_root = quote(root_path, errors="surrogateescape").encode("ascii")
        self._state = state
        self._http = {"version": version, "spec_version": HTTP_SPECIFICATION}
        self._websocket = {"version": version, "spec_version": WEBSOCKET_SPECIFICATION}
        self._http_extensions = choose_extensions(False, b"GET", b"HTTP/1.1")
        self._websocket_extensions: dict[str, Any] = {name: {} for name in WEBSOCKET_EXTENSIONS}
        self._plans: dict[bytes, Plan] = {}
        self._servers: dict[tuple[bytes, bytes], tuple[str, int | None] | None] = {}

    def make(self, flags: int, names: bytes, block: bytes) -> dict[str, Any]:
        """Makes the scope from a record's two blocks. Raises WireFault."""
        plan = self._plans.get(names) or self._learn(names)
        values = block.split(b"\0")
        if len(values) != plan.size:
            raise WireFault(f"a record of {len(values)} values where {plan.size} belong")
        method, _, raw_path, query, protocol, scheme, remote, port = values[:_SERVER]
        path = raw_path.decode("latin-1")
        if "%" in path or not path.isascii():
            path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        root = self._root
        if root and not _is_below(path, root):
            # A proxy has taken it off; in ASGI the path includes it.
            path = root + path
            raw_path = self._raw_root + raw_path
        server = (values[_SERVER], values[_SERVER + 1])
        scope = {
            "type": "http",
            "asgi": self._http.copy(),
            "http_version": _VERSIONS.get(protocol) or protocol[5:].decode("latin-1"),
            "method": _METHODS.get(method) or method.decode("latin-1"),
            "scheme": _SCHEMES.get(scheme) or scheme.decode("latin-1"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": root,
            # The two values behind the fields have no name.
            "headers": list(zip(plan.names, values[_ID:])),  # noqa: B905
            "client": (remote.decode("latin-1"), int(port or 0)) if remote else None,
            "server": self._servers[server] if server in self._servers else self._name(server),
            "state": self._state.copy(),
            "extensions": self._http_extensions.copy(),
        }
        if flags & WEBSOCKET:
            self._become_websocket(scope)
        elif plan.te or protocol == b"HTTP/1.0":
            has_te = any(keeps_trailers(values[_ID + at]) for at in plan.te)
            scope["extensions"] = choose_extensions(has_te, method, protocol)
        return scope

    def _become_websocket(self, scope: dict[str, Any]) -> None:
        del scope["method"]
        scope["type"] = "websocket"
        scope["asgi"] = self._websocket.copy()
        scope["scheme"] = _WEBSOCKET_SCHEMES[scope["scheme"]]
        scope["subprotocols"] = [
            protocol.strip().decode("latin-1")
            for name, value in scope["headers"]
            if name == b"sec-websocket-protocol"
            for protocol in value.split(b",")
        ]
        scope["extensions"] = self._websocket_extensions.copy()

    def _learn(self, names: bytes) -> Plan:
        plan = Plan(names)
        if len(names) <= MAX_PLAN_BYTES:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan

    # A Unix socket has no name; in ASGI it is a path, which a record does not have.
    def _name(self, server: tuple[bytes, bytes]) -> tuple[str, int | None] | None:
        host, port = server
        named = (host.decode("latin-1"), int(port or 0)) if host else None
        if len(self._servers) >= MAX_SERVERS:
            self._servers.clear()
        self._servers[server] = named
        return named


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/")
