"""The environ of a request (PEP 3333, "environ Variables"), made from the record in its page.

The blocks of names repeat from request to request, so a bounded table keeps what each one means;
the values are then put under their keys by one `update`. Field names that would share a key with
another (`X_A` beside `X-A`) and `Proxy` are dropped. Knows records, not where they come from.
"""

from __future__ import annotations

import io

from .exchange import Exchange
from .request_body import ChannelBody
from .wire import BODY_IN_FILE, BODY_INLINE, BODY_ON_CHANNEL, RECORD_ON_CHANNEL, WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from .settings import Settings

# Different blocks of names that are remembered; browsers of one site send a few dozen.
MAX_PLANS = 512
# Longer blocks are not worth remembering: a client may make up a new one each time.
MAX_PLAN_BYTES = 2048

_KEYS = (
    "REQUEST_METHOD",
    "REQUEST_URI",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "SERVER_NAME",
    "SERVER_PORT",
    "HTTP_X_REQUEST_ID",
)
_FIXED = len(_KEYS)
_PATH = 2
_SERVER_NAME = 8
_SERVER_PORT = 9
# Values behind those of the fields: body length, body file.
_TAIL = 2

_KEY_OF = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
# `Proxy` would become HTTP_PROXY, which programs take for the proxy that they are to use; the
# request's id is the front's.
_DROPPED = frozenset(("proxy", "x-request-id"))

_DIGITS = "0123456789abcdefABCDEF"
_BYTE_OF = {a + b: chr(int(a + b, 16)) for a in _DIGITS for b in _DIGITS}


def decode_path(path: str) -> str:
    """Undoes percent-encoding, each byte a character; what is no encoding stays as it is."""
    first, *rest = path.split("%")
    parts = [first]
    for part in rest:
        byte = _BYTE_OF.get(part[:2])
        parts.append("%" + part if byte is None else byte + part[2:])
    return "".join(parts)


class Plan:
    """What one block of names means."""

    __slots__ = ("fields", "is_chunked", "keys", "size", "template")

    def __init__(self, names: bytes, base: dict[str, Any]) -> None:
        listed = names.decode("latin-1").split("\0") if names else []
        keys = [_key_of(name) for name in listed]
        kept = [key for key in keys if key is not None]
        self.size = _FIXED + len(keys) + _TAIL
        self.is_chunked = "HTTP_TRANSFER_ENCODING" in keys
        # Keys by position, as long as each value has one of its own; else field by field.
        is_regular = len(set(kept)) == len(keys)
        self.fields = None if is_regular else keys
        self.keys = (*_KEYS, *kept) if is_regular else _KEYS
        # Copied for each request: with every key in it, the copy need not grow (10 %).
        own = {"RAW_URI": "", "wsgi.input": None, "typhon.client_gone": None}
        self.template = {**base, **dict.fromkeys(self.keys, ""), **own}

    def add_fields(self, environ: dict[str, Any], values: list[str]) -> None:
        """Adds fields where names repeat or are dropped (RFC 9110 §5.3, RFC 6265 §5.4)."""
        merged: dict[str, str] = {}
        for key, value in zip(self.fields or (), values[_FIXED:-_TAIL], strict=True):
            if key is None:
                continue
            if key in merged:
                between = "; " if key == "HTTP_COOKIE" else ", "
                merged[key] += between + value
            else:
                merged[key] = value
        environ.update(merged)


def _key_of(name: str) -> str | None:
    if "_" in name or name in _DROPPED:
        return None
    return _KEY_OF.get(name) or "HTTP_" + name.upper().replace("-", "_")


class EnvironMaker:
    """Makes environs for one application."""

    def __init__(self, settings: Settings, errors: TextIO, file_wrapper: type) -> None:
        self._plans: dict[bytes, Plan] = {}
        self._root = settings.root_path.encode("utf-8", "surrogateescape").decode("latin-1")
        self._base: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.errors": errors,
            "wsgi.multithread": settings.threads > 1,
            "wsgi.multiprocess": settings.workers > 1,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": file_wrapper,
            # The body ends where it ends, with or without a CONTENT_LENGTH.
            "wsgi.input_terminated": True,
            "SERVER_SOFTWARE": settings.software,
            "SCRIPT_NAME": self._root,
        }

    def make(self, exchange: Exchange) -> dict[str, Any]:
        """Makes the environ. Raises WireFault, and OSError where head or body do not come."""
        if exchange.flags & RECORD_ON_CHANNEL:
            exchange.fetch_record()
        plan = self._plans.get(exchange.names) or self._learn(exchange.names)
        values = exchange.values.split("\0")
        if len(values) != plan.size:
            raise WireFault(f"a record of {len(values)} values where {plan.size} belong")
        environ = plan.template.copy()
        # The two values behind the fields have no key.
        environ.update(zip(plan.keys, values, strict=False))
        if plan.fields is not None:
            plan.add_fields(environ, values)
        environ["RAW_URI"] = values[1]
        path = values[_PATH]
        if "%" in path:
            environ["PATH_INFO"] = path = decode_path(path)
        if self._root and path.startswith(self._root):
            rest = path[len(self._root) :]
            if not rest or rest[0] == "/":
                environ["PATH_INFO"] = rest
        if not values[_SERVER_NAME]:
            _name_server(environ, values)
        if plan.is_chunked or values[-2]:
            # The body was received whole, so it has a length and no transfer coding.
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ["CONTENT_LENGTH"] = values[-2] or "0"
        environ["typhon.client_gone"] = exchange.is_abandoned
        environ["wsgi.input"] = _open_body(exchange, values[-1])
        return environ

    def _learn(self, names: bytes) -> Plan:
        plan = Plan(names, self._base)
        if len(names) <= MAX_PLAN_BYTES:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan


# A Unix socket has no name and no port, and PEP 3333 wants both not to be empty.
def _name_server(environ: dict[str, Any], values: list[str]) -> None:
    environ["SERVER_NAME"] = "localhost"
    if values[_SERVER_PORT] in ("", "0"):
        environ["SERVER_PORT"] = "443" if environ["wsgi.url_scheme"] == "https" else "80"


def _open_body(exchange: Exchange, path: str) -> object:
    flags = exchange.flags
    if not flags & (BODY_IN_FILE | BODY_ON_CHANNEL | BODY_INLINE):
        return io.BytesIO()
    if flags & BODY_INLINE:
        return io.BytesIO(exchange.body)
    if flags & BODY_ON_CHANNEL:
        return ChannelBody(exchange)
    return open(path.encode("latin-1"), "rb")
