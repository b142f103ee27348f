"""A front for tests: the real launcher with real workers, on real FIFOs and sockets.

Does what the Node front does with files and descriptors, and nothing of what it decides: tests
write pages, read frames and look at processes. Each wait has a deadline that fails as an assertion.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from messages import HOST, Frame, encode_page, frames_of, record
from typhon_worker.wire import frames, pages

PACKAGE_FOLDER = str(Path(__file__).resolve().parents[1])
BOOT = (
    "import sys; sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else "
    "[sys.argv[1], *sys.path[:1]]; from typhon_worker import main; "
    "sys.path.remove(sys.argv[1]); main.main()"
)
# Popen cannot give descriptors other numbers, as Node does: those that are named last become 3, 4 …
TAKE_PLACES = (
    "import fcntl, os, sys; "
    "passed = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 64) for fd in sys.argv.pop().split(',')]; "
    "[os.dup2(fd, at) for at, fd in enumerate(passed, 3)]; os.set_inheritable(3, False); "
    "[os.close(fd) for fd in passed]; "
)
DEADLINE = 20.0
# npm run test:all repeats what is random or large, with more rounds and bytes.
IS_LONG = os.environ.get("TEST_LONG") == "1"
IDLE_SECONDS = 0.05


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until(holds: Any, what: str) -> None:
    """Waits for a condition that no event tells of."""
    latest = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < latest, f"waited {DEADLINE} s for {what}"
        time.sleep(0.002)


def read_some(fd: int, what: str) -> bytes:
    ready, _, _ = select.select([fd], [], [], DEADLINE)
    assert ready, f"waited {DEADLINE} s for {what}"
    try:
        return os.read(fd, 1 << 18)
    except ConnectionResetError:
        return b""


class Worker:
    """One worker as the front sees it."""

    def __init__(self, front: Front, number: int) -> None:
        self.front = front
        self.number = number
        self.pid = 0
        self.channel: socket.socket | None = None
        self.out = self.err = self.stacks = self.notes = -1
        self.frames: list[Frame] = []
        self._was_told_to_stop = False
        # TAKEN frames of single requests.
        self.times: list[Frame] = []
        # WebSockets that were accepted and have not ended: they are not noted.
        self.accepted: set[int] = set()
        self._decoder = frames.FrameDecoder()

    def opened(self, pid: int, directory: Path) -> None:
        self.pid = pid
        for name in ("out", "err", "stacks", "notes"):
            setattr(self, name, os.open(directory / name, os.O_RDONLY | os.O_NONBLOCK))
        self.channel = socket.socket(socket.AF_UNIX)
        self.channel.settimeout(DEADLINE)
        self.channel.connect(str(directory / "channel"))

    def send(
        self, kind: int, request: int = 0, payload: bytes = b"", flags: int = 0, count: int = 0
    ) -> None:
        assert self.channel is not None
        self._was_told_to_stop |= kind == frames.STOP
        self.channel.sendall(frames.encode(kind, request, payload, flags=flags, count=count))

    def next_frame(self) -> Frame:
        """The next frame, in order."""
        assert self.channel is not None
        while not self.frames:
            chunk = read_some(self.channel.fileno(), f"a frame of worker {self.number}")
            assert chunk, f"the channel ended; stderr: {self.read_err()}"
            self._keep(frames_of(self._decoder, chunk))
        return self.frames.pop(0)

    # TAKEN of one request only has a time, and may come before any other frame about it.
    def _keep(self, received: list[Frame]) -> None:
        for frame in received:
            is_time = frame.kind == frames.TAKEN and frame.request > 0
            (self.times if is_time else self.frames).append(frame)
            if frame.kind == frames.WS_ACCEPT:
                self.accepted.add(frame.request)
            elif frame.kind == frames.FAULT or (frame.kind == frames.WS_CLOSE and frame.is_end):
                self.accepted.discard(frame.request)

    def expect(self, kind: int, request: int | None = None) -> Frame:
        """The next frame, which has to be of this type."""
        frame = self.next_frame()
        told = frame._replace(payload=frame.payload[:2000])
        assert frame.kind == kind, f"expected type {kind:#x}: {told}"
        assert request in (None, frame.request), told
        return frame

    def has_frame(self) -> bool:
        """Whether a frame is there or on its way, without waiting."""
        assert self.channel is not None
        return bool(self.frames) or bool(select.select([self.channel], [], [], 0)[0])

    def is_idle(self) -> bool:
        """Whether it runs no request and has nothing more to tell of earlier ones.

        A worker that is still busy after IDLE_SECONDS counts as one that stays so.
        """
        if self.channel is None or self.channel.fileno() < 0 or self._was_told_to_stop:
            return False
        if self.accepted:
            return False
        latest = time.monotonic() + IDLE_SECONDS
        # A request is noted until the last frame about it is sent.
        while is_busy := bool(self.noted()):
            if time.monotonic() > latest:
                break
            time.sleep(0.001)
        return not is_busy and not self.has_frame()

    def frames_to_end(self) -> list[Frame]:
        """All frames up to the channel's end."""
        assert self.channel is not None
        while chunk := read_some(self.channel.fileno(), "the channel's end"):
            self._keep(frames_of(self._decoder, chunk))
        left, self.frames = self.frames, []
        return left

    def noted(self) -> list[int]:
        """The ids in its slots."""
        notes = os.pread(self.notes, 1 << 24, 0)
        starts = range(0, len(notes), pages.SLOT_BYTES)
        ids = [struct.unpack_from("<Q", notes, at + 8)[0] for at in starts]
        return [request for request in ids if request]

    def read_out(self) -> str:
        return self._read(self.out)

    def read_err(self) -> str:
        return self._read(self.err)

    def _read(self, fd: int) -> str:
        try:
            return os.read(fd, 1 << 18).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        for fd in (self.out, self.err, self.stacks, self.notes):
            if fd >= 0:
                os.close(fd)
        if self.channel is not None:
            self.channel.close()


