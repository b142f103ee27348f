"""--log-config: how the application's loggers are set up, from a file, before it is imported.

.json, .toml, .yaml and .yml hold the object that logging.config.dictConfig takes; every other file
is one of logging.config.fileConfig.
"""

from __future__ import annotations

import os

from typhon_worker.process.tracebacks import describe

from .importer import LoadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def apply_file(path: str) -> None:
    """Configures `logging` as the file of --log-config says. Raises LoadError, with its name."""
    import logging.config

    suffix = os.path.splitext(path)[1].lower()
    try:
        if suffix in _READERS:
            logging.config.dictConfig(_READERS[suffix](path))
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False, encoding="utf-8")
    except Exception as error:
        raise _failure("--log-config", path, error) from None


def apply_object(config: dict[str, Any], option: str, path: str) -> None:
    """Configures `logging` as an object of gunicorn.conf.py says. Raises LoadError."""
    import logging.config

    try:
        # gunicorn adds the same two fields.
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **config})
    except Exception as error:
        raise _failure(option, path, error) from None


class _NoReader(Exception):
    """The interpreter cannot read files of this format."""


def _read_json(path: str) -> Any:
    import json

    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _read_toml(path: str) -> Any:
    # tomllib came with Python 3.11.
    toml = _import_one("TOML", "Python 3.11 or tomli", ("tomllib", "tomli"))
    with open(path, "rb") as file:
        return toml.load(file)


def _read_yaml(path: str) -> Any:
    yaml = _import_one("YAML", "PyYAML", ("yaml",))
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def _import_one(language: str, needed: str, names: tuple[str, ...]) -> Any:
    import importlib

    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise _NoReader(f"{language} needs {needed} in the application's environment")


_READERS = {".json": _read_json, ".toml": _read_toml, ".yaml": _read_yaml, ".yml": _read_yaml}


# The cause names what is wrong with a handler or a formatter. An exception of the application's own
# handler has a traceback worth reading.
def _failure(option: str, path: str, error: BaseException) -> LoadError:
    cause = error.__cause__ or error
    if isinstance(cause, (_NoReader, OSError, ValueError, TypeError, KeyError, ImportError)):
        text = f"{error}" if cause is error else f"{error}: {cause}"
        if not isinstance(cause, (_NoReader, ValueError, OSError)):
            text = f"{type(error).__name__}: {text}"
    else:
        text = describe(error)
    return LoadError("log-config", f"{option} {path}: {text}")
