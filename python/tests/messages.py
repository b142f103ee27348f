"""What a front writes and reads, as tests say it: pages, records and frames."""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from typhon_worker.wire import frames

HOST = (("host", "example.com"),)


class Frame(NamedTuple):
    kind: int
    flags: int
    count: int
    request: int
    payload: bytes

    @property
    def is_end(self) -> bool:
        return self.flags == frames.END

    def json(self) -> Any:
        return json.loads(self.payload)

    def head(self) -> list[str]:
        """Status, names and values of a HEAD frame."""
        size = struct.unpack_from("<dI", self.payload)[1]
        return self.payload[12 : 12 + size].decode("latin-1").split("\0")

    def body(self) -> bytes:
        """The bytes of body in a HEAD or BODY frame."""
        if self.kind == frames.HEAD:
            return self.payload[12 + struct.unpack_from("<dI", self.payload)[1] :]
        return self.payload

    def file(self) -> tuple[str, int, int]:
        """Path, offset and length in a FILE frame."""
        at = 12 + struct.unpack_from("<dI", self.payload)[1]
        offset, length = struct.unpack_from("<QQ", self.payload, at)
        return self.payload[at + 16 :].decode(), offset, length

    def text(self) -> str:
        return self.payload.decode()


def frames_of(decoder: frames.FrameDecoder, chunk: bytes) -> list[Frame]:
    """What a chunk of any size completes."""
    decoded = []
    while chunk:
        room = decoder.room
        part = chunk[: len(room)]
        room[: len(part)] = part
        decoded += [Frame(*frame) for frame in decoder.push(len(part))]
        chunk = chunk[len(part) :]
    return decoded


def encode_page(
    request: int,
    flags: int = 0,
    names: bytes = b"",
    values: bytes = b"",
    body: bytes = b"",
    latest: float = 0.0,
) -> bytes:
    used = len(names) + len(values) + len(body)
    header = struct.pack(
        "<IHHQdII", 0x31505954, used, flags, request, latest, len(names), len(values)
    )
    return (header + names + values + body).ljust(4096, b"\0")


def record(
    method: str = "GET",
    path: str = "/",
    fields: tuple[tuple[str, str], ...] = HOST,
    **more: str,
) -> tuple[bytes, bytes]:
    """Names block and values block of a request."""
    target = more.get("target") or path + (f"?{more['query']}" if "query" in more else "")
    values = [
        method,
        target,
        path,
        more.get("query", ""),
        more.get("protocol", "HTTP/1.1"),
        more.get("scheme", "http"),
        more.get("remote", "192.0.2.7"),
        more.get("remote_port", "51234"),
        more.get("server", "198.51.100.1"),
        more.get("server_port", "8080"),
        more.get("request_id", "r-1"),
        *(value for _, value in fields),
        more.get("tls", ""),
        more.get("body_length", ""),
        more.get("body_file", ""),
    ]
    names = "\0".join(name for name, _ in fields)
    return names.encode("latin-1"), "\0".join(values).encode("latin-1")


def handshake(server_name: str = "example.com", **client: Any) -> str:
    """The TLS value of a record; a client certificate where any of its fields is given."""
    certificate = {
        "chain": ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
        "subject": "CN=anna,O=Example",
        "issuer": "CN=Staff,O=Example",
        "serial_number": "0A3F",
        "alternative_names": [],
        "not_before": 1_767_225_600_000,
        "not_after": 1_798_761_599_000,
        **client,
    }
    return json.dumps(
        {
            "version": "TLSv1.3",
            "version_code": 0x0304,
            "cipher": "TLS_AES_128_GCM_SHA256",
            "cipher_code": 0x1301,
            "server_name": server_name,
            "client": certificate if client else None,
        }
    )
