"""sd_notify(3): messages to the service manager (systemd) that started the front.

The front sends them through the launcher because Node has no Unix datagram sockets. A front without
a launcher runs this file as a program: `sd_notify.py TEXT`.
"""

from __future__ import annotations

import os
import select
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
# How long the program waits until the manager has read its message.
_BARRIER_MS = 5000


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
    try:
        with _connect(address) as sender:
            sender.send(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        print(f"the service manager cannot be told: {error}", file=sys.stderr, flush=True)


def main(text: str) -> None:
    """Sends `text`, and waits until it is read: systemd knows a sender only while it runs.

    Raises OSError. The wait is sd_notify_barrier(3): the manager closes its copy of the pipe's end
    when it has come to that message.
    """
    with _connect(leave_environment()) as sender:
        sender.send(text.encode("utf-8", "backslashreplace"))
        end, passed = os.pipe()
        socket.send_fds(sender, [b"BARRIER=1"], [passed])
        os.close(passed)
    poll = select.poll()
    poll.register(end, 0)
    poll.poll(_BARRIER_MS)


def _connect(address: str) -> socket.socket:
    # A leading @ stands for the NUL of the abstract namespace.
    path = "\0" + address[1:] if address[:1] == "@" else address
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # A manager that does not read must not block the launcher.
    sender.setblocking(False)
    try:
        sender.connect(path)
    except OSError:
        sender.close()
        raise
    return sender


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.exit(f"the service manager cannot be told: {error}")
