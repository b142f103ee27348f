"""The files of an application, and the directories in which the front opens them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from typhon_worker.process.run_directory import RunFiles


def test_knows_a_removed_directory_though_another_user_has_made_its_path_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    files = RunFiles(str(directory), 1)
    files.hand_over()
    assert files.is_handing_over
    directory.rename(tmp_path / "gone")
    directory.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    files.hand_over()
    assert not files.is_handing_over
    for fd in (files.queue, files.lifeline, files.cancels):
        os.close(fd)
