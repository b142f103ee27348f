"""The inside of a template: an interpreter that has compiled a CGI program and forks for each run.

The launcher starts the program's own interpreter with the program's own file, as a cold start
does, and with this folder first in PYTHONPATH. Python imports this module before it runs the
program. The module leaves no trace of itself in `sys.modules` and `sys.path`, and waits, by an
audit hook, for the moment at which the interpreter is about to execute the compiled program:

    interpreter starts ─▶ this module ─▶ real sitecustomize ─▶ program is compiled ─▶ "exec"
                                                          hook: preload, fork for each run ─┐
                                  the interpreter executes the program  ◀── returns in a child

So the interpreter itself makes `__main__`, prints tracebacks and decides about the exit code, and
no frame of this module lies below the program. Every fault ends the process: the program never
runs without a request. Python 3.10 or newer, and C modules of the standard library only, which are
hidden as well.
"""

import os
import sys

SOCKET = 3
EXIT_FAULT = 70
MAX_MESSAGE_BYTES = 262144
MAX_DESCRIPTORS = 4

# C modules that print by the C library, or whose objects write when they are freed.
NEED_FINALIZATION = {
    "_ctypes",
    "_curses",
    "_dbm",
    "_gdbm",
    "_interpreters",
    "_tkinter",
    "_xxsubinterpreters",
    "readline",
}


class Unsuitable(Exception):
    """The program cannot be warmed; the text says why."""


class Skipped(Exception):
    """A module that cannot be preloaded; the text is its item of the launcher's list."""


def is_in_library(path):
    """Whether a module's file is one of the standard library."""
    library = os.path.dirname(os.__file__) + "/"
    return path.startswith(library) and "-packages/" not in path


class WatchedEnvironment(type(os.environ)):
    """os.environ while modules are preloaded; knows whether one looked at a request's variable."""

    is_request_name = None
    was_seen = None

    def __getitem__(self, key):
        if self.is_request_name(key):
            self.was_seen.append(key)
        return super().__getitem__(key)

    def __iter__(self):
        self.was_seen.append("*")
        return super().__iter__()


