"""The platform tag of a Node is read from its program."""

from __future__ import annotations

import pytest

from contents import CannotBuildError
from node_wheel import manylinux_tag


@pytest.mark.parametrize(
    ("symbols", "tag"),
    [
        (
            [b"GLIBC_2.2.5", b"GLIBC_2.28", b"GLIBC_2.17", b"GLIBCXX_3.4.21"],
            "manylinux_2_28_arm",
        ),
        ([b"GLIBC_2.17"], "manylinux_2_17_arm"),
    ],
)
def test_the_newest_symbol_of_glibc_counts(symbols: list[bytes], tag: str) -> None:
    assert manylinux_tag(b"\x7fELF\0" + b"\0".join(symbols) + b"\0", "arm") == tag


@pytest.mark.parametrize(
    "symbols", [[b"GLIBC_2.34"], [b"GLIBC_2.28", b"GLIBCXX_3.4.30"], [b"malloc"]]
)
def test_a_program_for_newer_systems_is_refused(symbols: list[bytes]) -> None:
    with pytest.raises(CannotBuildError):
        manylinux_tag(b"\x7fELF\0" + b"\0".join(symbols) + b"\0", "x86_64")
