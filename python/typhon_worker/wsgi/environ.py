"""The environ of a request (PEP 3333, "environ Variables"), made from its record.

The front has removed field names whose keys collide with another field's (`X_A` with `X-A`).
"""

from __future__ import annotations

import errno
import io
import os
import stat

from typhon_worker.wire import pages, record, tls
from typhon_worker.wire.settings import Settings

from .exchange import FileWrapper, WsgiExchange
from .tls_variables import tls_variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

# The key of each value of a record before the fields.
_KEY_AT = {
    record.METHOD: "REQUEST_METHOD",
    record.TARGET: "REQUEST_URI",
    record.PATH: "PATH_INFO",
    record.QUERY: "QUERY_STRING",
    record.PROTOCOL: "SERVER_PROTOCOL",
    record.SCHEME: "wsgi.url_scheme",
    record.REMOTE_ADDRESS: "REMOTE_ADDR",
    record.REMOTE_PORT: "REMOTE_PORT",
    record.SERVER_NAME: "SERVER_NAME",
    record.SERVER_PORT: "SERVER_PORT",
    record.REQUEST_ID: "HTTP_X_REQUEST_ID",
}
_KEYS = tuple(_KEY_AT[at] for at in range(record.FIELDS))
_KEY_OF = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_COOKIE = "HTTP_COOKIE"

# Reads of a fetched body, which arrives in pieces of about this size.
_READ_BYTES = 65_536

_DIGITS = "0123456789abcdefABCDEF"
_BYTE_OF = {a + b: chr(int(a + b, 16)) for a in _DIGITS for b in _DIGITS}


def decode_path(path: str) -> str:
    """Decodes percent-encoding, each byte to a character; an invalid encoding stays as it is."""
    first, *rest = path.split("%")
    parts = [first]
    for part in rest:
        byte = _BYTE_OF.get(part[:2])
        parts.append("%" + part if byte is None else byte + part[2:])
    return "".join(parts)


class EnvironLayout:
    """What one names block means in an environ."""

    def __init__(self, block: bytes, base: dict[str, Any]) -> None:
        names = record.split_names(block)
        keys = [_key_of(name.decode("latin-1")) for name in names]
        self.size = record.count_values(names)
        self.is_chunked = "HTTP_TRANSFER_ENCODING" in keys
        # If each field has a key of its own, `keys` has one for each value in order. Otherwise
        # `fields` has the fields' keys, and add_fields merges the values.
        is_regular = len(set(keys)) == len(keys)
        self.fields = None if is_regular else keys
        self.keys = (*_KEYS, *keys) if is_regular else _KEYS
        # Copied for each request. It has every key already, so that the copy need not grow (10 %
        # of the worker's time a request, worker-hello.py).
        own = {"RAW_URI": "", "wsgi.input": None, "typhon.client_gone": None}
        self.template = {**base, **dict.fromkeys(self.keys, ""), **own}

    def add_fields(self, environ: dict[str, Any], values: list[str]) -> None:
        """Adds fields whose names repeat (RFC 9110 §5.3, RFC 6265 §5.4)."""
        merged: dict[str, str] = {}
        fields = values[record.FIELDS : -record.TAIL]
        for key, value in zip(self.fields or (), fields, strict=True):
            if key in merged:
                merged[key] += ("; " if key == _COOKIE else ", ") + value
            else:
                merged[key] = value
        environ.update(merged)


def _key_of(name: str) -> str:
    return _KEY_OF.get(name) or "HTTP_" + name.upper().replace("-", "_")


