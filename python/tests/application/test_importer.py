"""What APP means, and what is said where it means nothing. Each case in a worker of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import write_module
from front import Front, response_to
from typhon_worker.wire import frames

WSGI = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [__name__.encode() + b" app"]

def application(environ, start_response):
    start_response("200 OK", [])
    return [__name__.encode() + b" application"]

def create_app(name="made", *, debug=False):
    def made(environ, start_response):
        start_response("200 OK", [])
        return [f"{name} debug".encode() if debug else name.encode()]
    return made

class Site:
    def __init__(self):
        self.app = app
    def __call__(self, environ, start_response):
        return application(environ, start_response)
    def make(self):
        return self.app

class Named:
    def __init__(self, files, config): ...
    def __call__(self, environ, start_response): ...

class Data:
    def __init__(self, files=None, memory=False): ...
    def app(self): ...

def make_class():
    return Named

def make_site(config=None, debug=False): ...

site = Site()
_private = 5
number = 5
"""


def load(folder: Path, app: str, **settings: Any) -> str:
    """Starts a worker: "" if it is ready, else kind and text of what it failed with."""
    with Front(app, str(folder), **settings) as front:
        worker = front.start()
        frame = worker.next_frame()
        if frame.kind == frames.READY:
            return ""
        assert frame.kind == frames.FAILED
        failed = frame.json()
        assert front.hear("ended")["code"] == 3
        assert "typhon_worker" not in failed["text"], failed["text"]
        assert "importlib" not in failed["text"], failed["text"]
        return f"{failed['kind']}: {failed['text']}"


def ready(folder: Path, source: str, **settings: Any) -> dict[str, str]:
    """Starts a worker for `app` of this source; returns what READY tells."""
    write_module(folder, source, "main")
    with Front("main:app", str(folder), lifespan="off", **settings) as front:
        told: dict[str, str] = front.start().expect(frames.READY).json()
        return told


