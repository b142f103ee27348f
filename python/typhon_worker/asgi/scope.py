"""The scope of a request (ASGI, "HTTP" and "WebSocket"), made from its record.

Of the extensions that ASGI lists, a scope offers those that can work for its request.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from typhon_worker.wire import pages, record, tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The versions of the specifications that this server follows.
HTTP_SPECIFICATION = "2.5"
WEBSOCKET_SPECIFICATION = "2.5"

# Addresses of this server that are remembered: one a listener, for some listeners a few.
MAX_SERVERS = 64
# Members of a TE field that are looked at: clients send one or two.
MAX_TE_MEMBERS = 32

_METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE")
}
_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0", b"HTTP/2": "2", b"HTTP/2.0": "2"}
_SCHEMES = {b"http": "http", b"https": "https"}
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

WEBSOCKET_EXTENSIONS = ("websocket.http.response",)


class ScopeLayout:
    """What one names block means in a scope."""

    def __init__(self, block: bytes) -> None:
        names = record.split_names(block)
        self.size = record.count_values(names)
        # The request id is the last value before those of the fields, and becomes a field, too.
        self.names = [b"x-request-id", *names]
        # Positions of TE among them; most clients send none.
        self.te = [at for at, name in enumerate(self.names) if name == b"te"]


class ScopeMaker:
    """Makes the scopes of one application; `state` is what its lifespan has filled."""

    def __init__(
        self, root_path: str, version: str, state: dict[str, Any], pathsend: bool = False
    ) -> None:
        """`version`: the version of ASGI that the application was written for.

        `pathsend`: offer files by path, which middleware that reads bodies does not understand.
        """
        self._root = root_path
        self._raw_root = quote(root_path, errors="surrogateescape").encode("ascii")
        self._state = state
        self._http = {"version": version, "spec_version": HTTP_SPECIFICATION}
        self._websocket = {"version": version, "spec_version": WEBSOCKET_SPECIFICATION}
        self._always = ("http.response.pathsend",) if pathsend else ()
        self._http_extensions = self._choose_extensions(False, b"GET", b"HTTP/1.1")
        self._websocket_extensions: dict[str, Any] = {name: {} for name in WEBSOCKET_EXTENSIONS}
        self.layouts = record.Layouts(ScopeLayout)
        self.handshakes = tls.remembered(_tls_extension)
        self.servers: dict[tuple[bytes, bytes], tuple[str, int] | None] = {}

    def make(self, flags: int, names: bytes, block: bytes) -> dict[str, Any]:
        """Makes the scope from the two blocks of a record. Raises WireFault."""
        layout: ScopeLayout = self.layouts[names]
        values = block.split(b"\0")
        if len(values) != layout.size:
            raise record.miscounted(len(values), layout.size)
        method, protocol = values[record.METHOD], values[record.PROTOCOL]
        scheme = values[record.SCHEME]
        remote, port = values[record.REMOTE_ADDRESS], values[record.REMOTE_PORT]
        raw_path = values[record.PATH]
        path = raw_path.decode("latin-1")
        if "%" in path or not path.isascii():
            path = unquote_to_bytes(raw_path).decode("utf-8", "replace")
        root = self._root
        if root and not _is_below(path, root):
            # A proxy has removed the prefix. In ASGI the path includes it.
            path = root + path
            raw_path = self._raw_root + raw_path
        server = (values[record.SERVER_NAME], values[record.SERVER_PORT])
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": self._http.copy(),
            "http_version": _VERSIONS.get(protocol) or protocol[5:].decode("latin-1"),
            "method": _METHODS.get(method) or method.decode("latin-1"),
            "scheme": _SCHEMES.get(scheme) or scheme.decode("latin-1"),
            "path": path,
            "raw_path": raw_path,
            "query_string": values[record.QUERY],
            "root_path": root,
            # Not strict: TLS, the body length and the body file have no name.
            "headers": list(zip(layout.names, values[record.REQUEST_ID :])),  # noqa: B905
            "client": (remote.decode("latin-1"), int(port or 0)) if remote else None,
            "server": self.servers[server] if server in self.servers else self._name(server),
            "state": self._state.copy(),
            "extensions": self._http_extensions.copy(),
        }
        if flags & pages.WEBSOCKET:
            self._become_websocket(scope)
        elif layout.te or protocol == b"HTTP/1.0":
            keeps_trailers = any(
                _keeps_trailers(values[record.REQUEST_ID + at]) for at in layout.te
            )
            scope["extensions"] = self._choose_extensions(keeps_trailers, method, protocol)
        if values[record.TLS]:
            scope["extensions"]["tls"] = self.handshakes[values[record.TLS]].copy()
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

    # HTTP/1.0 has neither interim responses nor chunks. Trailers follow a body, which a response
    # to HEAD does not have.
    def _choose_extensions(
        self, keeps_trailers: bool, method: bytes, protocol: bytes
    ) -> dict[str, Any]:
        names = [*self._always]
        if protocol != b"HTTP/1.0":
            names.append("http.response.early_hint")
            if keeps_trailers and method != b"HEAD":
                names.append("http.response.trailers")
        return {name: {} for name in names}

    # For a Unix socket ASGI has its path, which a record does not have.
    def _name(self, server: tuple[bytes, bytes]) -> tuple[str, int] | None:
        host, port = server
        named = (host.decode("latin-1"), int(port or 0)) if host else None
        if len(self.servers) >= MAX_SERVERS:
            self.servers.clear()
        self.servers[server] = named
        return named


# The TLS extension, version 0.2. The front does not tell its certificate, so `server_cert` is the
# None of "unable to provide this"; a client certificate that is not verified ends the handshake.
def _tls_extension(handshake: dict[str, Any]) -> dict[str, Any]:
    client = handshake["client"]
    return {
        "server_cert": None,
        "client_cert_chain": tuple(client["chain"]) if client else (),
        "client_cert_name": client["subject"] if client else None,
        "client_cert_error": None,
        "tls_version": handshake["version_code"],
        "cipher_suite": handshake["cipher_code"],
    }


# Whether a TE field says that the client keeps trailers (RFC 9110 §10.1.4).
def _keeps_trailers(te: bytes) -> bool:
    members = te.split(b",", MAX_TE_MEMBERS)
    return any(member.strip().lower() == b"trailers" for member in members[:MAX_TE_MEMBERS])


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/")
