"""Hints about modules that Python has dropped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from typhon_worker.cgi.hints import Hints
from warm_runs import Runner

ERROR = "Traceback …\nModuleNotFoundError: No module named 'cgi'\n"


def test_is_given_once_for_a_program() -> None:
    hints = Hints()
    assert "pip install legacy-cgi" in hints.add(b"/a", ERROR)
    assert hints.add(b"/a", ERROR) == ERROR
    assert hints.add(b"/b", ERROR).startswith(ERROR)


@pytest.mark.parametrize(
    "text",
    [
        "ModuleNotFoundError: No module named 'cgitools'\n",
        "a line about ModuleNotFoundError: No module named 'cgi'\n",
        "",
    ],
)
def test_is_not_given_for_other_errors(text: str) -> None:
    assert Hints().add(b"/a", text) == text


@pytest.mark.parametrize("module", ["cgi", "cgitb"])
def test_reaches_the_log_of_a_cold_program(tmp_path: Path, module: str) -> None:
    runner = Runner(tmp_path, sys.executable)
    program = runner.write(f"raise ModuleNotFoundError(\"No module named '{module}'\")")
    assert "pip install legacy-cgi" in runner.run_cold(program).error
    assert "legacy-cgi" not in runner.run_cold(program).error
    runner.close()
