"""A start-up hook as tracers and profilers install it by PYTHONPATH: before the server's own code.

It opens a log, a socket pair and an epoll, and a thread talks over them. Each forked process goes
on with a socket pair and a thread of its own, and with the inherited log. What goes wrong is a line
of that log, `fault …`; each process also writes `beat PID` once.
"""

import os
import select
import socket
import threading

LOG = open(os.environ["HOOK_LOG"], "a", buffering=1)  # noqa: SIM115
KIND = os.fstat(LOG.fileno()).st_ino
# Descriptors that are not closed at an exec, as those of libraries in C may be.
LEFT_OPEN = os.dup(LOG.fileno())
os.set_inheritable(LEFT_OPEN, True)


def beat(sender: socket.socket, receiver: socket.socket, poll: select.epoll) -> None:
    """Sends and receives for ever."""
    last = 0
    try:
        while True:
            sender.sendall(b"beat")
            poll.poll(5)
            if receiver.recv(16) != b"beat":
                raise OSError("not what was sent")
            if {os.fstat(fd).st_ino for fd in (LOG.fileno(), LEFT_OPEN)} != {KIND}:
                raise OSError("the log is another file")
            if last != os.getpid():
                last = os.getpid()
                LOG.write(f"beat {last}\n")
            threading.Event().wait(0.005)
    except BaseException as error:
        with open(os.environ["HOOK_LOG"], "a") as log:
            log.write(f"fault in {os.getpid()}: {error!r}\n")


def start() -> None:
    sender, receiver = socket.socketpair()
    poll = select.epoll()
    poll.register(receiver, select.EPOLLIN)
    threading.Thread(target=beat, args=(sender, receiver, poll), daemon=True).start()


start()
os.register_at_fork(after_in_child=start)
