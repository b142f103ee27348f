"""The entry point: runs the launcher, and in each process that it forks a worker.

    launcher ─┬ fork ──▶ set-up ─▶ import ─▶ serving, as the interface does ─▶ exit 0
              │                       └─ FAILED ─▶ exit 3
              ├ fork ──▶ functions that the application wants called outside of its workers
              └ fork ──▶ a template (--preload): set-up ─▶ import ── fork ──▶ set-up ─▶ serving

Started as `python -c BOOT FOLDER HIGHEST PASSED` with control on descriptor 3. FOLDER holds this
package. HIGHEST is the last descriptor that is meant for the launcher: 3, or 6 if an earlier
launcher left files to inherit. PASSED lists higher ones that are not ("17,18"). BOOT keeps FOLDER
and the working directory off the application's sys.path:

    import sys; sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else [sys.argv[1],
    *sys.path[:1]]; from typhon_worker import main; sys.path.remove(sys.argv[1]); main.main()
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from types import ModuleType

from .application.hook_process import run_hook
from .application.hooks import Hooks, set_up_template
from .application.importer import Loaded, LoadError, check_folder, load
from .process import process_setup, sd_notify
from .process.hook_processes import HookContext
from .process.launcher import CONTROL, EXIT_FAULT, Launcher
from .process.template import Template
from .process.worker_context import WorkerContext
from .process.worker_parent import explain
from .wire import frames
from .wire.settings import Settings
from .wsgi.worker import run_wsgi

Run = Callable[[Callable[..., object], WorkerContext], None]

EXIT_NOT_LOADED = 3


def main() -> None:
    """Runs the launcher, and in a forked process the worker."""
    highest = int(sys.argv[2]) if len(sys.argv) > 2 else CONTROL
    passed = sys.argv[3].split(",") if len(sys.argv) > 3 and sys.argv[3] else []
    if not process_setup.is_socket(CONTROL):
        sys.exit(f"a start-up hook of {sys.executable} (sitecustomize?) has closed descriptor 3")
    process_setup.close_passed_on([int(fd) for fd in passed])
    # Hidden from the application; a worker puts APP in their place.
    del sys.argv[1:]
    process_setup.ignore_signals()
    process_setup.take_name("typhon-launcher")
    process_setup.run_in_batches(os.getppid())
    launcher = Launcher(sd_notify.leave_environment(), _preload, inherits=highest > CONTROL)
    try:
        context = launcher.run()
    except Exception as error:
        launcher.control.say(op="fault", text=f"{type(error).__name__}: {explain(error)}")
        launcher.end()
        os._exit(EXIT_FAULT)
    if context is None:
        launcher.end()
        os._exit(0)
    files = launcher.files
    del launcher
    if isinstance(context, HookContext):
        run_hook(context)
    elif context.control_fd >= 0 and files is not None:
        template = Template(context, files)
        _run_worker(_run_template(template, context.settings), template)
    else:
        _run_worker(context, None)


# Imports once, in the launcher, what ASGI needs. A worker whose interface has yet to be detected
# imports it by itself.
def _preload(settings: Settings) -> None:
    if settings.interface == "asgi":
        _import_asgi(sys.path[:])


# Returns in each worker that the template forks, and exits at the template's end.
def _run_template(template: Template, settings: Settings) -> WorkerContext:
    library_path = sys.path[:]

    def load_once() -> Loaded:
        set_up_template(settings)
        loaded = load(settings)
        if loaded.interface == "asgi":
            _import_asgi(library_path)
        return loaded

    template.open()
    template.load(load_once)
    try:
        context = template.run()
    except Exception:
        sys.excepthook(*sys.exc_info())
        os._exit(EXIT_FAULT)
    if context is None:
        process_setup.flush_streams()
        os._exit(0)
    return context


# Returns when the worker is to exit with code 0, as a program that has reached its end.
def _run_worker(context: WorkerContext, template: Template | None) -> None:
    context.open()
    library_path = sys.path[:]
    try:
        hooks = Hooks(context)
        hooks.before_load()
        if template is not None:
            check_folder(context.settings)
        loaded: Loaded = load(context.settings) if template is None else template.take()
        context.doubt = loaded.doubt
        if template is not None:
            context.doubt = "; ".join(filter(None, (loaded.doubt, template.describe_hazards())))
        app = hooks.after_load(loaded)
        run = run_wsgi if loaded.interface == "wsgi" else _import_asgi(library_path)
        if context.settings.development != "off":
            wrap = _import_development(library_path).wrap
            app = wrap(app, loaded.interface, context.settings.development)
        run(app, context)
        hooks.at_stop()
        context.ending.finish()
        process_setup.ignore_signals_to_the_end()
    except LoadError as error:
        failure = {"kind": error.kind, "text": frames.shorten(str(error))}
        if context.settings.development != "off":
            failure["page"] = _import_development(library_path).page_of(error)
        context.channel.send(frames.encode(frames.FAILED, 0, json.dumps(failure).encode()))
        context.ending.finish_failed()
        os._exit(EXIT_NOT_LOADED)


# Only ASGI needs asyncio, whose import takes longer than all other imports together. The path is
# the one from before the application's folder was added: a queue.py there must not replace the
# standard library's.
def _import_asgi(library_path: list[str]) -> Run:
    application_path = sys.path[:]
    sys.path[:] = library_path
    try:
        from .asgi.worker import run_asgi
    finally:
        sys.path[:] = application_path
    return run_asgi


# As for ASGI.
def _import_development(library_path: list[str]) -> ModuleType:
    application_path = sys.path[:]
    sys.path[:] = library_path
    try:
        from .development import wrap
    finally:
        sys.path[:] = application_path
    return wrap
