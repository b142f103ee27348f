"""The chaos program of CGI: each page (PATH_INFO) is one fault; notes as in chaos_pages.py.

It is run by --cgi-run-py, so that its interpreter is that of the tests.
"""

import os
import signal
import subprocess
import sys
import time
from urllib.parse import parse_qs

FOLDER = os.environ["CHAOS_DIR"]
# Whoever is never let go ends by himself, so that a test that broke leaves nothing.
PATIENCE_SECONDS = 60.0


def note(name: str, line: str) -> None:
    """One line in the file of that name, in one write."""
    place = os.open(os.path.join(FOLDER, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(place, f"{line}\n".encode())
    os.close(place)


def ask(name: str, fallback: str = "") -> str:
    return parse_qs(os.environ["QUERY_STRING"]).get(name, [fallback])[0]


def begin(length: int | None = None) -> None:
    print("Content-Type: text/plain")
    if length is not None:
        print(f"Content-Length: {length}")
    print(flush=True)


def quick() -> None:
    begin()
    print("quick", os.getpid())


def counted() -> None:
    """Notes each run by its name."""
    note("runs", ask("name"))
    begin()
    print("counted", ask("name"))


def hold() -> None:
    """Runs until its group is released."""
    note("holds", f"{ask('name')} {os.getpid()}")
    last = time.monotonic() + PATIENCE_SECONDS
    while not os.path.exists(os.path.join(FOLDER, f"{ask('group')}.go")):
        if time.monotonic() > last:
            break
        time.sleep(0.005)
    begin()
    print("held", ask("name"))


def stuck() -> None:
    """Never responds, nor does a child of it that has its output."""
    child = subprocess.Popen(["sleep", str(PATIENCE_SECONDS)])
    note("stuck", f"{os.getpid()} {child.pid}")
    child.wait()


def stubborn() -> None:
    """As stuck; both take no notice of SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stuck()


def half() -> None:
    """Is killed behind a tenth of its body."""
    begin(1000)
    sys.stdout.write("x" * 100)
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def die() -> None:
    """Is killed before its head."""
    os.kill(os.getpid(), signal.SIGKILL)


def large() -> None:
    """Much, and a note when it is written."""
    length = int(ask("bytes"))
    begin(length)
    piece = b"0123456789abcdef" * 4096
    for at in range(0, length, len(piece)):
        sys.stdout.buffer.write(piece[: length - at])
    sys.stdout.buffer.flush()
    note("written", str(os.getpid()))


def endless() -> None:
    """Writes until nobody reads."""
    note("stuck", f"{os.getpid()} {os.getpid()}")
    begin()
    while True:
        os.write(1, b"x" * 65536)


PAGES = (quick, counted, hold, stuck, stubborn, half, die, large, endless)
{f"/{page.__name__}": page for page in PAGES}[os.environ["PATH_INFO"]]()
