"""Frames of the channel: their types, and how they are encoded and decoded.

payload length u32 · type u8 · flags u8 · count u16 · request id u64 │ payload
"""

from __future__ import annotations

from collections.abc import Collection
from struct import Struct, error, pack

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
# As much for a WebSocket would be gigabytes for tens of thousands whose clients do not read: the
# front grants more to those that do.
WS_CREDIT_BYTES = 65_536

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
# Count of EXPIRED: the worker's interface cannot run this page.
UNFIT = 1
# Counts of LOG.
LEVEL_DEBUG = 0
LEVEL_INFO = 1
LEVEL_WARNING = 2
LEVEL_ERROR = 3

# A longer text loses its middle: a frame has a limit, and so has a reader of logs.
MAX_TEXT_CHARACTERS = 65_536
# The largest count of a frame: the number of fields, or a close code.
MAX_COUNT = 65_535

# Texts of so many characters, escaped or in UTF-8; ids of as many requests as a worker may run.
_MAX_TEXT_BYTES = 524_288
_MAX_IDS_BYTES = 524_288
_MAX_PATH_BYTES = 4096

# The largest payload of each type. A byte too many or too few moves all headers behind it, so most
# of them name no type, or a length that their type cannot have: the fault shows in the first
# header, and nobody waits for a payload that never comes.
_PAYLOAD_LIMITS = {
    READY: MAX_PAYLOAD_BYTES,
    FAILED: MAX_PAYLOAD_BYTES,
    HEAD: MAX_PAYLOAD_BYTES,
    BODY: MAX_BODY_FRAME_BYTES,
    FAULT: _MAX_TEXT_BYTES,
    EXPIRED: 0,
    FETCH: 0,
    FENCE: 0,
    STOPPED: 0,
    POISONED: _MAX_TEXT_BYTES,
    LOG: _MAX_TEXT_BYTES,
    STACKS_TOLD: _MAX_TEXT_BYTES,
    TAKEN: _MAX_IDS_BYTES,
    INPUT_CREDIT: 4,
    EARLY_HINT: MAX_PAYLOAD_BYTES,
    TRAILERS: MAX_PAYLOAD_BYTES,
    LOOP_TOLD: 0,
    FILE: MAX_PAYLOAD_BYTES,
    WS_ACCEPT: MAX_PAYLOAD_BYTES,
    WS_TEXT: MAX_BODY_FRAME_BYTES,
    WS_BINARY: MAX_BODY_FRAME_BYTES,
    WS_CLOSE: _MAX_TEXT_BYTES,
    WS_SOCKET: _MAX_PATH_BYTES,
    TAKE: 0,
    STOP: 0,
    RECORD: MAX_PAYLOAD_BYTES,
    INPUT: MAX_BODY_FRAME_BYTES,
    CREDIT: 4,
    CANCEL: 0,
    STACKS: 0,
    LOOP_ASKED: 0,
    WS_TEXT_IN: MAX_BODY_FRAME_BYTES,
    WS_BINARY_IN: MAX_BODY_FRAME_BYTES,
    WS_CLOSED: _MAX_TEXT_BYTES,
    WS_SOCKET_DONE: 0,
    FILE_RESULT: 0,
}

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
    """Encodes one frame of at most MAX_PAYLOAD_BYTES. Raises ValueError on an impossible count."""
    try:
        return pack_frame(len(payload), kind, flags, count, request) + payload
    except error:
        raise ValueError(f"{count} is not from 0 to {MAX_COUNT}") from None


def encode_text(text: str) -> bytes:
    """Encodes a text of any length: UTF-8 with surrogates escaped, shortened in the middle."""
    return shorten(text).encode("utf-8", "backslashreplace")


def shorten(text: str) -> str:
    """Leaves out the middle of a text that is too long for a frame."""
    if len(text) > MAX_TEXT_CHARACTERS:
        half = MAX_TEXT_CHARACTERS // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n… {left_out} characters left out …\n{text[-half:]}"
    return text


def explain_many_fields(count: int) -> str:
    """Says that a response has more fields than a frame can count."""
    return f"{count} fields are more than {MAX_COUNT}"


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
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._end > 0

    @property
    def room(self) -> memoryview:
        """Memory for the next bytes; never empty."""
        return self._view[self._end :]

    def push(self, size: int) -> list[tuple[int, int, int, int, bytes]]:
        """Decodes the first `size` bytes of `room` → frames: type, flags, count, id, payload.

        Raises WireFault on a type, a length or flags that no frame may have.
        """
        view = self._view
        end = self._end + size
        frames = []
        at = 0
        needed = FRAME_HEADER_BYTES
        while end - at >= FRAME_HEADER_BYTES:
            length, kind, flags, count, request = FRAME_HEADER.unpack_from(view, at)
            if length > _PAYLOAD_LIMITS.get(kind, -1):
                raise WireFault(f"a frame of type {kind:#x} and {length} bytes")
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