class Template:
    """One template: the socket to the launcher, and the process ids of its runs."""

    def __init__(self, code):
        # Modules that the program has not imported must not seem to be loaded.
        loaded, self.finders = set(sys.modules), set(sys.path_importer_cache)
        import _signal
        import _socket
        import _thread
        import _warnings
        import _weakref
        import atexit
        import functools
        import gc
        import opcode
        import select

        self.signal, self.warnings, self.gc = _signal, _warnings, gc
        self.poll, self.readable = select.poll, select.POLLIN
        self.flags = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        self.room = _socket.CMSG_SPACE(4 * MAX_DESCRIPTORS)
        self.socket = _socket.socket(fileno=SOCKET)
        self.code = code
        # Run ids by process.
        self.children = {}
        # The program's outermost frame, and the instructions by which it may have ended well.
        self.frame = None
        self.returns = {opcode.opmap.get(name, -1) for name in ("RETURN_VALUE", "RETURN_CONST")}
        self.streams = (sys.stdout, sys.stderr)
        self.reference = _weakref.ReferenceType
        self.count_threads = _thread._count
        # Calls interrupt_main() where the interpreter does not look for signals afterwards.
        trip = functools.partial(_thread.interrupt_main, _signal.SIGCHLD)
        self.trip = type("Trip", (), {"__neg__": staticmethod(trip)})()
        # The first function that is registered is the last one that is called.
        atexit.register(self.finish)
        for name in set(sys.modules) - loaded:
            del sys.modules[name]

    def send(self, *fields):
        """Sends one message to the launcher."""
        self.socket.sendall(b"\0".join(fields))

    def prepare(self, config):
        """Preloads modules and reports what the launcher has to watch. Fails with Unsuitable."""
        lists, pairs = config[:4], config[4:]
        prefixes, names, trusted, items = (
            os.fsdecode(field).split("\n") if field else [] for field in lists
        )
        self.note_changes(pairs)
        prefixes = tuple(prefixes)
        WatchedEnvironment.is_request_name = staticmethod(
            lambda name: isinstance(name, str) and (name in names or name.startswith(prefixes))
        )
        WatchedEnvironment.was_seen = []
        before, loaded = self.state(), set(sys.modules)
        self.preload([(item, True) for item in trusted] + [(item, False) for item in items])
        new = set(sys.modules) - loaded
        # A process id or a secret that was made at import would be that of all runs.
        if "multiprocessing" in new or self.state() != before:
            raise Skipped("*")
        for path in set(sys.path_importer_cache) - self.finders:
            del sys.path_importer_cache[path]
        try:
            os.waitpid(-1, os.WNOHANG)
            raise Unsuitable("it starts processes before its first line")
        except ChildProcessError:
            pass
        if len(os.listdir("/proc/self/task")) > 1:
            raise Unsuitable("it starts threads before its first line")
        sys.stdout.flush()
        sys.stderr.flush()
        self.send(b"ready", *self.watched(new))

    def preload(self, items):
        """Imports what the program imports. Fails with Skipped."""
        filters = self.warnings.filters
        plain, raising = type(os.environ), ("error", None, Warning, None, 0)
        for item, is_trusted in items:
            name, _, attributes = item.partition(":")
            loaded = set(sys.modules)
            # What warns at its import warns the program that imports it.
            filters.insert(0, raising)
            self.note_filters()
            os.environ.__class__ = WatchedEnvironment
            try:
                __import__(name, None, None, attributes.split(",") if attributes else [])
            except BaseException:
                raise Skipped(item) from None
            finally:
                os.environ.__class__ = plain
                filters.remove(raising)
                self.note_filters()
            if WatchedEnvironment.was_seen:
                raise Skipped(item)
            if not is_trusted:
                for one in set(sys.modules) - loaded:
                    path = getattr(sys.modules[one], "__file__", None)
                    if path is not None and not is_in_library(path):
                        raise Skipped(item)

    def note_filters(self):
        """Tells the interpreter that the list of warnings' filters has changed."""
        if hasattr(self.warnings, "_filters_mutated"):
            self.warnings._filters_mutated()
        else:
            self.warnings._acquire_lock()
            self.warnings._filters_mutated_lock_held()
            self.warnings._release_lock()

    def state(self):
        """What a preloaded module must not change."""
        umask = os.umask(0)
        os.umask(umask)
        handlers = tuple(self.signal.getsignal(number) for number in range(1, 65))
        streams = (sys.stdin, sys.stdout, sys.stderr, sys.excepthook, sys.displayhook)
        files = tuple(sorted(os.listdir("/proc/self/fd")))
        paths = (list(sys.path), list(sys.meta_path), list(sys.path_hooks))
        limits = (sys.getrecursionlimit(), sys.getswitchinterval())
        warnings = list(self.warnings.filters)
        process = (dict(os.environ), os.getcwd(), umask, files)
        return (process, handlers, streams, paths, limits, warnings)

    def watched(self, new):
        """Files, then folders in front of the library, then names that a file there would hide."""
        files = {self.code.co_filename, sys.executable, "/etc/localtime"}
        place = os.path.dirname(sys.executable)
        files.update((place + "/pyvenv.cfg", os.path.dirname(place) + "/pyvenv.cfg"))
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path.startswith("/"):
                files.add(path)
        at = 0
        while at < len(sys.path) and not os.path.isfile(os.path.join(sys.path[at], "os.py")):
            at += 1
        for folder in sys.path[at:]:
            if os.path.isdir(folder):
                files.add(folder)
                files.update(
                    os.path.join(folder, name)
                    for name in os.listdir(folder)
                    if name.endswith(".pth")
                )
        names = sorted({name for name in new if "." not in name})
        yield os.fsencode("\n".join(sorted(files)))
        yield os.fsencode("\n".join(sys.path[:at]))
        yield os.fsencode("\n".join(names))

    def serve(self):
        """Forks for each run; returns in each child, which is the program then."""
        # A preloaded module needs no finalization: the program's objects in it are looked at.
        self.loaded = set(sys.modules) - NEED_FINALIZATION
        self.gc.collect()
        # A child copies no page because its collector looks at an object.
        self.gc.freeze()
        wake, wake_write = self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Without a handler the interpreter would not write into the descriptor.
        self.signal.signal(self.signal.SIGCHLD, lambda _signal, _frame: None)
        self.signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        poll = self.poll()
        poll.register(SOCKET, self.readable)
        poll.register(wake, self.readable)
        while True:
            ready = [fd for fd, _event in poll.poll()]
            if wake in ready:
                os.read(wake, MAX_MESSAGE_BYTES)
                self.reap()
            if SOCKET in ready and self.take():
                return

    def take(self):
        """Takes one run from the launcher and forks; true in the child."""
        message, ancillary, _flags, _address = self.socket.recvmsg(MAX_MESSAGE_BYTES, self.room)
        if not message:
            self.end()
        number, folder, count, *rest = message.split(b"\0")
        descriptors = self.descriptors(ancillary)
        try:
            pid = os.fork()
        except OSError:
            self.send(b"ended", number, b"-1")
        else:
            if pid == 0:
                environment = dict(pair.split(b"=", 1) for pair in rest[int(count) :])
                environment.update(self.changed)
                for name in self.removed:
                    environment.pop(name, None)
                self.become(number, folder, rest[: int(count)], environment, descriptors)
                return True
            self.children[pid] = number
        for fd in descriptors:
            os.close(fd)
        return False

    def become(self, number, folder, args, environment, descriptors):
        """Makes the child what a new process would be; ends it if the run was started cold."""
        os.setpgid(0, 0)
        self.signal.set_wakeup_fd(-1)
        for fd in self.wake:
            os.close(fd)
        self.signal.signal(self.signal.SIGCHLD, self.take_frame)
        stdin, stdout, stderr, token = descriptors
        for target, fd in enumerate((stdin, stdout, stderr)):
            os.dup2(fd, target)
            os.close(fd)
        os.chdir(folder)
        data = os.environ._data
        for name in list(data):
            os.unsetenv(name)
        data.clear()
        for name, value in environment.items():
            os.putenv(name, value)
            data[name] = value
        decoded = [os.fsdecode(arg) for arg in args]
        sys.argv += decoded
        sys.orig_argv += decoded
        if "logging" in sys.modules:
            # relativeCreated counts from the import.
            import time

            start = sys.modules["logging"]._startTime
            sys.modules["logging"]._startTime = (
                time.time_ns() if isinstance(start, int) else time.time()
            )
        if "threading" in sys.modules:
            # Before Python 3.13, threading keeps the parent's thread id.
            main = sys.modules["threading"]._main_thread
            if hasattr(main, "_set_native_id"):
                main._set_native_id()
        self.send(b"started", number, b"%d" % os.getpid())
        # The launcher has taken the token back if it has started the run cold.
        if not os.read(token, 1):
            os._exit(0)
        os.close(token)
        self.socket.close()

    def take_frame(self, _signal, frame):
        """Runs before the first instruction of the program; keeps its outermost frame."""
        self.signal.signal(self.signal.SIGCHLD, self.signal.SIG_DFL)
        if frame is not None and frame.f_code is self.code:
            self.frame = frame

    def finish(self):
        """Ends a program that has returned and has nothing to finalize, without finalization.

        Finalization copies most pages of the process: 1.3 of 2.2 ms, and 5 of 6.5 ms with many
        modules. Nobody sees whether it took place if the program has left no object with a
        finalizer, no thread and no foreign C module.
        """
        has_returned = self.has_returned()
        if self.count_threads() or self.has_foreign_code() or self.has_finalizers():
            # The last collection looks at cycles through the namespace of `__main__`.
            self.gc.unfreeze()
        elif has_returned and (sys.stdout, sys.stderr) == self.streams:
            try:
                for stream in self.streams:
                    if not stream.closed:
                        stream.flush()
                # The response ends here. An exit frees the memory first, then the files.
                os.closerange(0, 3)
                os._exit(0)
            except BaseException:
                pass  # Finalization tries again, and says so.

    def has_returned(self):
        """Whether the program has ended without an exception; SystemExit has an exit code."""
        frame, self.frame = self.frame, None
        if frame is None or frame.f_lasti < 0:
            return False
        return frame.f_code.co_code[frame.f_lasti] in self.returns

    def has_foreign_code(self):
        """Whether a C module was loaded that may print, or act at the end of the process."""
        for name, module in list(sys.modules.items()):
            if name in self.loaded:
                continue
            if name in NEED_FINALIZATION:
                return True
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path.endswith(".so") and not is_in_library(path):
                return True
        return False

    def has_finalizers(self):
        """Whether an object of the program has a finalizer, or a class of it gives it one."""
        known = {}
        for thing in self.gc.get_objects():
            kind = type(thing)
            is_harmless = known.get(kind)
            if is_harmless is None:
                module = getattr(kind, "__module__", None)
                is_harmless = not hasattr(kind, "__del__") and module not in ("sqlite3", "mmap")
                known[kind] = is_harmless
            if not is_harmless:
                return True
            if isinstance(thing, type) and "__del__" in vars(thing):
                return True
            # A callback in C is one of abc, and forgets a class.
            if isinstance(thing, self.reference) and not isinstance(
                thing.__callback__, (type(None), type(len))
            ):
                return True
        return False

    def note_changes(self, pairs):
        """Notes variables that the interpreter's start has set, such as LC_CTYPE, or removed."""
        given, current = dict(pair.split(b"=", 1) for pair in pairs), os.environ._data
        self.changed = {name: value for name, value in current.items() if given.get(name) != value}
        self.removed = [name for name in given if name not in current]

    def descriptors(self, ancillary):
        """Returns the descriptors that came with a message."""
        found = []
        for level, kind, content in ancillary:
            if (level, kind) == self.flags:
                whole = content[: len(content) // 4 * 4]
                found += [
                    int.from_bytes(whole[at : at + 4], sys.byteorder)
                    for at in range(0, len(whole), 4)
                ]
        return found

    def reap(self):
        """Reports children that have ended."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.send(b"ended", self.children.pop(pid, b"0"), b"%d" % status)

    def end(self):
        """The launcher has closed the socket, or has died: no run is left behind."""
        for pid in self.children:
            try:
                os.killpg(pid, 9)
            except OSError:
                pass
        os._exit(0)


def become_template(code, config):
    """Serves the launcher; returns in a child only, with what trips `take_frame` by a minus."""
    template, parent = Template(code), os.getpid()
    try:
        template.prepare(config)
        template.serve()
        return template.trip
    except BaseException as error:
        if os.getpid() == parent:
            kind = b"skip" if isinstance(error, Skipped) else b"fault"
            text = error if isinstance(error, (Skipped, Unsuitable)) else repr(error)
            try:
                template.send(kind, os.fsencode(str(text)))
            except OSError:
                pass
        os._exit(EXIT_FAULT)


def install():
    """Hides this module, takes the launcher's first message, and waits for the program."""
    if sys.version_info < (3, 10):  # noqa: UP036
        raise Unsuitable
    import _socket

    folder, _, rest = os.environ["PYTHONPATH"].partition(":")
    sys.path.remove(folder)
    sys.path_importer_cache.pop(folder, None)
    if rest:
        os.environ["PYTHONPATH"] = rest
    else:
        del os.environ["PYTHONPATH"]
    os.set_inheritable(SOCKET, False)
    first = _socket.socket(fileno=SOCKET)
    program, is_executed, *config = first.recv(MAX_MESSAGE_BYTES).split(b"\0")
    first.detach()
    program = os.fsdecode(program)
    with open("/proc/self/comm", "r+b", buffering=0) as name:
        # Linux names a process after the script, unless another program starts the interpreter.
        if is_executed and name.read().strip() == os.fsencode(
            os.path.basename(sys.executable)[:15]
        ):
            name.write(os.fsencode(os.path.basename(program))[:15])
    waiting = ["cpython.run_file", "exec"]

    def hook(event, args):
        if not waiting:
            return
        if event != waiting[0]:
            if event.startswith("cpython.run_"):
                os._exit(EXIT_FAULT)
        elif event == "cpython.run_file":
            del waiting[0]
        elif args[0].co_filename == program:
            waiting.clear()
            trip = become_template(args[0], config)
            -trip  # noqa: B018

    sys.addaudithook(hook)


_loaded = set(sys.modules)
try:
    install()
    del sys.modules["sitecustomize"]
    for _name in set(sys.modules) - _loaded:
        del sys.modules[_name]
except BaseException:
    os._exit(EXIT_FAULT)
import sitecustomize  # noqa: E402, F401
