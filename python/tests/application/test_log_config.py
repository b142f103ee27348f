"""--log-config: each format, before the application is imported, and what a mistake says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Serve
from typhon_worker.wire import frames

APP = """
import logging
logging.getLogger("shop").info("imported")
logging.getLogger("uvicorn.access").info("not here")

def app(environ, start_response): ...
"""
DICT = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"f": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
    "loggers": {
        "shop": {"level": "INFO", "handlers": ["h"]},
        "uvicorn.access": {"level": "WARNING", "handlers": ["h"], "propagate": False},
    },
}
TOML = """
version = 1
[formatters.f]
format = "%(levelname)s %(name)s: %(message)s"
[handlers.h]
class = "logging.StreamHandler"
formatter = "f"
[loggers.shop]
level = "INFO"
handlers = ["h"]
"""
YAML = """
version: 1
formatters: {f: {format: "%(levelname)s %(name)s: %(message)s"}}
handlers: {h: {class: logging.StreamHandler, formatter: f}}
loggers: {shop: {level: INFO, handlers: [h]}}
"""
INI = """
[loggers]
keys=root,shop
[handlers]
keys=h
[formatters]
keys=f
[logger_root]
handlers=
[logger_shop]
level=INFO
handlers=h
qualname=shop
[handler_h]
class=StreamHandler
formatter=f
args=()
[formatter_f]
format=%(levelname)s %(name)s: %(message)s
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.json", json.dumps(DICT)),
        ("log.toml", TOML),
        ("log.yaml", YAML),
        ("LOG.YML", YAML),
        ("log.ini", INI),
        ("logging.conf", INI),
    ],
)
def test_a_file_holds_before_the_import(
    serve: Serve, tmp_path: Path, name: str, content: str
) -> None:
    if name.endswith("toml"):
        pytest.importorskip("tomllib")
    path = tmp_path / name
    path.write_text(content)
    worker = serve(APP, log_config=str(path)).start_taking()
    assert worker.read_err() == "INFO shop: imported\n"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", "{", "Expecting property name"),
        ("a.json", "[]", ""),
        ("a.json", '{"version": 2}', "Unsupported version: 2"),
        (
            "a.json",
            json.dumps({**DICT, "handlers": {"h": {"class": "nowhere.Handler"}}}),
            "Unable to configure handler 'h': Cannot resolve 'nowhere.Handler'",
        ),
        ("a.toml", "a = ", "Invalid value"),
        ("a.yaml", "a: [", "while parsing"),
        ("a.ini", "", ""),
        ("a.ini", "[loggers]\nkeys=root", ""),
    ],
)
def test_a_mistake_is_a_failed_load_that_names_the_file(
    serve: Serve, tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    front = serve(APP, log_config=str(path))
    failure = front.start().expect(frames.FAILED).json()
    assert failure["kind"] == "log-config"
    assert failure["text"].startswith(f"--log-config {path}: ")
    assert sentence in failure["text"]
    assert "typhon_worker" not in failure["text"]
    assert front.hear("ended")["code"] == 3


def test_a_format_without_its_library_says_what_is_needed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise ImportError('hidden')\n")
    path = tmp_path / "a.yaml"
    path.write_text(YAML)
    failure = serve(APP, log_config=str(path)).start().expect(frames.FAILED).json()
    assert failure["text"] == (
        f"--log-config {path}: YAML needs PyYAML in the application's environment"
    )


def test_a_handler_of_the_application_can_be_named(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "own_logging.py").write_text(
        "import logging\nclass Own(logging.StreamHandler):\n"
        "    def format(self, record):\n        return 'own ' + record.getMessage()\n"
    )
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**DICT, "handlers": {"h": {"class": "own_logging.Own"}}}))
    worker = serve(APP, log_config=str(path)).start_taking()
    assert worker.read_err() == "own imported\n"
