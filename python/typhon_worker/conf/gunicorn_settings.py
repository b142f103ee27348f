"""Runs a gunicorn.conf.py and writes its settings to descriptor 3, as one line of JSON.

A script, run by the interpreter of the application in the folder where the server was started:
gunicorn_settings.py FILE|python:MODULE NAME,… SECONDS   (names of settings; time for the file)

The line is {"file", "settings", "hooks", "env"} or {"error", "line", "trace"}; each
setting is a list of texts.
As under gunicorn the file is a module named __config__, that folder leads sys.path, and names that
are no setting count for nothing.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # This script's folder; the file's own imports must not find its neighbours.
    del sys.path[0]

import importlib
import importlib.machinery
import importlib.util
import json
import os
import signal

RESULT_FD = 3
MAX_TRACE = 4000
MAX_WORDS = 200
MODULE = "python:"

HOOKS = (
    "on_starting",
    "on_reload",
    "when_ready",
    "pre_fork",
    "post_fork",
    "post_worker_init",
    "worker_int",
    "worker_abort",
    "pre_exec",
    "pre_request",
    "post_request",
    "child_exit",
    "worker_exit",
    "nworkers_changed",
    "on_exit",
)


def main() -> None:
    target, names, seconds = sys.argv[1:4]
    sys.argv[1:] = []
    # The server stops it earlier, unless it has been killed itself.
    signal.alarm(int(seconds))
    folder = os.getcwd()
    sys.path.insert(0, folder)
    before = dict(os.environ)
    # Of this copy the program knows nothing: what it starts does not hold the pipe open.
    result_fd = os.dup(RESULT_FD)
    os.close(RESULT_FD)
    try:
        found = _run(target)
        result: dict[str, object] = {
            "file": os.path.abspath(str(found.get("__file__") or target)),
            "settings": {name: _texts(found[name]) for name in names.split(",") if name in found},
            "hooks": [name for name in HOOKS if callable(found.get(name))],
            "env": {name: text for name, text in os.environ.items() if before.get(name) != text},
        }
    except BaseException as error:  # sys.exit() and KeyboardInterrupt, too
        result = _explain(error, target)
    line = json.dumps(result).encode() + b"\n"
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    while line:
        line = line[os.write(result_fd, line) :]
    # Threads of the file, and functions for the end of the process, are not waited for.
    os._exit(0)


def _run(target: str) -> dict[str, object]:
    if target.startswith(MODULE):
        return vars(importlib.import_module(target[len(MODULE) :]))
    loader = importlib.machinery.SourceFileLoader("__config__", target)
    spec = importlib.util.spec_from_file_location("__config__", target, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["__config__"] = module
    # No __pycache__ beside a file of settings.
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return vars(module)


# A value as texts: one for each element of a list, else one. None is no value.
def _texts(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (set, frozenset)):
        return sorted(_text(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [_text(item) for item in value]
    return [_text(value)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value) if isinstance(value, (str, float)) else repr(value)[:MAX_WORDS]


def _explain(error: BaseException, target: str) -> dict[str, object]:
    import traceback

    line: int | None = None
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and frame.name]
    ours = [frame for frame in own if frame.filename == target]
    if ours:
        line = ours[-1].lineno
    if isinstance(error, SyntaxError) and error.filename == target:
        line = error.lineno
    if isinstance(error, SystemExit):
        text = f"it has called sys.exit({'' if error.code is None else repr(error.code)})"
    else:
        text = "".join(traceback.format_exception_only(type(error), error)).strip().split("\n")[-1]
    # Frames of the import system and of this script explain nothing.
    shown = [frame for frame in own if not frame.filename.startswith("<frozen importlib")]
    trace = "" if len(shown) < 2 else "".join(traceback.format_list(shown)).rstrip()
    return {"error": text, "line": line, "trace": trace[-MAX_TRACE:]}


if __name__ == "__main__":
    main()
