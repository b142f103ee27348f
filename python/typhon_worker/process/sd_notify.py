"""sd_notify(3): messages to the service manager (systemd) that started the front.

The front sends them through the launcher because Node has no Unix datagram sockets.
"""

from __future__ import annotations

import os
import socket
import sys

# They describe the front: a program that the application starts must not take them for its own.
_VARIABLES = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)


def leave_environment() -> str:
    """Removes the manager's variables from os.environ; returns NOTIFY_SOCKET, "" if unset."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    for name in _VARIABLES:
        os.environ.pop(name, None)
    return address


def notify(address: str, text: str) -> None:
    """Sends `text` as one datagram; an empty address does nothing, a failure prints one line."""
    if not address:
        return
    # A leading @ stands for the NUL of the abstract namespace.
    path = "\0" + address[1:] if address[0] == "@" else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # A manager that does not read must not block the launcher.
            sender.setblocking(False)
            sender.sendto(text.encode("utf-8", "backslashreplace"), path)
    except OSError as error:
        print(f"the service manager cannot be told: {error}", file=sys.stderr, flush=True)
