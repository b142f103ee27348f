"""Pages, frames and records as bytes: pure encoding and decoding.

The specification is docs/worker-protocol.md; page.ts and frame.ts in src/workers/ are the other
side, and test/vectors/ is read by the tests of both. Knows bytes only: no descriptor, no request.
What does not fit the specification raises WireFault and is never repaired.
"""

from __future__ import annotations

from struct import Struct, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from mmap import mmap

PAGE_BYTES = 4096
PAGE_HEADER_BYTES = 32
PAGE_CONTENT_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES
SLOT_BYTES = PAGE_BYTES + 64
FRAME_HEADER_BYTES = 16
# A 1 MiB piece and what surrounds it.
MAX_PAYLOAD_BYTES = 1_114_112
# Memory that frames are read into: about what a Unix socket holds at a time.
DECODER_BYTES = 262_144
# Body bytes in one BODY frame: large enough that frames cost nothing, small enough to interleave.
MAX_BODY_FRAME_BYTES = 262_144
# Body bytes that may be sent for a request before its first CREDIT; under ASGI the application
# waits without holding a thread, so that less has to lie in the front.
INITIAL_CREDIT_BYTES = 1_048_576
ASGI_CREDIT_BYTES = 262_144

MAGIC = 0x31505954

BODY_INLINE = 1
BODY_ON_CHANNEL = 2
BODY_IN_FILE = 4
RECORD_ON_CHANNEL = 8
FENCE_PAGE = 16
BODY_STREAMED = 32
WEBSOCKET = 64
# Which flags a page may have: a fence stands alone, a body is in one place, and a record that is
# fetched leaves no room for an inline body to be named by.
_WITHOUT_RECORD = RECORD_ON_CHANNEL | FENCE_PAGE
# A WebSocket has no body.
WSGI_PAGES = frozenset((0, 1, 2, 4, 8, 8 | 2, 8 | 4, 16, 64, 64 | 8))
# A body may come while the request runs.
ASGI_PAGES = WSGI_PAGES | {32, 32 | 8}

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
WS_ACCEPT = 0x20
WS_TEXT = 0x21
WS_BINARY = 0x22
WS_CLOSE = 0x23
WS_SOCKET = 0x24
TAKE = 0x40
STOP = 0x41
RECORD = 0x42
INPUT = 0x43
CREDIT = 0x44
CANCEL = 0x45
STACKS = 0x46
WS_TEXT_IN = 0x48
WS_BINARY_IN = 0x49
WS_CLOSED = 0x4A
WS_SOCKET_DONE = 0x4B

# The flag of a frame that is the last one of its body.
END = 1
# The count of a CANCEL: the client has gone, the deadline has passed, or the client has closed its
# sending side and may still wait for the answer.
CLIENT_GONE = 1
DEADLINE = 2
HALF_CLOSED = 3

# Slots of the shared file of cancels, a power of two.
CANCEL_SLOTS = 8192

# magic, used, flags, id, latest, names, values
PAGE_HEADER = Struct("<IHHQdII")
# payload bytes, type, flags, count, id
FRAME_HEADER = Struct("<IBBHQ")
# a frame header, second of taking, bytes of head
HEAD_FRAME = Struct("<IBBHQdI")
HEAD_PREFIX_BYTES = HEAD_FRAME.size - FRAME_HEADER_BYTES
# what a slot holds after its page: second of taking, native thread id, identifier of the thread
NOTE = Struct("<dI4xQ")
_PAIR = Struct("<II")
_CREDIT = Struct("<I")

pack_frame = FRAME_HEADER.pack
pack_head = HEAD_FRAME.pack
unpack_page = PAGE_HEADER.unpack_from


class WireFault(Exception):
    """What came breaks the protocol; the text says how. The worker has to end."""


def decode_page(
    slots: mmap | bytes, at: int, pages: frozenset[int] = WSGI_PAGES
) -> tuple[int, int, float, int, int, int]:
    """Reads the page at `at` → id, flags, latest second, and where names, values, body end.

    Names begin at `at` + PAGE_HEADER_BYTES; ends are absolute. `pages` are the sets of flags that
    the interface has a meaning for. Raises WireFault.
    """
    magic, used, flags, request, latest, names, values = unpack_page(slots, at)
    if magic != MAGIC or flags not in pages or request == 0:
        raise WireFault(f"a page with magic {magic:#x}, flags {flags:#x}, id {request}")
    names_end = at + PAGE_HEADER_BYTES + names
    values_end = names_end + values
    body_end = at + PAGE_HEADER_BYTES + used
    if used > PAGE_CONTENT_BYTES or values_end > body_end:
        raise WireFault(f"a page of {used} bytes with {names} of names and {values} of values")
    # Bytes behind the record are a body, and only where the flag says so; a record is in one place.
    if values_end != body_end and not flags & BODY_INLINE:
        raise WireFault(f"a page with {body_end - values_end} bytes that nobody named")
    if flags & _WITHOUT_RECORD and used:
        raise WireFault(f"a page of {used} bytes with flags {flags:#x}")
    return request, flags, latest, names_end, values_end, body_end


def encode_frame(
    kind: int, request: int = 0, payload: bytes = b"", *, flags: int = 0, count: int = 0
) -> bytes:
    """Makes one whole frame. The payload is at most MAX_PAYLOAD_BYTES."""
    return pack_frame(len(payload), kind, flags, count, request) + payload


def decode_record(payload: bytes) -> tuple[bytes, bytes]:
    """Reads a RECORD payload → names block, values block. Raises WireFault."""
    if len(payload) < _PAIR.size:
        raise WireFault("a RECORD frame without lengths")
    names, values = _PAIR.unpack_from(payload)
    start = _PAIR.size
    if start + names + values != len(payload):
        raise WireFault(f"a RECORD frame of {len(payload)} bytes with {names} and {values}")
    return payload[start : start + names], payload[start + names :]


def encode_ids(ids: Collection[int]) -> bytes:
    """Makes a payload of TAKEN."""
    return pack(f"<{len(ids)}Q", *ids)


def encode_credit(credit: int) -> bytes:
    """Makes a payload of INPUT_CREDIT."""
    return _CREDIT.pack(credit)


def decode_credit(payload: bytes) -> int:
    """Reads a CREDIT payload → bytes. Raises WireFault."""
    if len(payload) != _CREDIT.size:
        raise WireFault(f"a CREDIT frame of {len(payload)} bytes")
    credit: int = _CREDIT.unpack(payload)[0]
    return credit


class FrameDecoder:
    """Cuts what is read into frames. Whoever reads asks for `room`, and says how much has come.

    Holds at most one incomplete frame; the payload of a frame is copied once.
    """

    __slots__ = ("_end", "_view")

    def __init__(self) -> None:
        self._view = memoryview(bytearray(DECODER_BYTES))
        self._end = 0

    @property
    def room(self) -> memoryview:
        """Where the next bytes are to be read into; never empty."""
        return self._view[self._end :]

    def push(self, size: int) -> list[tuple[int, int, int, int, bytes]]:
        """Takes so many bytes out of `room`; returns the frames that they complete: type, flags,
        count, id, payload.

        Raises WireFault on a length, a flag or a type that the front cannot mean.
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

    # The beginning of a frame that needs so many bytes goes to the front. A frame that is larger
    # than usual gets a room of its own, for as long as it takes.
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
