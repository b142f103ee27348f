"""wsgi.input over fetched pieces, against a file object as the model."""

from __future__ import annotations

import io
import random
from typing import Any

from typhon_worker.wsgi.environ import open_fetched


class Pieces:
    """Gives a body in pieces and counts how often it is asked."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = list(pieces)
        self.asked = 0

    def read_input(self) -> bytes:
        self.asked += 1
        return self.pieces.pop(0) if self.pieces else b""


def body_of(*pieces: bytes) -> io.BufferedReader:
    source: Any = Pieces(list(pieces))
    return open_fetched(source)


def test_asks_for_nothing_before_it_is_read() -> None:
    source: Any = Pieces([b"a"])
    body = open_fetched(source)
    assert source.asked == 0
    assert body.read(0) == b""
    assert source.asked == 0
    assert body.read() == b"a"


def test_reads_on_over_pieces_and_ends_for_good() -> None:
    body = body_of(b"ab", b"c", b"def")
    assert [body.read(3), body.read(2), body.read(9), body.read(1), body.read()] == [
        b"abc",
        b"de",
        b"f",
        b"",
        b"",
    ]


def test_reads_lines_over_pieces() -> None:
    assert list(body_of(b"a\nb", b"b\n", b"\ncc", b"c")) == [b"a\n", b"bb\n", b"\n", b"ccc"]
    assert next(body_of(b"a\nb")) == b"a\n"


def test_behaves_like_a_file_whatever_is_asked() -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(400):
        content = bytes(chance.choices(b"ab\n", k=chance.randrange(40)))
        cuts = sorted(chance.randrange(len(content) + 1) for _ in range(chance.randrange(6)))
        parts = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        body = body_of(*[part for part in parts if part])
        model = io.BufferedReader(io.BytesIO(content))
        for _ in range(chance.randrange(8)):
            size = chance.choice([-1, None, 0, 1, 2, 5, 100])
            method = chance.choice(["read", "readline", "readlines"])
            asked = f"{method}({size}), seed {seed}"
            assert getattr(body, method)(size) == getattr(model, method)(size), asked
        assert body.read() == model.read(), f"seed {seed}"
