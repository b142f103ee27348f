"""An application that breaks the protocol behind its server's back: it writes into the channel."""

import os
import stat
import struct


def find_channel() -> int:
    """The only Unix stream socket of a worker."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
        except OSError:
            continue
    raise LookupError("no socket")


FRAMES = {
    "/garbage": b"\xff" * 64,
    "/huge": struct.pack("<IBBHQ", 0xFFFFFFFF, 0x11, 0, 0, 1),
    "/unknown": struct.pack("<IBBHQ", 0, 0x7F, 0, 0, 0),
    "/headless": struct.pack("<IBBHQ", 3, 0x10, 1, 0, 1) + b"abc",
    "/half": b"\x10\x00",
}


def app(environ, start_response):
    frame = FRAMES.get(environ["PATH_INFO"])
    if frame is not None:
        os.write(find_channel(), frame)
    if environ["PATH_INFO"] == "/half":
        os._exit(1)
    body = b"fine"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
