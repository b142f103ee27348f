"""typhon_server as the application finds it, wherever Typhon is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from front import PACKAGE_FOLDER

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from typhon_worker.application import server_module
del sys.path[0]
server_module.offer()
server_module.offer()
before = sys.path[:]
from typhon_server import hooks
print(hooks.__file__)
assert sys.path == before
assert sys.meta_path[-1] is not sys.meta_path[-2]
"""


@pytest.mark.parametrize(
    "folder",
    [
        # A checkout and the npm package; and the wheel, where everything lies inside of the module.
        "python",
        "typhon_server/python",
    ],
)
def test_it_lies_beside_the_worker_or_around_it(tmp_path: Path, folder: str) -> None:
    sources = Path(PACKAGE_FOLDER)
    python = tmp_path / folder
    python.mkdir(parents=True)
    (python / "typhon_worker").symlink_to(sources / "typhon_worker")
    module = python / "typhon_server" if folder == "python" else tmp_path / "typhon_server"
    module.mkdir(exist_ok=True)
    for name in ("__init__.py", "hooks.py"):
        (module / name).write_text((sources / "typhon_server" / name).read_text())
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(python)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    assert found.stdout == f"{module}/hooks.py\n"
