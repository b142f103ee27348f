"""The ends of child processes, with real ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from typhon_worker.process.reaper import Reaper


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    before = signal.getsignal(signal.SIGCHLD)
    reaper = Reaper()
    yield reaper
    reaper.leave_in_child()
    signal.signal(signal.SIGCHLD, before)
    for fd in reaper.descriptors():
        os.close(fd)


def fork(code: int) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(code)
    return pid


def test_waits_for_children_and_not_for_those_that_were_reaped(reaper: Reaper) -> None:
    gone = fork(3)
    os.waitpid(gone, 0)
    reaper.wait({gone, fork(0)}, 3600)


def test_the_end_of_a_child_that_another_has_reaped_is_unknown(reaper: Reaper) -> None:
    gone, own = fork(3), fork(4)
    os.waitpid(gone, 0)
    os.waitid(os.P_PID, own, os.WEXITED | os.WNOWAIT)
    ends = {end.pid: (end.code, end.signal) for end in reaper.reap_some([gone, own])}
    assert ends == {gone: (None, None), own: (4, None)}
