"""The page: one request in the queue, 4,096 bytes, and the slot of the notes that it is read into.

slot:  header · names block · values block · inline body · zeros │ note · zeros
└──────────────── page, 4,096 bytes ─────────────────────┘└─ 64 bytes ─┘
"""

from __future__ import annotations

from mmap import mmap
from struct import Struct

from . import WireFault

PAGE_BYTES = 4096
PAGE_HEADER_BYTES = 32
PAGE_CONTENT_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES
SLOT_BYTES = PAGE_BYTES + 64
# Where the id stands in a page.
ID_AT = 8
NO_ID = bytes(8)
# Slots of the shared file of cancels, a power of two.
CANCEL_SLOTS = 8192

MAGIC = 0x31505954

BODY_INLINE = 1
BODY_ON_CHANNEL = 2
BODY_IN_FILE = 4
RECORD_ON_CHANNEL = 8
FENCE_PAGE = 16
BODY_STREAMED = 32
WEBSOCKET = 64
WEBSOCKET_SOCKET = 128
# Combinations of flags that a page of every interface may have. A fence stands alone; a body is in
# one place; a page whose record is fetched has no lengths that could delimit an inline body; a
# WebSocket handshake has no body.
_PAGES = frozenset((0, 1, 2, 4, 8, 8 | 2, 8 | 4, 16))
# Under WSGI the application of a WebSocket gets a socket. Under ASGI it gets messages, and a body
# may also arrive while the request runs.
WSGI_PAGES = _PAGES | {128, 128 | 8}
ASGI_PAGES = _PAGES | {32, 32 | 8, 64, 64 | 8}
_WITHOUT_RECORD = RECORD_ON_CHANNEL | FENCE_PAGE


class UnfitPage(WireFault):
    """The page is for a worker of another interface: a reload has changed the application."""


# Fields: magic, used, flags, id, latest, names, values.
PAGE_HEADER = Struct("<IHHQdII")
# What a slot holds after its page: second of taking, native thread id, Python's thread identifier.
NOTE = Struct("<dI4xQ")

_unpack_page = PAGE_HEADER.unpack_from


def decode(
    slots: mmap | bytes, at: int, allowed: frozenset[int] = WSGI_PAGES
) -> tuple[int, int, float, bytes, bytes, bytes]:
    """Reads the page at offset `at` → id, flags, latest second, names block, values block, body.

    `allowed`: the combinations of flags that the interface supports. Raises WireFault; UnfitPage
    where another interface supports them.
    """
    magic, used, flags, request, latest, names, values = _unpack_page(slots, at)
    if magic != MAGIC or flags not in allowed or request == 0:
        fits_another = magic == MAGIC and flags in WSGI_PAGES | ASGI_PAGES and request
        fault = UnfitPage if fits_another else WireFault
        raise fault(f"a page with magic {magic:#x}, flags {flags:#x}, id {request}")
    names_at = at + PAGE_HEADER_BYTES
    names_end = names_at + names
    values_end = names_end + values
    body_end = names_at + used
    if used > PAGE_CONTENT_BYTES or values_end > body_end:
        raise WireFault(f"a page of {used} bytes with {names} of names and {values} of values")
    # Bytes after the record are a body, and only if the flag says so.
    if values_end != body_end and not flags & BODY_INLINE:
        raise WireFault(f"a page with {body_end - values_end} bytes of no declared meaning")
    if flags & _WITHOUT_RECORD and used:
        raise WireFault(f"a page of {used} bytes with flags {flags:#x}")
    return (
        request,
        flags,
        latest,
        slots[names_at:names_end],
        slots[names_end:values_end],
        slots[values_end:body_end],
    )
