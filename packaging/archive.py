"""Archives whose bytes depend on their content only: zip files of wheels, and tar files of sdists.

Entries have one time and modes without the umask, and stand in the order in which they are given.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Zip files have no earlier time (1980-01-01).
_EARLIEST = 315_532_800


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive."""

    content: bytes
    is_program: bool = False

    @property
    def mode(self) -> int:
        """Permissions without the type of the file."""
        return 0o755 if self.is_program else 0o644


Entries = Mapping[str, Entry]


def write_wheel(path: Path, entries: Entries, info: Entries, epoch: int, level: int = 9) -> None:
    """Write a wheel: `entries`, then the files of the folder *.dist-info, which RECORD ends."""
    folder = next(iter(info)).split("/")[0]
    record = f"{folder}/RECORD"
    whole = {**_sorted(entries), **_sorted(info)}
    lines = [
        f"{name},{_digest(entry.content)},{len(entry.content)}" for name, entry in whole.items()
    ]
    whole[record] = Entry("".join(f"{line}\n" for line in [*lines, f"{record},,"]).encode())
    date = time.gmtime(max(epoch, _EARLIEST))[:6]
    method = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, compresslevel=level or None) as archive:
        for name, entry in whole.items():
            item = zipfile.ZipInfo(name, date)
            item.external_attr = (0o100000 | entry.mode) << 16
            item.create_system = 3
            archive.writestr(item, entry.content, method, level or None)


def write_tar(path: Path, folder: str, entries: Entries, epoch: int) -> None:
    """Write a .tar.gz of `entries` below `folder`."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, entry in _sorted(entries).items():
            item = tarfile.TarInfo(f"{folder}/{name}")
            item.size = len(entry.content)
            item.mode = entry.mode
            item.mtime = epoch
            archive.addfile(item, io.BytesIO(entry.content))


def read_files(root: Path, names: list[Path]) -> dict[str, Entry]:
    """Return the files `names` of `root` by their paths below it."""
    return {
        name.relative_to(root).as_posix(): Entry(
            name.read_bytes(), bool(name.stat().st_mode & 0o100)
        )
        for name in names
    }


def _sorted(entries: Entries) -> dict[str, Entry]:
    return dict(sorted(entries.items()))


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
