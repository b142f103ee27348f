"""Importing the application: what `APP` on the command line means.

    module   module:callable   module:object.callable   path/to/file.py[:…]
    module:factory()   module:factory("literal", name=1)

A failure is explained in the operator's words, with the application's own traceback if its code
raised. candidates.py suggests what else may have been meant.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import ModuleType

from typhon_worker.process.process_setup import explain_unencodable
from typhon_worker.process.tracebacks import count_frames, describe, describe_type
from typhon_worker.wire.settings import Settings

from . import server_module
from .candidates import is_usual_factory, suggest_callables, suggest_instance, suggest_modules
from .interface import detect, is_factory, may_be_called_with, may_be_made_with
from .parts import inner_applications

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_NAMES = ("app", "application")


class LoadError(Exception):
    """The application did not load; `kind` is the protocol's (FAILED), the text explains."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Target:
    """The parts of APP."""

    def __init__(self, text: str) -> None:
        """Raises LoadError on a text that cannot mean an application."""
        self.text = text
        # Paths have no drive letters here, so the first colon ends the module.
        place, colon, attribute = text.partition(":")
        self.path = place if place.endswith(".py") or "/" in place else None
        self.module = place
        attribute, parenthesis, arguments = attribute.partition("(")
        self.is_factory = bool(parenthesis)
        self.arguments: list[Any] = []
        self.keywords: dict[str, Any] = {}
        if self.is_factory and arguments.strip() != ")":
            self.arguments, self.keywords = _read_arguments(text, arguments)
        self.attribute = attribute
        if not place or (colon and not attribute):
            raise LoadError("callable", f"'{text}': expected MODULE:CALLABLE, such as main:app")


