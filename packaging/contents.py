"""Which files of a checkout, or of an unpacked sdist, belong into the Python packages."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from archive import Entry, read_files

ROOT = Path(__file__).resolve().parent.parent
# Which Node goes into the wheels of typhon-server-node, and the checksums of its npm packages.
NODE_FACTS = ROOT / "packaging" / "node.json"
_MODULE = "typhon_server"
# What runs of an npm package: its ES modules, which are all that Typhon imports.
_RUNS = {".js", ".mjs", ".json"}
_IDLE_FOLDERS = {"bin", "src", "test", "types", "umd"}
# To build dist/ from the sources anew.
_SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json")
_PAGES = ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml")


class CannotBuildError(Exception):
    """Why there will be no package, in one line."""


def version() -> str:
    """Return the version of package.json, which all packages have."""
    return str(read_json(ROOT / "package.json")["version"])


def node_version() -> str:
    """Return the version of Node that the wheels of typhon-server-node hold."""
    return str(read_json(NODE_FACTS)["version"])


def epoch() -> int:
    """Return the time of all files: SOURCE_DATE_EPOCH, else that of the sdist or of the commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    unpacked = ROOT / "PKG-INFO"
    if unpacked.exists():
        return int(unpacked.stat().st_mtime)
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(git, check=True, capture_output=True).stdout)


def wheel_files() -> dict[str, Entry]:
    """Return the files of the wheel: the module, and in it what the npm package has to run."""
    _check_build()
    # Without "type" Node would not take dist/ for modules.
    package = {"name": "typhon-server", "version": version(), "type": "module"}
    inside = {
        **_python_files("typhon_worker", "typhon_template"),
        **_built_files(),
        **_npm_files(),
        "package.json": Entry(json.dumps(package).encode()),
    }
    module = read_files(ROOT / "python", _python_sources(ROOT / "python" / _MODULE))
    return module | {f"{_MODULE}/{name}": entry for name, entry in inside.items()}


def sdist_files() -> dict[str, Entry]:
    """Return the files that a wheel is made of, and the TypeScript sources of dist/."""
    _check_build()
    sources = [path for path in (ROOT / "src").rglob("*") if path.is_file()]
    tools = [*(ROOT / "packaging").glob("*.*"), ROOT / "tools" / "build.sh"]
    pages = [ROOT / name for name in (*_SOURCES, *_PAGES)]
    return {
        **_python_files("typhon_worker", "typhon_template", _MODULE),
        **_built_files(),
        **_npm_files(),
        **read_files(ROOT, [*sources, *tools, *pages]),
    }


def npm_packages() -> list[Path]:
    """Return the folders of the npm packages that run in the server, ordered by their names."""
    modules = ROOT / "node_modules"
    found: dict[str, Path] = {}
    waiting = list(read_json(ROOT / "package.json")["dependencies"])
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = modules / name
        if (found[name] / "node_modules").exists():
            raise CannotBuildError(f"{name} has packages of its own, which the wheel cannot hold")
        waiting += read_json(found[name] / "package.json").get("dependencies", {})
    return [found[name] for name in sorted(found)]


def license_of(package: Path) -> tuple[str, str, bytes]:
    """Return name and version, the SPDX expression and the text of a package's licence."""
    facts = read_json(package / "package.json")
    texts = sorted(package.glob("LICEN[CS]E*"))
    if not texts or "license" not in facts:
        raise CannotBuildError(f"{package.name} has no licence")
    return f"{facts['name']} {facts['version']}", facts["license"], texts[0].read_bytes()


def third_party() -> bytes:
    """Return the licences of everything that the wheel bundles."""
    parts = [b"Typhon's Python package holds these npm packages, each under its own licence.\n"]
    for package in npm_packages():
        name, expression, text = license_of(package)
        parts.append(f"\n\n{'=' * 78}\n{name} ({expression})\n{'=' * 78}\n\n".encode() + text)
    return b"".join(parts)


def _python_files(*names: str) -> dict[str, Entry]:
    folders = [ROOT / "python" / name for name in names]
    return read_files(ROOT, [path for folder in folders for path in _python_sources(folder)])


def _python_sources(folder: Path) -> list[Path]:
    return [*folder.rglob("*.py"), *folder.glob("py.typed")]


def _built_files() -> dict[str, Entry]:
    files = (path for path in (ROOT / "dist").rglob("*") if path.is_file())
    return read_files(ROOT, [path for path in files if not _is_idle(path)])


def _npm_files() -> dict[str, Entry]:
    files = [
        path
        for package in npm_packages()
        for path in package.rglob("*")
        if path.is_file() and _runs(path.relative_to(package))
    ]
    return read_files(ROOT, files)


def _runs(path: Path) -> bool:
    if path.name.startswith(("LICENSE", "LICENCE")):
        return True
    return path.suffix in _RUNS and path.parts[0] not in _IDLE_FOLDERS


def _is_idle(path: Path) -> bool:
    return path.name == ".built" or path.name.endswith((".d.ts", ".map"))


def _check_build() -> None:
    """Refuse a dist/ that is missing or, in a checkout, older than the sources."""
    if not (ROOT / "dist/cli/main.js").exists() or not (ROOT / "node_modules").is_dir():
        raise CannotBuildError("dist/ or node_modules/ is missing; run: npm ci")
    built = ROOT / "dist/.built"
    sources = (ROOT / "src").rglob("*.ts")
    if built.exists() and any(one.stat().st_mtime > built.stat().st_mtime for one in sources):
        raise CannotBuildError("dist/ is older than the sources; run: npm run build")


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file."""
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts
