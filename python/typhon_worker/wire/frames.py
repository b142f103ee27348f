"""Frames of the channel: their types, and how they are encoded and decoded.

payload length u32 · type u8 · flags u8 · count u16 · request id u64 │ payload
"""

from __future__ import annotations

from collections.abc import Collection
from struct import Struct, pack

from . import WireFault

FRAME_HEADER_BYTES = 16
# A piece of 1 MiB, and 64 KiB for a head before it.
MAX_PAYLOAD_BYTES = 1_114_112
# The decoder's buffer: about what a Unix socket holds at a time.
DECODER_BYTES = 262_144
# Body bytes in one BODY frame: large enough to make headers negligible, small enough for the
# responses of several threads to interleave.
MAX_BODY_FRAME_BYTES = 262_144
# Body bytes that may be sent for a request before its first CREDIT. Less under ASGI: waiting for
# credit holds no thread there, so less has to be buffered in the front. Less for a live response of
# WSGI, too: what waits in the front grows old.
WSGI_CREDIT_BYTES = 1_048_576
LIVE_CREDIT_BYTES = 262_144
ASGI_CREDIT_BYTES = 262_144

# Worker to front.
READY = 0x02
FAILED = 0x03
HEAD = 0x10
BODY = 0x11
FAULT = 0x12
EXPIRED = 0x13
FETCH = 0x14
FENCE = 0x15
STOPPED = 0x16
POISONED = 0x17
LOG = 0x18
STACKS_TOLD = 0x19
TAKEN = 0x1A
INPUT_CREDIT = 0x1B
EARLY_HINT = 0x1C
TRAILERS = 0x1D
LOOP_TOLD = 0x1E
FILE = 0x1F
WS_ACCEPT = 0x20
WS_TEXT = 0x21
WS_BINARY = 0x22
WS_CLOSE = 0x23
WS_SOCKET = 0x24
# Front to worker.
TAKE = 0x40
STOP = 0x41
RECORD = 0x42
INPUT = 0x43
CREDIT = 0x44
CANCEL = 0x45
STACKS = 0x46
LOOP_ASKED = 0x47
WS_TEXT_IN = 0x48
WS_BINARY_IN = 0x49
WS_CLOSED = 0x4A
WS_SOCKET_DONE = 0x4B
FILE_RESULT = 0x4C

# Flag of the last frame of a body, a message or a response.
END = 1
# Counts of CANCEL: the client has disconnected; the deadline has passed; the client has closed its
# sending side and may still read the response.
CLIENT_GONE = 1
DEADLINE = 2
HALF_CLOSED = 3
# Counts of FILE_RESULT: the worker sends the bytes itself; the front has opened the file.
NOT_OPENED = 0
OPENED = 1
# Counts of LOG.
LEVEL_WARNING = 2
LEVEL_ERROR = 3

# A longer text loses its middle: a frame has a limit, and so has a reader of logs.
MAX_TEXT_CHARACTERS = 65_536

# Fields: payload bytes, type, flags, count, id.
FRAME_HEADER = Struct("<IBBHQ")
# A frame header, then the second of taking and the bytes of the head.
HEAD_FRAME = Struct("<IBBHQdI")
HEAD_PREFIX_BYTES = HEAD_FRAME.size - FRAME_HEADER_BYTES
_PAIR = Struct("<II")
_CREDIT = Struct("<I")
_SECOND = Struct("<d")
_RANGE = Struct("<QQ")

pack_frame = FRAME_HEADER.pack
pack_head = HEAD_FRAME.pack


def encode(
    kind: int, request: int = 0, payload: bytes = b"", *, flags: int = 0, count: int = 0
) -> bytes:
    """Encodes one frame. The payload has at most MAX_PAYLOAD_BYTES."""
    return pack_frame(len(payload), kind, flags, count, request) + payload


def encode_text(text: str) -> bytes:
    """Encodes a text of any length: UTF-8 with surrogates escaped, shortened in the middle."""
    if len(text) > MAX_TEXT_CHARACTERS:
        half = MAX_TEXT_CHARACTERS // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n… {left_out} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace")


def encode_ids(ids: Collection[int]) -> bytes:
    """Encodes a payload of TAKEN."""
    return pack(f"<{len(ids)}Q", *ids)


def encode_taken(request: int, second: float) -> bytes:
    """Encodes TAKEN for one request: since when it runs here."""
    return encode(TAKEN, request, _SECOND.pack(second))


def encode_file(fd: int, pid: int, offset: int, length: int) -> bytes:
    """Encodes what FILE says of a file behind the head: bytes of a descriptor of a process."""
    return _RANGE.pack(offset, length) + b"/proc/%d/fd/%d" % (pid, fd)


def encode_credit(credit: int) -> bytes:
    """Encodes a payload of INPUT_CREDIT."""
    return _CREDIT.pack(credit)


def decode_credit(payload: bytes) -> int:
    """Decodes a payload of CREDIT → bytes. Raises WireFault."""
    if len(payload) != _CREDIT.size:
        raise WireFault(f"a CREDIT frame of {len(payload)} bytes")
    credit: int = _CREDIT.unpack(payload)[0]
    return credit


def decode_record(payload: bytes) -> tuple[bytes, bytes]:
    """Decodes a payload of RECORD → names block, values block. Raises WireFault."""
    if len(payload) < _PAIR.size:
        raise WireFault("a RECORD frame without lengths")
    names, values = _PAIR.unpack_from(payload)
    start = _PAIR.size
    if start + names + values != len(payload):
        raise WireFault(f"a RECORD frame of {len(payload)} bytes with {names} and {values}")
    return payload[start : start + names], payload[start + names :]


class FrameDecoder:
    """Cuts a stream of bytes into frames: read into `room`, then call `push`.

    Holds at most one incomplete frame. Each payload is copied once.
    """

    def __init__(self) -> None:
        self._view = memoryview(bytearray(DECODER_BYTES))
        self._end = 0

    @property
    def room(self) -> memoryview:
        """Memory for the next bytes; never empty."""
        return self._view[self._end :]

    def push(self, size: int) -> list[tuple[int, int, int, int, bytes]]:
        """Decodes the first `size` bytes of `room` → frames: type, flags, count, id, payload.

        Raises WireFault on a length or flags that no frame may have.
        """
        view = self._view
        end = self._end + size
        frames = []
        at = 0
        needed = FRAME_HEADER_BYTES
        while end - at >= FRAME_HEADER_BYTES:
            length, kind, flags, count, request = FRAME_HEADER.unpack_from(view, at)
            if length > MAX_PAYLOAD_BYTES:
                raise WireFault(f"a frame of {length} bytes")
            if flags > END:
                raise WireFault(f"flags {flags:#x} in a frame")
            payload = at + FRAME_HEADER_BYTES
            needed = FRAME_HEADER_BYTES + length
            if at + needed > end:
                break
            at += needed
            frames.append((kind, flags, count, request, bytes(view[payload:at])))
            needed = FRAME_HEADER_BYTES
        self._keep(at, end, needed)
        return frames

    # Moves the incomplete frame, which needs `needed` bytes, to the start. A frame larger than the
    # buffer gets a buffer of its own until it is complete.
    def _keep(self, at: int, end: int, needed: int) -> None:
        view = self._view
        rest = end - at
        self._end = rest
        size = max(needed, DECODER_BYTES)
        if size != len(view):
            self._view = memoryview(bytearray(size))
            self._view[:rest] = view[at:end]
        elif rest and at:
            view[:rest] = view[at:end]
