"""What the command of the Python package tells of the environment that it was installed in."""

from __future__ import annotations

from pathlib import Path

import typhon_server
from typhon_server.__main__ import kind_of_environment


def test_kinds_of_environments(tmp_path: Path) -> None:
    here = str(tmp_path)
    assert kind_of_environment(here, here) == "system"
    assert kind_of_environment(here, "/usr") == "venv"
    assert kind_of_environment("/home/u/.cache/uv/archive-v0/x1", "/usr") == "tool"
    for receipt in ("pipx_metadata.json", "uv-receipt.toml"):
        (tmp_path / receipt).touch()
        assert kind_of_environment(here, "/usr") == "tool"
        (tmp_path / receipt).unlink()


def test_the_version_is_one() -> None:
    package = (Path(typhon_server.__file__).parents[2] / "package.json").read_text()
    assert f'"version": "{typhon_server.__version__}"' in package
