"""The service manager that has started the front (systemd): its variables, and sd_notify(3).

The front speaks to it through the launcher, because Node knows no datagrams of Unix sockets.
"""

from __future__ import annotations

import os
import socket
import sys

# They are about the front: what the application starts must take none of them for its own.
_VARIABLES = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)


def leave_environment() -> str:
    """Takes the manager's variables out of os.environ; returns NOTIFY_SOCKET, "" if unset."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    for name in _VARIABLES:
        os.environ.pop(name, None)
    return address


def notify(address: str, text: str) -> None:
    """Sends `text` as one datagram; nothing happens without an address, a failure is one line."""
    if not address:
        return
    # A leading @ stands for the NUL of the abstract namespace.
    path = "\0" + address[1:] if address[0] == "@" else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # Who does not read must not stop the launcher.
            sender.setblocking(False)
            sender.sendto(text.encode("utf-8", "backslashreplace"), path)
    except OSError as error:
        print(f"the service manager cannot be told: {error}", file=sys.stderr, flush=True)
