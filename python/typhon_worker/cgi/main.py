"""The entry point of the CGI launcher.

Started as `typhon_worker.main` is, with control on descriptor 3 and the same arguments.
"""

from __future__ import annotations

import os
import sys

from typhon_worker.process import process_setup, sd_notify

from .launcher import CONTROL, Launcher

EXIT_FAULT = 1


def main() -> None:
    """Runs the launcher."""
    passed = sys.argv[3].split(",") if len(sys.argv) > 3 and sys.argv[3] else []
    if not process_setup.is_socket(CONTROL):
        sys.exit(f"a start-up hook of {sys.executable} (sitecustomize?) has closed descriptor 3")
    if not hasattr(os, "posix_spawn"):
        sys.exit(f"CGI needs a Python with os.posix_spawn, which {sys.executable} lacks")
    process_setup.close_passed_on([int(fd) for fd in passed])
    _keep_descriptors()
    process_setup.ignore_signals()
    process_setup.take_name("typhon-cgi")
    process_setup.offer_to_oom_killer()
    sd_notify.leave_environment()
    launcher = Launcher()
    try:
        launcher.run()
    except Exception as error:
        launcher.say(op="fault", text=f"{type(error).__name__}: {error}")
        launcher.end()
        os._exit(EXIT_FAULT)
    launcher.end()
    os._exit(0)


# No program inherits a descriptor, whatever a start-up hook has opened.
def _keep_descriptors() -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= CONTROL:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                continue  # The descriptor of the list itself.