@pytest.mark.parametrize(
    ("app", "response"),
    [
        ("main:app", "main app"),
        ("main", "main app"),
        ("main:application", "main application"),
        ("main:create_app()", "made"),
        ("main:create_app( )", "made"),
        ("main:create_app('prod')", "prod"),
        ("main:create_app('a/b:c.py (1)', debug=True)", "a/b:c.py (1) debug"),
        ("main.py:create_app(name='x.py:y')", "x.py:y"),
        ("main:site", "main application"),
        ("main:site.app", "main app"),
        ("main:site.make()", "main app"),
        ("./main.py", "main app"),
        ("main.py:application", "main application"),
        ("package.inner:app", "package.inner app"),
        ("package/inner.py:app", "package.inner app"),
        ("package/__init__.py", "package app"),
        ("package", "package app"),
        ("folder/deep.py", "deep app"),
        ("only_application", "only_application application"),
        ("holds_app_module", "holds_app_module application"),
        ("relative/user.py", "relative.lib app"),
        ("my-site.py", "my-site app"),
    ],
)
def test_finds_the_application(tmp_path: Path, app: str, response: str) -> None:
    for name in ("main", "package/__init__", "package/inner", "folder/deep", "my-site"):
        write_module(tmp_path, WSGI, name)
    no_app = WSGI.replace("def app(", "def another(").replace("= app\n", "= None\n")
    write_module(tmp_path, no_app, "only_application")
    write_module(tmp_path, "from . import app" + no_app, "holds_app_module/__init__")
    write_module(tmp_path, "", "holds_app_module/app")
    write_module(tmp_path, "", "relative/__init__")
    write_module(tmp_path, WSGI, "relative/lib")
    write_module(tmp_path, "from .lib import app", "relative/user")
    with Front(app, str(tmp_path)) as front:
        worker = front.start_taking()
        assert response_to(worker, front.ask())[1].decode() == response


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("mian:app", "module: no module named 'mian' in {folder}; did you mean 'main'?"),
        ("app:app", "module: no module named 'app' in {folder}; there is main.py: try 'main'"),
        (
            "shop:app",
            (
                "module: no module named 'shop' in {folder}; "
                "there is one in {folder}/below: --app-dir {folder}/below"
            ),
        ),
        (
            "main.inner:app",
            "module: no module named 'main.inner' in {folder}; did you mean 'main'?",
        ),
        ("nowhere/x.py", "module: there is no file {folder}/nowhere/x.py"),
        ("man.py", "module: there is no file {folder}/man.py; did you mean 'main'?"),
        ("below/", "module: 'below/' is a folder; name a module or a .py file in it"),
        (".main:app", "module: '.main' cannot be imported: "),
        ("signal.py", "module: 'signal.py' cannot be imported as 'signal': that name belongs to "),
        ("broken.module.py", "module: 'broken.module.py' is not importable: expected a name like"),
        (":app", "callable: ':app': expected MODULE:CALLABLE, such as main:app"),
        ("main:", "callable: 'main:': expected MODULE:CALLABLE, such as main:app"),
        (
            "main:create_app(name)",
            "callable: 'main:create_app(name)': the arguments of a factory are literals, such as",
        ),
        *(
            (f"main:create_app{rest}", f"callable: 'main:create_app{rest}': the arguments of a")
            for rest in (
                "('x'",
                "(*'x')",
                "(**'a')",
                "()('x')",
                "('x')(",
                "(f())",
                "(\0)",
                "() + 1",
            )
        ),
        ("main:ap", "callable: module 'main' has no 'ap'; did you mean 'main:app'?"),
        (
            "factories:app",
            (
                "callable: module 'factories' has no 'app'; "
                "it has a factory: try 'factories:create_app()'"
            ),
        ),
        (
            "others",
            "callable: module 'others' has no 'app' or 'application'; its callables: serve, Thing",
        ),
        ("main:number", "callable: 'main:number' is an int, not a callable"),
        ("main:site.nothing", "callable: module 'main' has no 'site.nothing'"),
        (
            "main:create_app",
            (
                "callable: 'main:create_app' cannot be a WSGI application: it does not take "
                "(environ, start_response); if it makes the application, write 'main:create_app()'"
            ),
        ),
        ("main:number()", "factory: 'main:number()': that is an int, no factory"),
        (
            "public",
            (
                "callable: module 'public' has no 'app' or 'application'; "
                "it is a folder: typhon {folder}/public serves its files"
            ),
        ),
        ("site_of", "callable: module 'site_of' has no 'app' or 'application'; try 'site_of.wsgi'"),
        (
            "manage.py",
            (
                "callable: module 'manage' has no 'app' or 'application'; "
                "try 'mysite.wsgi' or 'mysite.asgi'"
            ),
        ),
        ("bundle:unit", "callable: 'bundle:unit' is the module bundle.unit, not a callable; try"),
        (
            "main:Site",
            "callable: 'main:Site' is a class, not an instance of one; write 'main:Site()'",
        ),
        (
            "main:Named",
            "callable: 'main:Named' is a class, not an instance of one; name one that a module",
        ),
        (
            "main:Data",
            (
                "callable: 'main:Data' is a class, not an instance of one; name an application, "
                "such as one that a module of yours makes: app = Data(…).app()"
            ),
        ),
        ("main:make_class()", "callable: 'main:make_class' is a class, not an instance of one;"),
        (
            "main:make_site",
            (
                "callable: 'main:make_site' looks like a factory, not like an application; "
                "write 'main:make_site()'"
            ),
        ),
        ("factories:make_app", "callable: 'factories:make_app' looks like a factory, not like an"),
        ("factories:get_app", "callable: 'factories:get_app' cannot be a WSGI application: it"),
        ("factories:make_none()", "factory: 'factories:make_none' returned None, not a callable"),
    ],
)
def test_says_what_is_missing(tmp_path: Path, app: str, said: str) -> None:
    write_module(tmp_path, WSGI, "main")
    write_module(tmp_path, WSGI, "signal")
    write_module(tmp_path, WSGI, "broken.module")
    write_module(tmp_path, WSGI, "below/shop")
    factories = """
    def create_app(): ...
    def make_none(): ...
    def make_app(config, debug): ...
    async def get_app(): ...
    """
    write_module(tmp_path, factories, "factories")
    write_module(tmp_path, "def main(): ...", "manage")
    for entry in ("site_of/wsgi", "mysite/wsgi", "mysite/asgi", "bundle/unit"):
        write_module(tmp_path, WSGI, entry)
    write_module(tmp_path, "", "site_of/__init__")
    (tmp_path / "public").mkdir()
    write_module(tmp_path, "from . import unit", "bundle/__init__")
    write_module(tmp_path, "from os.path import join\ndef serve(): ...\nclass Thing: ...", "others")
    told = load(tmp_path, app)
    assert told.startswith(said.format(folder=tmp_path))
    assert "Traceback" not in told