class Front:
    """A launcher and its workers. Use as a context; what still runs at its end is killed."""

    def __init__(
        self,
        app: str,
        app_dir: str,
        *,
        hears: bool = True,
        opens: bool = True,
        inherits: Front | None = None,
        passes: tuple[int, ...] = (),
        **settings: Any,
    ) -> None:
        """`inherits`: the front whose launcher has died. `passes`: what a manager passed on."""
        # Holds the run directories, one for each start.
        self.folder = Path(tempfile.mkdtemp(prefix="typhon-test-", dir="/dev/shm"))
        self._directory = self.make_directory()
        self._starting: dict[int, Path] = {}
        self.workers: list[Worker] = []
        self.messages: list[dict[str, Any]] = []
        self._received = b""
        self._last_id = 0
        self._last_number = 0
        self._ended: set[int] = set()
        # Workers of which the launcher has read a signal.
        self.signalled: list[int] = []
        self.control, control = socket.socketpair()
        self._inherited = inherits
        placed = [control.fileno()]
        if inherits is not None:
            placed += [inherits.queue, inherits.lifeline, inherits.cancels]
        highest = 2 + len(placed)
        passed_on = ",".join(str(fd) for fd in (*placed, *passes) if fd > highest)
        arguments = [PACKAGE_FOLDER, str(highest), passed_on, ",".join(map(str, placed))]
        env = {**os.environ, **settings.pop("launcher_env", {})}
        python = settings.pop("python", sys.executable)
        self.launcher = subprocess.Popen(
            [python, "-c", TAKE_PLACES + BOOT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=settings.pop("cwd", None),
            pass_fds=(*placed, *passes),
        )
        control.close()
        application = {
            "app": app,
            "interface": "auto",
            "app_dir": app_dir,
            "env": {},
            "root_path": "",
            "threads": 1,
            "workers": 1,
            "software": "typhon/test",
            **settings,
        }
        self.say(op="open", directory=str(self._directory), pipe_pages=256, application=application)
        self.queue = self.lifeline = self.cancels = -1
        self.opened = self.hear("opened") if hears else {}
        if opens:
            self.open()

    def open(self) -> None:
        """Opens what belongs to all workers and removes the directory."""
        if self._inherited is not None:
            self._directory.rmdir()
            self.queue = os.dup(self._inherited.queue)
            self.lifeline = os.dup(self._inherited.lifeline)
            self.cancels = os.dup(self._inherited.cancels)
            return
        self.lifeline = self._open("lifeline", os.O_WRONLY | os.O_NONBLOCK)
        self.queue = self._open("queue", os.O_RDWR | os.O_NONBLOCK)
        self.cancels = self._open("cancels", os.O_RDWR)
        shutil.rmtree(self._directory)

    def _open(self, name: str, flags: int) -> int:
        return os.open(self._directory / name, flags)

    def make_directory(self) -> Path:
        """A new run directory."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def say_start(self, number: int, **place: object) -> Path:
        """Asks for a worker; returns its run directory."""
        directory = self._starting[number] = self.make_directory()
        self.say(op="start", worker=number, directory=str(directory), **place)
        return directory

    def say(self, **message: object) -> None:
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def peek(self) -> str:
        """What the next message from the launcher is, which `hear` then takes.

        That it has read a signal goes to `signalled`.
        """
        while True:
            while b"\n" not in self._received:
                chunk = read_some(self.control.fileno(), "a message from the launcher")
                assert chunk, "the launcher has closed control"
                self._received += chunk
            line, rest = self._received.split(b"\n", 1)
            message: dict[str, Any] = json.loads(line)
            op: str = message["op"]
            if op != "signalled":
                return op
            self.signalled.append(message["worker"])
            self._received = rest

    def hear(self, op: str) -> dict[str, Any]:
        """The next message from the launcher, which has to be this one."""
        self.peek()
        line, self._received = self._received.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        assert message["op"] == op, message
        if op == "ended":
            self._ended.add(message["worker"])
        return message

    def start(self, number: int = 0) -> Worker:
        """Forks a worker and connects to it."""
        self.say_start(number or self._last_number + 1)
        return self.started()

    def started(self) -> Worker:
        """Connects to the worker that the launcher forks now."""
        started = self.hear("started")
        worker = Worker(self, started["worker"])
        directory = self._starting.pop(worker.number)
        self._last_number = max(self._last_number, worker.number)
        worker.opened(started["pid"], directory)
        self.workers.append(worker)
        shutil.rmtree(directory)
        return worker

    def start_taking(self, number: int = 0, interface: str = "wsgi") -> Worker:
        """Forks a worker, waits until it is loaded and lets it take."""
        worker = self.start(number)
        assert worker.expect(frames.READY).json() == {"interface": interface}
        worker.send(frames.TAKE)
        return worker

    def end_workers(self) -> None:
        """Ends the workers and takes back what they have not taken; the launcher stays."""
        for worker in self.workers:
            if worker.number not in self._ended:
                # It may have ended by itself at this moment.
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
                self.hear("ended")
            worker.close()
        self.workers.clear()
        while select.select([self.queue], [], [], 0)[0]:
            os.read(self.queue, 1 << 16)

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def put(self, page: bytes) -> None:
        assert os.write(self.queue, page) == 4096

    def give_up(self, request: int) -> None:
        """Nobody is to begin this request any more."""
        os.pwrite(self.cancels, struct.pack("<Q", request), request % 8192 * 8)

    def ask(
        self,
        method: str = "GET",
        path: str = "/",
        fields: tuple[tuple[str, str], ...] = HOST,
        *,
        flags: int = 0,
        body: bytes = b"",
        latest: float = 0.0,
        **more: str,
    ) -> int:
        """Writes the page of a request; returns its id."""
        request = self.next_id()
        names, values = record(method, path, fields, **more)
        flags |= pages.BODY_INLINE if body else 0
        self.put(encode_page(request, flags, names, values, body, latest))
        return request

    def wait_for_end(self) -> str:
        """Waits for the launcher's end; returns what it has printed."""
        return self.launcher.communicate(timeout=DEADLINE)[0].decode()

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in (self.queue, self.lifeline, self.cancels):
            if fd >= 0:
                os.close(fd)
        self.control.close()
        try:
            self.launcher.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.launcher.send_signal(signal.SIGKILL)
            self.launcher.communicate()
        for worker in self.workers:
            worker.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def response_to(worker: Worker, request: int) -> tuple[list[str], bytes]:
    """The whole response to a request: its head and its body, credit given as it comes.

    A file that the worker offers is left to the worker.
    """
    frame = first_frame(worker, request)
    head, body = frame.head(), frame.body()
    while not frame.is_end:
        if frame.body():
            worker.send(frames.CREDIT, request, struct.pack("<I", len(frame.body())))
        frame = worker.expect(frames.BODY, request)
        body += frame.payload
    return head, body


def first_frame(worker: Worker, request: int) -> Frame:
    """The HEAD frame of a response. A file that the worker offers is left to the worker."""
    frame = worker.next_frame()
    if frame.kind == frames.FILE:
        assert frame.request == request, frame
        worker.send(frames.FILE_RESULT, request, count=frames.NOT_OPENED)
        frame = worker.next_frame()
    assert frame.kind == frames.HEAD, frame
    assert frame.request == request, frame
    return frame


def offered_file(worker: Worker, request: int) -> tuple[list[str], bytes]:
    """A response whose body is a file that the worker offers: its head, and the bytes of the file.

    The worker is told that the front has opened the file, and ends the request.
    """
    frame = worker.expect(frames.FILE, request)
    path, offset, length = frame.file()
    with open(path, "rb") as file:
        worker.send(frames.FILE_RESULT, request, count=frames.OPENED)
        last = worker.expect(frames.BODY, request)
        assert last.is_end
        assert not last.payload
        # The worker may have closed and removed it.
        file.seek(offset)
        return frame.head(), file.read(length)


def stop_worker(worker: Worker) -> list[str]:
    """Ends a worker within a grace; returns its log lines."""
    worker.send(frames.STOP, 5000)
    worker.expect(frames.STOPPED)
    return [frame.text() for frame in worker.frames_to_end() if frame.kind == frames.LOG]
