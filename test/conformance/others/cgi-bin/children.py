#!/usr/bin/python3
"""A program that runs another one and starts a thread."""

import subprocess
import sys
import threading

print("Content-Type: text/plain\n", flush=True)
subprocess.run(["/bin/echo", "from a child"], check=True)
said = subprocess.run(
    [sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True
)
thread = threading.Thread(target=lambda: print("from a thread", said.stdout.strip()))
thread.start()
thread.join()
