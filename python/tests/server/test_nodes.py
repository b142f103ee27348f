"""Which Node the command of the Python package takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from typhon_server import nodes


@pytest.mark.parametrize(
    ("installed_and_on_path", "chosen"),
    [
        # The newest one without known holes.
        (["v24.22.3", "v24.23.0"], 1),
        (["v24.23.0", "v24.22.3"], 0),
        (["v24.22.3", "v26.13.1"], 1),
        (["v24.22.3", "v28.0.0"], 1),
        # Of equals the first, which pip has brought.
        (["v24.22.3", "v24.22.3"], 0),
        # A newer one with known holes loses, also one of a line that has ended.
        (["v24.22.3", "v26.13.0"], 0),
        (["v24.22.3", "v25.99.0"], 0),
        (["v24.19.0", "v24.22.3"], 1),
        # Without a safe one: the newest.
        (["v24.19.0", "v24.21.0"], 1),
        (["v24.19.0", "v22.30.0"], 0),
        # A pre-release only where there is no other.
        (["v24.22.3", "v27.0.0-nightly2026"], 0),
        (["v24.19.0", "v27.0.0-rc.1"], 0),
        (["v27.0.0-rc.1"], 0),
        # None that runs Typhon.
        (["v22.30.0"], None),
        (["v20.20.2", ""], None),
        (["v24"], None),
        ([], None),
    ],
)
def test_choice(installed_and_on_path: list[str], chosen: int | None) -> None:
    found = [nodes.Node(f"/{at}", text) for at, text in enumerate(installed_and_on_path)]
    best = nodes.choose(found)
    assert (None if best is None else best.path) == (None if chosen is None else f"/{chosen}")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v24.22.3", (24, 22, 3)),
        ("v27.0.0-nightly20261101", (27, 0, 0)),
        ("24.22.3", (24, 22, 3)),
        ("", (0, 0, 0)),
        ("v24.22", (0, 0, 0)),
        ("v24.x.1", (0, 0, 0)),
        ("v²4.1.1", (0, 0, 0)),
        ("asdf: no version is set", (0, 0, 0)),
    ],
)
def test_version(text: str, version: nodes.Version) -> None:
    assert nodes.parse_version(text) == version


def _program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_ask_reads_a_version(tmp_path: Path) -> None:
    program = _program(tmp_path / "node", 'echo "v24.22.3 $*"; echo warning >&2\n')
    assert nodes.ask(program).text == "v24.22.3 --version"


@pytest.mark.parametrize("text", ["exit 1\n", "echo broken\n", "exec cat /dev/zero\n"])
def test_what_says_no_version_is_no_node(tmp_path: Path, text: str) -> None:
    assert not nodes.ask(_program(tmp_path / "node", text)).can_run


def test_what_cannot_be_run_is_no_node(tmp_path: Path) -> None:
    assert not nodes.ask(str(tmp_path / "gone")).can_run


def test_a_program_that_says_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_ASK_SECONDS", 0.05)
    assert not nodes.ask(_program(tmp_path / "node", "exec sleep 600\n")).can_run


def test_programs_are_found_as_a_shell_does(tmp_path: Path) -> None:
    first = _program(tmp_path / "a" / "node", "")
    second = _program(tmp_path / "b" / "node", "")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "node").write_text("no program")
    path = f"{tmp_path}/none:{tmp_path}/c:{tmp_path}/a:{tmp_path}/b"
    assert nodes.find_program("node", path) == first
    assert nodes.find_program(second, path) == second
    assert nodes.find_program(f"{tmp_path}/c/node", path) is None
    assert nodes.find_program("node", "") is None