class EnvironMaker:
    """Makes the environs of one application."""

    def __init__(self, settings: Settings, errors: TextIO) -> None:
        self._root = settings.root_path.encode("utf-8", "surrogateescape").decode("latin-1")
        base: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.errors": errors,
            "wsgi.multithread": settings.threads > 1,
            "wsgi.multiprocess": settings.workers > 1,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            # wsgi.input ends at the end of the body, with or without a CONTENT_LENGTH.
            "wsgi.input_terminated": True,
            "SERVER_SOFTWARE": settings.software,
            "SCRIPT_NAME": self._root,
        }
        self.layouts = record.Layouts(lambda names: EnvironLayout(names, base))
        self.handshakes = tls.remembered(tls_variables)

    def make(self, exchange: WsgiExchange) -> dict[str, Any]:
        """Makes the environ. Raises WireFault, and OSError if the head or the body is missing."""
        if exchange.flags & pages.RECORD_ON_CHANNEL:
            exchange.fetch_record()
        layout: EnvironLayout = self.layouts[exchange.names]
        values = exchange.values.decode("latin-1").split("\0")
        if len(values) != layout.size:
            raise record.miscounted(len(values), layout.size)
        environ = layout.template.copy()
        # Not strict: TLS, the body length and the body file have no key.
        environ.update(zip(layout.keys, values, strict=False))
        if layout.fields is not None:
            layout.add_fields(environ, values)
        environ["RAW_URI"] = values[record.TARGET]
        path = values[record.PATH]
        if "%" in path:
            environ["PATH_INFO"] = path = decode_path(path)
        if self._root and path.startswith(self._root):
            rest = path[len(self._root) :]
            if not rest or rest[0] == "/":
                environ["PATH_INFO"] = rest
        # Also where a trusted proxy has the TLS connection with the client.
        if values[record.SCHEME] == "https":
            environ["HTTPS"] = "on"
        if values[record.TLS]:
            environ.update(self.handshakes[values[record.TLS]])
        if not values[record.SERVER_NAME]:
            _name_server(environ, values)
        length = values[record.BODY_LENGTH]
        if layout.is_chunked or length:
            # The front has received the body whole: it has a length, and no transfer coding.
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ["CONTENT_LENGTH"] = length or "0"
        environ["typhon.client_gone"] = exchange.is_abandoned
        environ["wsgi.input"] = _open_body(
            exchange, values[record.BODY_FILE], environ.get("CONTENT_LENGTH")
        )
        return environ


# A Unix socket has neither name nor port, and PEP 3333 does not allow either to be empty.
def _name_server(environ: dict[str, Any], values: list[str]) -> None:
    environ["SERVER_NAME"] = "localhost"
    if values[record.SERVER_PORT] in ("", "0"):
        environ["SERVER_PORT"] = "443" if environ["wsgi.url_scheme"] == "https" else "80"


def _open_body(exchange: WsgiExchange, path: str, length: str | None) -> object:
    flags = exchange.flags
    if not flags & (pages.BODY_IN_FILE | pages.BODY_ON_CHANNEL | pages.BODY_INLINE):
        return io.BytesIO()
    if flags & pages.BODY_INLINE:
        return io.BytesIO(exchange.body)
    if flags & pages.BODY_ON_CHANNEL:
        return open_fetched(exchange)
    return _take_file(path.encode("latin-1"), int(length or -1))


# Opens the file that the front has written, and removes its name. After a program that cleans
# temporary folders has removed the folder, another user may have made the path anew: only a regular
# file of this user and of the body's length, in a private folder of this user, is taken; no link is
# followed, and a FIFO is not waited for.
def _take_file(path: bytes, length: int) -> io.BufferedReader:
    folder_path, name = os.path.split(path)
    folder = os.open(folder_path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(folder)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "the folder is not private", folder_path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=folder)
        try:
            found = os.fstat(fd)
            is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if not is_ours or found.st_nlink != 1 or found.st_size != length:
                raise PermissionError(errno.EPERM, "the file is not the body", path)
            os.unlink(name, dir_fd=folder)
            return open(fd, "rb")
        except BaseException:
            os.close(fd)
            raise
    finally:
        os.close(folder)


def open_fetched(exchange: WsgiExchange) -> io.BufferedReader:
    """Opens a body that is fetched from the front in pieces, when the application first reads."""
    return io.BufferedReader(_FetchedBody(exchange), _READ_BYTES)


class _FetchedBody(io.RawIOBase):
    def __init__(self, exchange: WsgiExchange) -> None:
        self._exchange = exchange
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            self._piece = memoryview(self._exchange.read_input())
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size
