"""Checks finished wheels and sdists as an index and an installer would.

    python packaging/check.py FILE …

Needs `packaging`, PyPI's own library for names, tags and metadata.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename


class BadPackageError(Exception):
    """What an index or an installer would refuse."""


def check_wheel(path: Path) -> None:
    """Raise an error if name, tags, metadata, licences or checksums of a wheel do not agree."""
    name, version, _, tags = parse_wheel_filename(path.name)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        files = {one: archive.read(one) for one in names}
    if len(names) != len(files):
        raise BadPackageError("a file is there twice")
    folder = f"{str(name).replace('-', '_')}-{version}.dist-info"
    facts = _metadata(files[f"{folder}/METADATA"], str(name), str(version))
    if any(f"{folder}/licenses/{one}" not in files for one in facts.license_files or []):
        raise BadPackageError("a licence is missing")
    said = files[f"{folder}/WHEEL"].decode().splitlines()
    if {f"Tag: {tag}" for tag in tags} != {line for line in said if line.startswith("Tag: ")}:
        raise BadPackageError("WHEEL has other tags than the name")
    record = f"{folder}/RECORD"
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(files[record].decode()))}
    wanted = {one: _row(content) for one, content in files.items()} | {record: ["", ""]}
    if rows != wanted:
        raise BadPackageError("RECORD is not that of the files")


def check_sdist(path: Path) -> None:
    """Raise an error if name and metadata of an sdist do not agree, or if it cannot be built."""
    name, version = parse_sdist_filename(path.name)
    folder = path.name.removesuffix(".tar.gz")
    with tarfile.open(path) as archive:
        names = archive.getnames()
        file = archive.extractfile(f"{folder}/PKG-INFO")
        text = b"" if file is None else file.read()
    _metadata(text, str(name), str(version))
    if f"{folder}/pyproject.toml" not in names or any(
        not one.startswith(f"{folder}/") or ".." in one.split("/") for one in names
    ):
        raise BadPackageError("an sdist is one folder with a pyproject.toml")


def _metadata(text: bytes, name: str, version: str) -> Metadata:
    facts = Metadata.from_email(text)
    if (facts.name, str(facts.version)) != (name, version):
        raise BadPackageError("the metadata have another name or version than the file")
    if not facts.description or facts.description_content_type != "text/markdown":
        raise BadPackageError("there is no description in Markdown")
    return facts


def _row(content: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [f"sha256={digest}", str(len(content))]


if __name__ == "__main__":
    for word in sys.argv[1:]:
        given = Path(word)
        (check_wheel if given.suffix == ".whl" else check_sdist)(given)
        print(f"{given.name} is well made")