def test_says_that_a_folder_holds_no_python(tmp_path: Path) -> None:
    assert load(tmp_path, "main:app").endswith("is it the right one (--app-dir)?")


def test_tells_what_the_application_raised_while_it_was_imported(tmp_path: Path) -> None:
    write_module(tmp_path, "import lib", "main")
    write_module(tmp_path, "def f():\n    raise OSError('no database')\n\nf()", "lib")
    told = load(tmp_path, "main:app")
    assert told.splitlines() == [
        "import: importing 'main' failed",
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/main.py", line 1, in <module>',
        "    import lib",
        f'  File "{tmp_path}/lib.py", line 4, in <module>',
        "    f()",
        *([told.splitlines()[6]] if "^" in told.splitlines()[6] else []),
        f'  File "{tmp_path}/lib.py", line 2, in f',
        "    raise OSError('no database')",
        "OSError: no database",
    ]


def test_tells_a_missing_library_from_a_missing_application(tmp_path: Path) -> None:
    write_module(tmp_path, "import not_installed_here", "main")
    told = load(tmp_path, "main:app")
    assert told.startswith(
        f"import: importing 'main' failed: the interpreter {sys.executable} "
        "has no module named 'not_installed_here'\nTraceback"
    )
    # Also when the application misses a module that is called as it is.
    write_module(tmp_path, "import main.extra", "main")
    assert load(tmp_path, "main:app").startswith("import: ")


def test_tells_a_syntax_error_with_its_line(tmp_path: Path) -> None:
    write_module(tmp_path, "x = 1\ndef app(:\n    pass\n", "main")
    told = load(tmp_path, "main:app")
    assert told.startswith("import: importing 'main' failed\n")
    assert f'File "{tmp_path}/main.py", line 2' in told
    assert "SyntaxError" in told


def test_tells_that_the_application_ended_the_program(tmp_path: Path) -> None:
    write_module(tmp_path, "import sys\nsys.exit('usage: …')", "main")
    told = load(tmp_path, "main:app")
    assert told.startswith("import: 'main' ended the program while it was imported\nTraceback")
    assert told.endswith("SystemExit: usage: …")


def test_tells_what_a_factory_raised(tmp_path: Path) -> None:
    write_module(tmp_path, "def create_app():\n    raise KeyError('SECRET')", "main")
    told = load(tmp_path, "main:create_app()")
    assert told.startswith("factory: 'main:create_app()' failed\nTraceback")
    assert told.endswith("KeyError: 'SECRET'")


@pytest.mark.parametrize(
    "source",
    [
        "async def app(scope, receive, send): ...",
        "def app(scope, receive, send): ...",
        "class app:\n    def __init__(self, scope): ...",
        "class Site:\n    async def __call__(self, scope, receive, send): ...\napp = Site()",
        (
            "import functools\nasync def f(x, scope, receive, send): ...\n"
            "app = functools.partial(f, 1)"
        ),
    ],
)
def test_recognises_an_asgi_application(tmp_path: Path, source: str) -> None:
    write_module(tmp_path, source, "main")
    with Front("main:app", str(tmp_path), lifespan="off") as front:
        front.start_taking(interface="asgi")
    with Front("main:app", str(tmp_path), interface="wsgi") as front:
        text = front.start().expect(frames.FAILED).payload.decode()
        assert "speaks ASGI" in text
        assert "--interface wsgi" in text


WRAPPED = {
    "a slot that holds the call": (
        "class Middleware:\n"
        "    __slots__ = ('app', '__call__')\n"
        "    def __init__(self, app): self.app, self.__call__ = app, self.run\n"
        "    async def run(self, scope, receive, send): await self.app(scope, receive, send)\n"
        "app = Middleware(inner)"
    ),
    "functools.wraps": (
        "@functools.wraps(inner)\ndef app(*args, **kwargs): return inner(*args, **kwargs)"
    ),
    "an object that names what it wraps": (
        "class Cached:\n"
        "    def __init__(self, app): functools.update_wrapper(self, app)\n"
        "    def __call__(self, *args): return self.__wrapped__(*args)\n"
        "app = Cached(inner)"
    ),
    "a decorated method": (
        "def log(f):\n"
        "    @functools.wraps(f)\n"
        "    def call(*args): return f(*args)\n"
        "    return call\n"
        "class Site:\n"
        "    @log\n"
        "    async def __call__(self, scope, receive, send): ...\n"
        "app = Site()"
    ),
    "partial": "app = functools.partial(lambda x, *args: inner(*args), 1)\napp.__wrapped__ = inner",
}


