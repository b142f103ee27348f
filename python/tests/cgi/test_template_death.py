"""A template that dies with unread requests: what its children said before still counts."""

from __future__ import annotations

import os
import select
import socket
import time

from typhon_worker.cgi.run import ProgramRun
from typhon_worker.cgi.templates import Templates, _Pending, _Program, _Template


class Heard:
    """Writes down what the launcher would hear."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def started(self, run: ProgramRun, pid: int, *, warm: bool) -> None:
        self.told.append(("started", run.id, pid, warm))

    def start_cold(self, run: ProgramRun) -> None:
        self.told.append(("cold", run.id))

    def ended(self, run: ProgramRun, code: int | None, number: int | None) -> None:
        self.told.append(("ended", run.id, code, number))

    def say(self, **message: object) -> None:
        self.told.append(("say", message["op"]))


def test_a_run_that_has_begun_is_heard_of_where_requests_stay_unread() -> None:
    heard = Heard()
    with select.epoll() as poll:
        templates = Templates(60, poll, heard)
        program = _Program((b"/p", b"", b"/", (), ()))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        template = _Template(program, (), 0, -1)
        template.socket = ours
        template.is_ready = True
        program.template = template
        templates._by_fd[ours.fileno()] = template
        poll.register(ours.fileno(), select.EPOLLIN)
        for number in (7, 8):
            token, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            os.write(write_end, b"1")
            os.close(write_end)
            template.pending[number] = _Pending(ProgramRun(number), token, time.monotonic() + 5)
        # The child of run 7 has read its token and goes on; nobody reads the request of run 8.
        ours.send(b"8\0unread")
        os.read(template.pending[7].token, 1)
        theirs.send(b"started\x007\0%d" % os.getpid())
        theirs.close()
        templates.on_event(ours.fileno())
    assert ("started", 7, os.getpid(), True) in heard.told
    assert ("cold", 8) in heard.told
    assert len([one for one in heard.told if one[1] in (7, 8)]) == 2
