"""Suggestions for an APP that was not found: modules in a folder, callables in a module.

They are made only after a failed start, so they may be slow. Each function returns the end of a
sentence, "" without a suggestion.
"""

from __future__ import annotations

import os
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

from .interface import has_method, may_be_called_with

MAX_SUGGESTIONS = 6
_USUAL_MODULES = ("app", "main", "wsgi", "application", "server")
_USUAL_FACTORIES = ("create_app", "make_app", "get_app", "create_application", "make_application")
_USUAL_METHODS = ("app", "wsgi_app", "asgi_app", "http_app", "make_wsgi_app")
# The modules of a Django project that hold its application.
_ENTRIES = ("wsgi", "asgi")


def is_usual_factory(name: str) -> bool:
    """Whether functions of that name usually make an application."""
    return name in _USUAL_FACTORIES


def suggest_modules(wanted: str, folder: str) -> str:
    """Suggests modules of `folder` that the name `wanted` may have meant."""
    name = wanted.partition(".")[0]
    present = _modules_in(folder)
    close = _closest(name, present)
    if close:
        return f"; did you mean '{close}'?"
    below = [entry for entry in _folders_in(folder) if name in _modules_in(f"{folder}/{entry}")]
    if below:
        return f"; there is one in {folder}/{below[0]}: --app-dir {folder}/{below[0]}"
    usual = [module for module in _USUAL_MODULES if module in present]
    if usual:
        return f"; there is {usual[0]}.py: try '{usual[0]}'"
    if present:
        return f"; there are: {', '.join(present[:MAX_SUGGESTIONS])}"
    return "; there is no Python file in that folder: is it the right one (--app-dir)?"


def suggest_callables(place: str, wanted: str, module: ModuleType) -> str:
    """Suggests callables of `module`, or modules beside it, that may have the application."""
    names = [name for name, value in vars(module).items() if _is_candidate(name, value, module)]
    factories = [name for name in _USUAL_FACTORIES if name in names]
    close = _closest(wanted, names) if wanted else None
    if close and close not in factories:
        return f"; did you mean '{place}:{close}'?"
    if factories:
        return f"; it has a factory: try '{place}:{factories[0]}()'"
    entries = _entry_modules(module)
    if entries:
        return f"; try {' or '.join(repr(entry) for entry in entries)}"
    if names:
        return f"; its callables: {', '.join(names[:MAX_SUGGESTIONS])}"
    file = getattr(module, "__file__", None)
    if file:
        return f" (it is {file})"
    folder = next(iter(getattr(module, "__path__", ())), None)
    return f"; it is a folder: typhon {folder} serves its files" if folder else ""


def suggest_instance(name: str, kind: type) -> str:
    """Suggests what to write in place of a class, which `name` names."""
    made = f"{kind.__name__}(…)"
    if not has_method(kind, "__call__"):
        makers = [maker for maker in _USUAL_METHODS if has_method(kind, maker)]
        made = f"{made}.{makers[0]}()" if makers else made
        return f"name an application, such as one that a module of yours makes: app = {made}"
    if may_be_called_with(kind, 0):
        return f"write '{name}()'"
    return f"name one that a module makes: app = {made}"


# Django's entry modules: mysite.wsgi beside manage.py, or in the package mysite itself.
def _entry_modules(module: ModuleType) -> list[str]:
    name, file = module.__name__, getattr(module, "__file__", None)
    folders = [(name, folder) for folder in getattr(module, "__path__", ())]
    if name == "manage" and file:
        beside = os.path.dirname(file)
        folders = [(entry, os.path.join(beside, entry)) for entry in _folders_in(beside)]
    return [
        f"{package}.{entry}"
        for package, folder in folders
        for entry in _ENTRIES
        if os.path.isfile(os.path.join(folder, f"{entry}.py"))
    ]


def _closest(name: str, names: list[str]) -> str | None:
    import difflib

    found = difflib.get_close_matches(name, names, 1)
    return found[0] if found else None


def _modules_in(folder: str) -> list[str]:
    found = []
    for entry in _entries(folder):
        stem, suffix = os.path.splitext(entry.name)
        is_package = entry.is_dir() and os.path.isfile(os.path.join(entry.path, "__init__.py"))
        if stem.isidentifier() and (suffix == ".py" or is_package):
            found.append(stem)
    return sorted(found)


def _folders_in(folder: str) -> list[str]:
    return sorted(
        entry.name for entry in _entries(folder) if entry.is_dir() and entry.name[0] != "."
    )


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


# A callable that the module defines, or an instance that it made of an imported class, as
# `app = Flask(__name__)` does.
def _is_candidate(name: str, value: object, module: ModuleType) -> bool:
    if name.startswith("_") or not callable(value):
        return False
    if isinstance(value, (BuiltinFunctionType, ModuleType)):
        return False
    if isinstance(value, (type, FunctionType)):
        return value.__module__ == module.__name__
    home = sys.modules.get(type(value).__module__)
    return home is not None and not type(value).__module__.startswith(("typing", "builtins"))
