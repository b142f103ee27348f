"""Which Node runs Typhon: programs in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from typhon_server import nodes


def test_a_program_that_writes_a_little_now_and_then_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_ASK_SECONDS", 0.3)
    program = tmp_path / "node"
    program.write_text('#!/bin/sh\nwhile :; do echo >> "$0.count"; printf x; sleep 0.1; done\n')
    program.chmod(0o755)
    assert not nodes.ask(str(program)).can_run
    # Each byte may not have a time limit of its own.
    count = tmp_path / "node.count"
    assert not count.exists() or len(count.read_bytes()) < 40
