"""Makes the wheels of typhon-server-node: Node itself, as npm has it, for glibc on Linux.

    python packaging/node_wheel.py FOLDER [x86_64 | aarch64 | any …] [--installed] [--stored]

`any` is the wheel for all other systems: it holds no Node. npm fetches the packages whose names and
checksums packaging/node.json has; `--installed` takes what node_modules/ has of that version.
`--stored` does not compress, for tests.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from archive import Entry, write_wheel
from contents import NODE_FACTS, ROOT, CannotBuildError, epoch, node_version, read_json
from metadata import Metadata

# Symbol versions of glibc that a program needs, as its dynamic string table has them.
_GLIBC = re.compile(rb"\0GLIBC_2\.(\d+)(?=\0)")
# What every manylinux_2_28 system has of the C++ library (PEP 600).
_NEWEST_GLIBCXX = 25
_GLIBCXX = re.compile(rb"\0GLIBCXX_3\.4\.(\d+)(?=\0)")
_MODULE = '''"""Node {version} for Typhon, as npm's {source} has it."""

from __future__ import annotations

import os

VERSION = "{version}"
PATH: str | None = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "node")
'''
_EMPTY_MODULE = '''"""No Node: there is none for this system. Typhon takes the one on PATH."""

from __future__ import annotations

VERSION = "{version}"
PATH: str | None = None
'''


def manylinux_tag(program: bytes, machine: str) -> str:
    """Return the platform tag of an ELF program by the newest glibc that it needs (PEP 600)."""
    minors = [int(minor) for minor in _GLIBC.findall(program)]
    cxx = [int(minor) for minor in _GLIBCXX.findall(program)]
    if not minors or max(minors) > 28 or max(cxx, default=0) > _NEWEST_GLIBCXX:
        raise CannotBuildError("this Node needs a newer system than manylinux_2_28")
    return f"manylinux_2_{max(minors)}_{machine}"


def build(folder: Path, machine: str, *, is_installed: bool, level: int = 9) -> str:
    """Write one wheel into `folder` and return the name of its file."""
    version = node_version()
    if machine == "any":
        tag = "py3-none-any"
        source = _EMPTY_MODULE
        licenses = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
        entries: dict[str, Entry] = {}
    else:
        package = read_json(NODE_FACTS)["packages"][machine]
        program, text = _installed(package) if is_installed else _fetched(package)
        tag = f"py3-none-{manylinux_tag(program, machine)}"
        source = _MODULE.replace("{source}", package["name"])
        licenses = {"LICENSE": text}
        entries = {"typhon_server_node/bin/node": Entry(program, is_program=True)}
    entries["typhon_server_node/__init__.py"] = Entry(source.replace("{version}", version).encode())
    facts = Metadata(
        name="typhon-server-node",
        version=version,
        summary="Node.js for typhon-server, unchanged",
        # Node's own licence; LICENSE has those of its parts.
        license_expression="MIT",
        description="Node.js as npm has it, for the web server Typhon. It has no commands.\n",
        licenses=licenses,
    )
    name = f"{facts.file_name}-{version}-{tag}.whl"
    write_wheel(folder / name, entries, facts.dist_info(tag), epoch(), level)
    return name


def _installed(package: dict[str, str]) -> tuple[bytes, bytes]:
    folder = ROOT / "node_modules" / package["name"]
    facts = folder / "package.json"
    if not facts.exists() or read_json(facts)["version"] != node_version():
        return _fetched(package)
    return (folder / "bin/node").read_bytes(), (folder / "LICENSE").read_bytes()


def _fetched(package: dict[str, str]) -> tuple[bytes, bytes]:
    name = f"{package['name']}@{node_version()}"
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--json", "--pack-destination", folder, name]
        told = subprocess.run(pack, check=True, capture_output=True, cwd=folder).stdout
        tarball = Path(folder, _file_name(told)).read_bytes()
    digest = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if package["integrity"] != f"sha512-{digest}":
        raise CannotBuildError(f"{name} has another checksum than packaging/node.json")
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        return _read(archive, "package/bin/node"), _read(archive, "package/LICENSE")


def _file_name(told: bytes) -> str:
    # npm 11 tells a list, npm 12 an object by names.
    packed = json.loads(told)
    first = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
    return str(first["filename"])


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise CannotBuildError(f"the npm package has no file {name}")
    return file.read()


def main(words: list[str]) -> None:
    """Make the wheels that the command line names, all three by default."""
    options = {word for word in words if word.startswith("--")}
    folder, *machines = [word for word in words if word not in options]
    for machine in machines or ["x86_64", "aarch64", "any"]:
        is_installed = "--installed" in options
        level = 0 if "--stored" in options else 9
        print(build(Path(folder), machine, is_installed=is_installed, level=level))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotBuildError as error:
        sys.exit(f"node_wheel: {error}")
