"""Wheels and sdists depend on their content only; the check finds what an index would refuse."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.errors import ExceptionGroup

from archive import Entry, read_files, write_tar, write_wheel
from check import BadPackageError, check_sdist, check_wheel
from metadata import Metadata

FACTS = Metadata(
    name="typhon-example",
    version="1.2",
    summary="An example",
    license_expression="MIT",
    requires=('typhon-server >= 1 ; sys_platform == "linux"',),
    description="# Example\n",
    licenses={"LICENSE": b"free"},
)
NAME = "typhon_example-1.2-py3-none-any.whl"
ENTRIES = {"b/program": Entry(b"#!", is_program=True), "a.py": Entry(b"x = 1\n" * 100)}


def _wheel(path: Path, facts: Metadata = FACTS, tag: str = "py3-none-any") -> Path:
    write_wheel(path, ENTRIES, facts.dist_info(tag), 1_700_000_000)
    return path


def test_the_order_of_entries_does_not_count(tmp_path: Path) -> None:
    info = FACTS.dist_info("py3-none-any")
    first, second = tmp_path / "1.whl", tmp_path / "2.whl"
    write_wheel(first, ENTRIES, info, 1_700_000_000)
    write_wheel(second, dict(reversed(ENTRIES.items())), info, 1_700_000_000)
    assert first.read_bytes() == second.read_bytes()


def test_modes_and_times_are_fixed(tmp_path: Path) -> None:
    with zipfile.ZipFile(_wheel(tmp_path / NAME)) as archive:
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        assert {one.date_time for one in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    assert (modes["b/program"], modes["a.py"]) == (0o100755, 0o100644)
    write_tar(tmp_path / "a.tar.gz", "a-1", ENTRIES, 7)
    with tarfile.open(tmp_path / "a.tar.gz") as sdist:
        told = [(one.name, one.mode, one.mtime, one.uid, one.uname) for one in sdist]
    assert told == [("a-1/a.py", 0o644, 7, 0, ""), ("a-1/b/program", 0o755, 7, 0, "")]


def test_files_keep_whether_they_can_be_run(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("f")
    (tmp_path / "p").write_text("p")
    os.chmod(tmp_path / "p", 0o700)
    found = read_files(tmp_path, [tmp_path / "f", tmp_path / "p"])
    assert {name: one.mode for name, one in found.items()} == {"f": 0o644, "p": 0o755}


def test_a_well_made_wheel_passes(tmp_path: Path) -> None:
    check_wheel(_wheel(tmp_path / NAME))
    name = "typhon_example-1.2-py3-none-manylinux_2_28_x86_64.whl"
    check_wheel(_wheel(tmp_path / name, tag="py3-none-manylinux_2_28_x86_64"))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("typhon_example-1.3-py3-none-any.whl", KeyError),
        ("typhon_example-1.2-py2.py3-none-any.whl", BadPackageError),
    ],
)
def test_another_name_than_that_of_the_content(
    tmp_path: Path, name: str, fault: type[Exception]
) -> None:
    path = _wheel(tmp_path / name)
    with pytest.raises(fault):
        check_wheel(path)


@pytest.mark.parametrize("place", ["a.py", "b/new.py"])
def test_a_file_that_record_does_not_have(tmp_path: Path, place: str) -> None:
    path = _wheel(tmp_path / NAME)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, place: b"changed"}.items():
            archive.writestr(name, content)
    with pytest.raises(BadPackageError, match="RECORD"):
        check_wheel(path)


@pytest.mark.parametrize(
    "change",
    [
        {"license_expression": "Mine"},
        {"requires": ("typhon server !",)},
        {"summary": "two\nSummary: lines"},
        {"description": ""},
    ],
)
def test_metadata_that_an_index_refuses(tmp_path: Path, change: dict[str, object]) -> None:
    facts = {name: getattr(FACTS, name) for name in FACTS.__slots__} | change
    path = _wheel(tmp_path / NAME, Metadata(**facts))
    with pytest.raises((BadPackageError, ExceptionGroup)):
        check_wheel(path)


def test_an_sdist(tmp_path: Path) -> None:
    path = tmp_path / "typhon_example-1.2.tar.gz"
    files = {"PKG-INFO": Entry(FACTS.render()), "pyproject.toml": Entry(b"")}
    write_tar(path, "typhon_example-1.2", files, 7)
    check_sdist(path)
    write_tar(path, "typhon_example-1.2", {"PKG-INFO": files["PKG-INFO"]}, 7)
    with pytest.raises(BadPackageError):
        check_sdist(path)
