"""A short-lived process that calls functions of the application outside of every worker.

Each function is found by its name: its module is imported as the application would import it. All
functions are called, whatever the others do. What they print, and their tracebacks, are told in the
log when the process has ended (process/hook_processes.py).
"""

from __future__ import annotations

import sys

from typhon_worker.process.hook_processes import HookContext
from typhon_worker.process.process_setup import flush_streams
from typhon_worker.process.tracebacks import describe

from .importer import LoadError, enter, find_function


def run_hook(context: HookContext) -> None:
    """Calls the functions, and exits with 1 if one of them has failed."""
    has_failed = False
    for name in context.functions:
        try:
            _call(name, context)
        except BaseException as error:
            has_failed = True
            told = str(error) if isinstance(error, LoadError) else describe(error)
            print(told, file=sys.stderr)
    flush_streams()
    sys.exit(has_failed)


# A name without a module is a hook of gunicorn.conf.py.
def _call(name: str, context: HookContext) -> None:
    if ":" in name:
        find_function(name, context.settings)(context.pid)
        return
    from .gunicorn_conf import GunicornConf

    enter(context.settings)
    conf = GunicornConf(context.settings, context.number, pid=context.pid)
    conf.set_up_logging()
    conf.call(name)
