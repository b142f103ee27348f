"""Pages and frames: the vectors that Node reads too, and decoders under random bytes."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from messages import frames_of
from typhon_worker.asgi.response_head import encode_early_hint, encode_trailers
from typhon_worker.wire import WireFault, frames, pages

VECTORS = Path(__file__).resolve().parents[3] / "test" / "vectors"


def vectors(name: str) -> list[Any]:
    listed = json.loads((VECTORS / name).read_text())
    return [pytest.param(vector, id=vector["name"]) for vector in listed]


def split(vector_list: list[Any]) -> tuple[list[Any], list[Any]]:
    whole = [param for param in vector_list if "fault" not in param.values[0]]
    refused = [param for param in vector_list if "fault" in param.values[0]]
    assert whole
    assert refused
    return whole, refused


ALL_PAGES = pages.WSGI_PAGES | pages.ASGI_PAGES
PAGES, REFUSED_PAGES = split(vectors("pages.json"))
FRAMES, REFUSED_FRAMES = split(vectors("frames.json"))


def page_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["hex"]).ljust(pages.PAGE_BYTES, b"\0")


def decode(chunks: list[bytes]) -> list[tuple[int, int, int, int, bytes]]:
    decoder = frames.FrameDecoder()
    return [tuple(frame) for chunk in chunks for frame in frames_of(decoder, chunk)]


@pytest.mark.parametrize("vector", PAGES)
@pytest.mark.parametrize("at", [0, pages.SLOT_BYTES])
def test_decodes_the_page_in_any_slot(vector: dict[str, Any], at: int) -> None:
    slots = bytes(at) + page_of(vector)
    request, flags, latest, names, values, body = pages.decode(slots, at, ALL_PAGES)
    assert {
        "id": request,
        "flags": flags,
        "latest": latest,
        "names": names.decode("latin-1"),
        "values": values.decode("latin-1"),
        "body": body.decode("latin-1"),
    } == {key: vector[key] for key in ("id", "flags", "latest", "names", "values", "body")}


@pytest.mark.parametrize("vector", REFUSED_PAGES)
def test_refuses_the_page(vector: dict[str, Any]) -> None:
    with pytest.raises(WireFault):
        pages.decode(page_of(vector), 0)


def test_refuses_any_page_or_stays_inside_of_it() -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    accepted = 0
    for _ in range(20_000):
        page = bytearray(page_of(chance.choice(PAGES).values[0]))
        for _ in range(chance.randrange(4)):
            page[chance.randrange(pages.PAGE_HEADER_BYTES)] = chance.randrange(256)
        try:
            *_, names, values, body = pages.decode(bytes(page), 0)
        except WireFault:
            continue
        accepted += 1
        assert bytes(page[32:]).startswith(names + values + body), f"seed {seed}"
    assert accepted > 0


@pytest.mark.parametrize("vector", FRAMES)
def test_decodes_and_encodes_the_frame(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["hex"])
    payload = bytes.fromhex(vector["payload"])
    flags = frames.END if vector["end"] else 0
    decoded = (vector["type"], flags, vector["count"], vector["id"], payload)
    assert decode([frame]) == [decoded]
    encoded = frames.encode(
        vector["type"], vector["id"], payload, flags=flags, count=vector["count"]
    )
    assert encoded == frame


@pytest.mark.parametrize("vector", [v for v in FRAMES if "head" in v.values[0]])
def test_packs_a_head(vector: dict[str, Any]) -> None:
    head = vector["head"].encode("latin-1")
    body = bytes.fromhex(vector["body"])
    packed = frames.pack_head(
        frames.HEAD_PREFIX_BYTES + len(head) + len(body),
        vector["type"],
        frames.END if vector["end"] else 0,
        vector["count"],
        vector["id"],
        vector["taken"],
        len(head),
    )
    assert packed + head + body == bytes.fromhex(vector["hex"])


@pytest.mark.parametrize("vector", [v for v in FRAMES if "file" in v.values[0]])
def test_encodes_where_a_file_is(vector: dict[str, Any]) -> None:
    file = vector["file"]
    _, _, pid, _, fd = file["path"].split("/")
    encoded = frames.encode_file(int(fd), int(pid), file["offset"], file["length"])
    assert encoded == bytes.fromhex(vector["body"])


@pytest.mark.parametrize("vector", [v for v in FRAMES if "values" in v.values[0]])
def test_decodes_a_record(vector: dict[str, Any]) -> None:
    names, values = frames.decode_record(bytes.fromhex(vector["payload"]))
    told = (names.decode("latin-1"), values.decode("latin-1"))
    assert told == (vector["names"], vector["values"])


@pytest.mark.parametrize("vector", [v for v in FRAMES if "credit" in v.values[0]])
def test_decodes_credit(vector: dict[str, Any]) -> None:
    assert frames.decode_credit(bytes.fromhex(vector["payload"])) == vector["credit"]


@pytest.mark.parametrize("vector", [v for v in FRAMES if "ids" in v.values[0]])
def test_encodes_ids(vector: dict[str, Any]) -> None:
    assert frames.encode_ids(vector["ids"]) == bytes.fromhex(vector["payload"])


@pytest.mark.parametrize("vector", [v for v in FRAMES if "inputCredit" in v.values[0]])
def test_encodes_credit(vector: dict[str, Any]) -> None:
    assert frames.encode_credit(vector["inputCredit"]) == bytes.fromhex(vector["payload"])


@pytest.mark.parametrize("vector", [v for v in FRAMES if v.values[0]["type"] == frames.TRAILERS])
def test_encodes_trailers(vector: dict[str, Any]) -> None:
    parts = bytes.fromhex(vector["payload"]).split(b"\0") if vector["count"] else []
    trailers = list(zip(parts[::2], parts[1::2], strict=True))
    assert encode_trailers(vector["id"], trailers) == bytes.fromhex(vector["hex"])


@pytest.mark.parametrize("vector", [v for v in FRAMES if v.values[0]["type"] == frames.EARLY_HINT])
def test_encodes_early_hints(vector: dict[str, Any]) -> None:
    links = bytes.fromhex(vector["payload"]).split(b"\0")[2::2]
    assert encode_early_hint(vector["id"], links) == bytes.fromhex(vector["hex"])


# Every frame that the specification lists, and every set of flags that a page may have.
def test_has_vectors_for_all_there_is() -> None:
    protocol = VECTORS.parents[1] / "docs" / "worker-protocol.md"
    listed = {
        int(kind, 16) for kind in re.findall(r"^\| (0x\w\w) \|", protocol.read_text(), re.MULTILINE)
    }
    assert len(listed) > 25
    assert {param.values[0]["type"] for param in FRAMES} == listed
    assert {param.values[0]["flags"] for param in PAGES} == ALL_PAGES


@pytest.mark.parametrize("payload", [b"", b"\1\0\0\0\1\0\0", b"\1\0\0\0\1\0\0\0a", b"\1\0\0\0" * 4])
def test_refuses_a_record_of_another_length(payload: bytes) -> None:
    with pytest.raises(WireFault):
        frames.decode_record(payload)


@pytest.mark.parametrize("payload", [b"", b"\1\0\0", b"\1\0\0\0\0"])
def test_refuses_credit_of_another_length(payload: bytes) -> None:
    with pytest.raises(WireFault):
        frames.decode_credit(payload)


@pytest.mark.parametrize("vector", REFUSED_FRAMES)
def test_refuses_the_frame_by_its_header(vector: dict[str, Any]) -> None:
    with pytest.raises(WireFault):
        decode([bytes.fromhex(vector["hex"])])


def test_decodes_frames_however_they_are_split() -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    stream = b"".join(bytes.fromhex(param.values[0]["hex"]) for param in FRAMES)
    whole = decode([stream])
    assert len(whole) == len(FRAMES)
    assert decode([stream[at : at + 1] for at in range(len(stream))]) == whole
    for _ in range(300):
        cuts = sorted(chance.randrange(len(stream)) for _ in range(chance.randrange(12)))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert decode(pieces) == whole, f"seed {seed}"


def test_decodes_frames_that_are_larger_than_what_is_read_at_a_time() -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    sizes = (0, 5, frames.DECODER_BYTES - 16, frames.DECODER_BYTES, 3, frames.MAX_PAYLOAD_BYTES, 7)
    sent = [(frames.RECORD, 0, 0, at, chance.randbytes(size)) for at, size in enumerate(sizes)]
    stream = b"".join(frames.encode(frames.RECORD, at, payload) for *_, at, payload in sent)
    decoder = frames.FrameDecoder()
    read = []
    while stream:
        piece = stream[: chance.randrange(1, 300_000)]
        read += frames_of(decoder, piece)
        stream = stream[len(piece) :]
    assert [tuple(frame) for frame in read] == sent, f"seed {seed}"
    assert len(decoder.room) == frames.DECODER_BYTES


def test_refuses_random_bytes_with_nothing_but_a_wire_fault() -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    refused = 0
    for _ in range(2000):
        pieces = [chance.randbytes(chance.randrange(64)) for _ in range(chance.randrange(8))]
        try:
            decode(pieces)
        except WireFault:
            refused += 1
        for decoder in (frames.decode_record, frames.decode_credit):
            try:
                decoder(b"".join(pieces))
            except WireFault:
                refused += 1
    assert refused > 0, f"seed {seed}"