@pytest.mark.parametrize("wrapper", WRAPPED.values(), ids=WRAPPED.keys())
def test_looks_into_wrappers_of_asgi_applications(tmp_path: Path, wrapper: str) -> None:
    inner = "import functools\nasync def inner(scope, receive, send): ...\n"
    assert ready(tmp_path, inner + wrapper) == {"interface": "asgi"}


@pytest.mark.parametrize("name", [name for name in WRAPPED if "method" not in name])
def test_looks_into_wrappers_of_wsgi_applications(tmp_path: Path, name: str) -> None:
    inner = "import functools\ndef inner(environ, start_response): ...\n"
    wrapper = WRAPPED[name].replace("async ", "").replace("await ", "return ")
    wrapper = wrapper.replace("scope, receive, send", "environ, start_response")
    assert ready(tmp_path, inner + wrapper) == {"interface": "wsgi"}


ANY_ARGUMENTS = """
class Any:
    def __init__(self, app): self.app = app
    def __call__(self, *args, **kwargs): return self.app(*args, **kwargs)

def hides(application):
    def call(*args): return application(*args)
    return call

def inner({}): ...
app = hides(Any(hides(inner)))
"""


@pytest.mark.parametrize(
    ("parameters", "interface"),
    [("environ, start_response", "wsgi"), ("scope, receive, send", "asgi"), ("a, b", "wsgi")],
)
def test_looks_at_the_application_to_which_any_arguments_are_passed(
    tmp_path: Path, parameters: str, interface: str
) -> None:
    assert ready(tmp_path, ANY_ARGUMENTS.format(parameters)) == {"interface": interface}


def test_says_at_the_start_that_the_interface_is_a_guess(tmp_path: Path) -> None:
    source = ANY_ARGUMENTS.format("*args")
    doubt = (
        "'main:app' takes any arguments and does not show its interface; it is served as WSGI "
        "(--interface wsgi or asgi decides)"
    )
    assert ready(tmp_path, source) == {"interface": "wsgi", "doubt": doubt}
    for interface in ("wsgi", "asgi"):
        assert ready(tmp_path, source, interface=interface) == {"interface": interface}


