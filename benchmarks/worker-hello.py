"""CPU of one worker for a request, without a front: pages in, frames out, real launcher and worker.

    python benchmarks/worker-hello.py [--threads N] [--requests N] [--window N] [--rounds N]
                                      [--app MODULE:CALLABLE --app-dir DIR] [--profile]

A front in Python keeps `window` requests in the pipe and reads the responses. The worker's time
comes from the scheduler (nanoseconds, all of its threads): the generator's cost is not in it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "python" / "tests")]

from front import Front, Worker, encode_page, record  # noqa: E402
from typhon_worker.wire import frames  # noqa: E402

HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, world!"]
"""
# With cProfile around what the worker does with each request; its own cost is in the figures.
PROFILED = """
import atexit, cProfile, pstats
from typhon_worker.wsgi import server
profile = cProfile.Profile()
server.WsgiServer.serve = (lambda f: lambda *a: profile.runcall(f, *a))(server.WsgiServer.serve)
atexit.register(lambda: pstats.Stats(profile).sort_stats("tottime").print_stats(14))
"""
FIELDS = (
    ("host", "127.0.0.1:8000"),
    ("user-agent", "benchmark"),
    ("accept", "*/*"),
    ("connection", "keep-alive"),
)


def cpu_seconds(pid: int) -> float:
    """Time that all threads of a process have run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def run(front: Front, worker: Worker, requests: int, window: int) -> float:
    """CPU seconds of the worker for so many requests."""
    names, values = record("GET", "/", FIELDS)
    before = cpu_seconds(worker.pid)
    written = received = 0
    while received < requests:
        while written < requests and written - received < window:
            front.put(encode_page(front.next_id(), 0, names, values))
            written += 1
        frame = worker.next_frame()
        assert frame.kind == frames.HEAD, frame
        while not frame.is_end:
            frame = worker.next_frame()
        received += 1
    return cpu_seconds(worker.pid) - before


def main() -> None:
    """Prints microseconds a request: the median of the rounds, and the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--app", default="hello_of_worker_hello:app")
    parser.add_argument("--app-dir")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = HELLO + (PROFILED if options.profile else "")
        Path(folder, "hello_of_worker_hello.py").write_text(program)
        with Front(options.app, options.app_dir or folder, threads=options.threads) as front:
            worker = front.start_taking()
            run(front, worker, options.requests // 10, options.window)
            rounds = [
                run(front, worker, options.requests, options.window) / options.requests * 1e6
                for _ in range(options.rounds)
            ]
            worker.send(frames.STOP)
            front.hear("ended")
            if options.profile:
                print(worker.read_out())
    middle = statistics.median(rounds)
    print(
        f"window {options.window}, threads {options.threads}: "
        f"median {middle:.2f} µs, best {min(rounds):.2f} µs a request"
    )


if __name__ == "__main__":
    main()