# Literals only: APP is the operator's, but it is no program. "'a', b=1)" → (["a"], {"b": 1})
def _read_arguments(text: str, arguments: str) -> tuple[list[Any], dict[str, Any]]:
    import ast

    try:
        call = ast.parse(f"factory({arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        keywords = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in call.keywords}
        if "" in keywords:
            raise ValueError
        return [ast.literal_eval(argument) for argument in call.args], keywords
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        hint = "such as create_app('prod', debug=True)"
        raise LoadError(
            "callable", f"'{text}': the arguments of a factory are literals, {hint}"
        ) from None


class Loaded:
    """The application's callable, its interface, and what has to be said about them."""

    __slots__ = ("app", "doubt", "interface")

    def __init__(self, app: Any, interface: str, doubt: str = "") -> None:
        self.app = app
        self.interface = interface
        # For the log: why the interface may be the wrong one.
        self.doubt = doubt


def enter(settings: Settings) -> Target:
    """Makes this process the application's: folders, environment, sys.path, sys.argv.

    Raises LoadError. Done twice it does nothing.
    """
    # Before the application's folder is on sys.path: its ast.py is not the standard library's.
    target = Target(settings.app)
    if not settings.is_entered:
        _check_encoding(settings)
        _enter_folders(settings)
        _set_up_interpreter(settings)
        server_module.offer()
        settings.is_entered = True
    return target


def find_function(text: str, settings: Settings) -> Any:
    """Imports what "module:name" means to the application. Raises what the import raises."""
    target = enter(settings)
    if target.path is not None:
        _locate(target.path, settings)
    name, _, attribute = text.partition(":")
    __import__(name)
    return getattr(sys.modules[name], attribute)


def load(settings: Settings) -> Loaded:
    """Imports the application. Raises LoadError."""
    target = enter(settings)
    module = _import(target, settings)
    found, name = _find(target, module)
    if target.is_factory:
        found = _call_factory(target, found)
    if isinstance(found, ModuleType):
        raise LoadError("callable", _explain_module(name, found))
    if not callable(found):
        kind = "factory" if target.is_factory else "callable"
        verb = "returned" if target.is_factory else "is"
        raise LoadError(kind, f"'{name}' {verb} {describe_type(found)}, not a callable")
    return _choose_interface(target, name, found, settings.interface)


def check_folder(settings: Settings) -> None:
    """Raises LoadError if the application's folder is gone: its files are not to be read later."""
    target = Target(settings.app)
    is_file = target.path is not None and os.path.isabs(target.path)
    folder = os.path.dirname(str(target.path)) if is_file else settings.app_dir
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        text = f"there is no file {target.path}: " if is_file else ""
        raise LoadError("folder", f"{text}the folder {folder} is gone") from None
    except OSError:
        pass  # The import will tell.


# The launcher may have been started in the folder of another release. The interpreter and its
# packages may lie in a release too: then they are found by the name of the symbolic link.
def _enter_folders(settings: Settings) -> None:
    check_folder(settings)
    try:
        os.chdir(settings.cwd or ".")
    except OSError:
        pass  # The launcher has been in this folder from the start; it is closed or deleted.
    sys.path[:] = [_follow(entry, settings.moved) for entry in sys.path]
    for name in ("prefix", "exec_prefix", "executable"):
        setattr(sys, name, _follow(getattr(sys, name), settings.moved))


def _follow(path: str, moved: Mapping[str, str]) -> str:
    # The deepest folder first.
    for named in sorted(moved, key=len, reverse=True):
        if path == named or path.startswith(named + os.sep):
            return moved[named] + path[len(named) :]
    return path


def _check_encoding(settings: Settings) -> None:
    named = {"--app-dir": settings.app_dir, "APP": settings.app.partition(":")[0]}
    for name, value in settings.env.items():
        named[f"--env {ascii(name)[1:-1]}"] = f"{name}={value}"
    for option, text in named.items():
        fault = explain_unencodable(text)
        if fault:
            raise LoadError("module", f"{option}: {fault}")


# Environment, sys.path and sys.argv as the application expects to find them.
def _set_up_interpreter(settings: Settings) -> None:
    os.environ.update(settings.env)
    if "TZ" in settings.env:
        time.tzset()
    sys.path.insert(0, settings.app_dir)
    sys.argv[:] = [settings.app]


def _import(target: Target, settings: Settings) -> ModuleType:
    name = target.module
    if target.path is not None:
        name = _locate(target.path, settings)
    try:
        # importlib.import_module would add a frame of its own to every traceback.
        __import__(name)
        module = sys.modules[name]
    except BaseException as error:
        raise _explain_import(error, name, settings) from None
    expected = target.path and os.path.join(settings.app_dir, target.path)
    if expected and not _is_from(module, expected):
        owner = getattr(module, "__file__", None) or "the interpreter"
        text = f"'{target.path}' cannot be imported as '{name}': that name belongs to {owner}"
        raise LoadError("module", f"{text}; rename the file")
    return module


# Makes a file importable and returns its module name: the folder above its packages goes first on
# sys.path, as if Python had been started in that folder.
def _locate(path: str, settings: Settings) -> str:
    full = os.path.abspath(os.path.join(settings.app_dir, path))
    if os.path.isdir(full):
        raise LoadError("module", f"'{path}' is a folder; name a module or a .py file in it")
    if not os.path.isfile(full):
        hint = suggest_modules(os.path.basename(path).removesuffix(".py"), os.path.dirname(full))
        raise LoadError("module", f"there is no file {full}{hint}")
    folder, file = os.path.split(full)
    parts = [file.removesuffix(".py")]
    if not file.endswith(".py") or "." in parts[0]:
        raise LoadError("module", f"'{path}' is not importable: expected a name like app.py")
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if sys.path[0] != folder:
        sys.path.insert(0, folder)
    return ".".join(parts)


def _is_from(module: ModuleType, path: str) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and os.path.realpath(file) == os.path.realpath(path)


def _explain_import(error: BaseException, name: str, settings: Settings) -> LoadError:
    # Without a frame of the application its code never ran, so the application itself is missing.
    if isinstance(error, ModuleNotFoundError) and count_frames(error) == 0 and error.name:
        if name == error.name or name.startswith(f"{error.name}."):
            text = f"no module named '{error.name}' in {settings.app_dir}"
            return LoadError("module", text + suggest_modules(error.name, settings.app_dir))
        if error.name.startswith(f"{name}."):
            return LoadError("module", f"no module named '{error.name}'")
    if isinstance(error, (ImportError, ValueError, TypeError)) and count_frames(error) == 0:
        return LoadError("module", f"'{name}' cannot be imported: {error}")
    text = f"importing '{name}' failed"
    if isinstance(error, SystemExit):
        text = f"'{name}' ended the program while it was imported"
    elif isinstance(error, ModuleNotFoundError):
        text += f": the interpreter {sys.executable} has no module named '{error.name}'"
    return LoadError("import", f"{text}\n{describe(error)}")


def _find(target: Target, module: ModuleType) -> tuple[Any, str]:
    names = (target.attribute,) if target.attribute else DEFAULT_NAMES
    first = None
    for name in names:
        found: Any = module
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        # `app` may be a module of the package, or a place for an application that is not there yet.
        if callable(found):
            return found, f"{target.module}:{name}"
        first = first or (found, f"{target.module}:{name}")
    if first is not None and (target.attribute or not isinstance(first[0], ModuleType)):
        return first
    wanted = " or ".join(f"'{name}'" for name in names)
    text = f"module '{module.__name__}' has no {wanted}"
    raise LoadError("callable", text + suggest_callables(target.module, target.attribute, module))


def _explain_module(name: str, found: ModuleType) -> str:
    place = name.partition(":")[0]
    usual = [one for one in DEFAULT_NAMES if callable(getattr(sys.modules[place], one, None))]
    inner = [one for one in DEFAULT_NAMES if callable(getattr(found, one, None))]
    hints = [f"{place}:{one}" for one in usual] + [f"{found.__name__}:{one}" for one in inner]
    hint = f"; try '{hints[0]}'" if hints else ""
    return f"'{name}' is the module {found.__name__}, not a callable{hint}"


def _call_factory(target: Target, factory: Any) -> Any:
    if not callable(factory):
        raise LoadError("factory", f"'{target.text}': that is {describe_type(factory)}, no factory")
    try:
        return factory(*target.arguments, **target.keywords)
    except BaseException as error:
        raise LoadError("factory", f"'{target.text}' failed\n{describe(error)}") from None


# An interface that the operator asks for is used unless the callable certainly cannot be called
# like that.
def _choose_interface(target: Target, name: str, found: Any, wanted: str) -> Loaded:
    speaks = detect(found)
    if isinstance(found, type) and not may_be_made_with(found, speaks, wanted):
        text = f"'{name}' is a class, not an instance of one"
        raise LoadError("callable", f"{text}; {suggest_instance(name, found)}")
    if wanted == "wsgi":
        if speaks == "asgi" and not may_be_called_with(found, 2):
            text = f"'{name}' speaks ASGI: it takes (scope, receive, send)"
            raise LoadError("interface", f"{text}; leave --interface wsgi out")
        return Loaded(found, wanted)
    if speaks == "asgi":
        return Loaded(found, speaks)
    if wanted == "asgi":
        if may_be_called_with(found, 3) or may_be_called_with(found, 1):
            return Loaded(found, wanted)
        text = f"'{name}' cannot be an ASGI application: it does not take (scope, receive, send)"
        if may_be_called_with(found, 2):
            text += " (--interface wsgi serves it as WSGI)"
        raise LoadError("interface", text)
    if may_be_called_with(found, 2):
        is_named_so = is_usual_factory(name.rpartition(".")[2].rpartition(":")[2])
        if not target.is_factory and is_factory(found, is_named_so=is_named_so):
            call = f"'{name}()'" if may_be_called_with(found, 0) else f"'{name}(…)'"
            text = f"'{name}' looks like a factory, not like an application; write {call}"
            raise LoadError("callable", f"{text} (--interface wsgi serves it as it is)")
        return Loaded(found, "wsgi") if speaks else _look_inside(name, found)
    text = f"'{name}' cannot be a WSGI application: it does not take (environ, start_response)"
    if may_be_called_with(found, 3):
        text += "; --interface asgi serves it as ASGI"
    elif may_be_called_with(found, 0) and not target.is_factory:
        text += f"; if it makes the application, write '{name}()'"
    raise LoadError("callable", text)


# A callable that takes any arguments speaks as the application to which it passes them.
def _look_inside(name: str, found: Any) -> Loaded:
    for one in inner_applications(found):
        speaks = detect(one)
        if speaks:
            return Loaded(found, speaks)
    text = f"'{name}' takes any arguments and does not show its interface; it is served as WSGI"
    return Loaded(found, "wsgi", f"{text} (--interface wsgi or asgi decides)")