def test_gives_the_application_its_world(tmp_path: Path) -> None:
    write_module(
        tmp_path,
        """
        import os, sys, json
        def app(environ, start_response):
            start_response("200 OK", [])
            told = [sys.path[0], sys.argv, os.environ["SET_HERE"], os.environ["KEPT"], os.getcwd()]
            return [json.dumps([*told, sys.path]).encode()]
        """,
        "main",
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    extra = tmp_path / "extra"
    extra.mkdir()
    with Front(
        "main:app",
        str(tmp_path),
        env={"SET_HERE": "é"},
        cwd=str(elsewhere),
        launcher_env={"KEPT": "1", "SET_HERE": "0", "PYTHONPATH": str(extra)},
    ) as front:
        worker = front.start_taking()
        body = response_to(worker, front.ask())[1]
    import json

    *told, path = json.loads(body)
    assert told == [str(tmp_path), ["main:app"], "é", "1", str(elsewhere)]
    assert str(extra) in path
    assert "" not in path
    assert not any(os.path.isdir(os.path.join(entry, "typhon_worker")) for entry in path)


def test_leaves_names_of_its_own_modules_to_the_application(tmp_path: Path) -> None:
    names = ("wire", "worker", "channel", "launcher", "wsgi", "settings", "notes")
    for name in names:
        write_module(tmp_path, f"text = 'mine: {name}'", name)
    write_module(
        tmp_path,
        f"import {', '.join(names)}\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        f"    return [' '.join([{', '.join(f'{name}.text' for name in names)}]).encode()]",
        "main",
    )
    with Front("main:app", str(tmp_path)) as front:
        worker = front.start_taking()
        body = response_to(worker, front.ask())[1].decode()
    assert body == " ".join(f"mine: {name}" for name in names)


def test_loses_nothing_that_an_application_printed_before_it_failed(tmp_path: Path) -> None:
    write_module(tmp_path, "print('begun', end='')\nraise OSError", "main")
    with Front("main:app", str(tmp_path)) as front:
        worker = front.start()
        worker.expect(frames.FAILED)
        front.hear("ended")
        assert worker.read_out() == "begun"


def test_runs_what_an_application_has_registered_for_the_end_when_it_fails(tmp_path: Path) -> None:
    source = """
    import atexit, sys, threading
    atexit.register(lambda: sys.stdout.write("the remedy"))
    atexit.register(lambda: sys.exit("no end"))
    threading.Thread(target=threading.Event().wait).start()
    raise OSError
    """
    write_module(tmp_path, source, "main")
    with Front("main:app", str(tmp_path)) as front:
        worker = front.start()
        worker.expect(frames.FAILED)
        assert front.hear("ended")["code"] == 3
        assert worker.read_out() == "the remedy"


def test_runs_in_the_folders_of_its_generation(tmp_path: Path) -> None:
    source = """
    import os, sys, lazy
    def app(environ, start_response):
        start_response("200 OK", [])
        told = [os.getcwd(), __file__, lazy.__file__, sys.path[0], sys.argv[0], sys.prefix]
        return ["\\n".join(told).encode()]
    """
    releases = [tmp_path / "41", tmp_path / "42"]
    named = tmp_path / "current"
    for release in releases:
        write_module(release, source, "main")
        write_module(release / "packages", "", "lazy")
    named.symlink_to("41")
    write_module(tmp_path, f"import sys; sys.prefix = {str(named)!r}", "sitecustomize")
    env = {"PYTHONPATH": f"{tmp_path}:{named}/packages:{named}x"}
    with Front("main:app", str(named), launcher_env=env, cwd=str(named)) as front:
        for release in releases:
            moved = {str(named): str(release), str(tmp_path): "/nowhere"}
            for app in ("main:app", f"{release}/main.py"):
                front.say_start(
                    len(front.workers) + 1,
                    app=app,
                    app_dir=str(release),
                    cwd=str(release),
                    moved=moved,
                )
                worker = front.started()
                worker.expect(frames.READY)
                worker.send(frames.TAKE)
                told = response_to(worker, front.ask())[1].decode().split("\n")
                assert told == [
                    str(release),
                    f"{release}/main.py",
                    f"{release}/packages/lazy.py",
                    str(release),
                    app,
                    str(release),
                ]
                worker.send(frames.STOP)
                front.hear("ended")


@pytest.mark.parametrize("app", ["main:app", "{}/gone/main.py"])
def test_says_that_the_folder_of_its_generation_is_gone(tmp_path: Path, app: str) -> None:
    write_module(tmp_path, WSGI, "main")
    with Front("main:app", str(tmp_path)) as front:
        gone = f"{tmp_path}/gone"
        front.say_start(1, app=app.format(tmp_path), app_dir=gone, cwd=gone)
        failed = front.started().expect(frames.FAILED).json()
        assert failed["kind"] == "folder"
        assert failed["text"].endswith(f"the folder {gone} is gone")
        front.hear("ended")
        # A working directory alone may go: the worker stays in the launcher's.
        front.say_start(2, app="main:app", app_dir=str(tmp_path), cwd=gone)
        front.started().expect(frames.READY)


# Where the interpreter neither changes the locale C nor leaves it for UTF-8 (PEP 538, PEP 540).
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    ("app", "folder", "env", "option"),
    [
        ("site_module", "caf\u00e9", {}, "--app-dir: '/"),
        ("caf\u00e9/site_module.py", "", {}, "APP: 'caf\\xe9/site_module.py'"),
        ("caf\u00e9.site_module:app", "", {}, "APP: 'caf\\xe9.site_module'"),
        ("site_module", "", {"N": "caf\u00e9"}, "--env N: 'N=caf\\xe9'"),
    ],
    ids=("folder", "file", "module", "variable"),
)
def test_what_the_locale_cannot_encode_is_one_line_with_a_remedy(
    tmp_path: Path, app: str, folder: str, env: dict[str, str], option: str
) -> None:
    for place in (tmp_path, tmp_path / "caf\u00e9"):
        write_module(place, WSGI, "site_module")
    text = load(tmp_path / folder, app, env=env, launcher_env=ASCII)
    assert text.startswith(f"module: {option}")
    assert "cannot be written in ascii" in text
    assert text.endswith("set LC_ALL=C.UTF-8, or PYTHONUTF8=1")
    assert "\n" not in text
    # The remedy helps.
    if "/" in app or not app.startswith("caf"):
        utf8 = {**ASCII, "PYTHONUTF8": "1"}
        assert load(tmp_path / folder, app, env=env, launcher_env=utf8) == ""
