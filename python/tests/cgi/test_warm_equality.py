"""A warm run and a cold one give the same bytes, errors and ends."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import pytest

from warm_runs import ENVIRONMENT, Run, Runner

# The interpreter of the tests, and the system's, which starts with other hooks.
INTERPRETERS = sorted(
    {sys.executable, *(path for path in ("/usr/bin/python3",) if os.path.exists(path))}
)

PROGRAMS = {
    "hello": "print('Content-Type: text/plain\\n\\nhello')",
    "empty": "",
    "environment": """
        import os, subprocess
        for name in os.environ: print(name, ascii(os.environ[name]))
        print(list(os.environb.items()), os.getenv('NONE'), flush=True)
        subprocess.run(['env'])
        del os.environ['QUERY_STRING']
        os.environ['NEW'] = '1'
        subprocess.run(['env'])
    """,
    "environment_of_posix": "import posix; print(posix.environ)",
    "argv": "import sys; print(sys.argv, sys.orig_argv)",
    "interpreter": """
        import sys
        print(sys.flags, sys.path, sys.executable, sys.prefix, sys.exec_prefix, sys.base_prefix)
        print(sys.dont_write_bytecode, sys.warnoptions, sys._xoptions, sys.pycache_prefix)
        print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.getfilesystemencoding())
        print(sys.gettrace(), sys.getprofile(), sys.excepthook, sys.displayhook, sys.hash_info)
        print(sys.meta_path, sys.path_hooks, sorted(sys.path_importer_cache))
    """,
    "modules": "import sys; print(list(sys.modules))",
    "modules_imported": """
        import json, datetime, urllib.request, sqlite3, html
        from collections import OrderedDict
        from xml.dom import minidom
        import sys; print(sorted(sys.modules))
    """,
    "main_module": """
        '''A docstring.'''
        print(list(globals().items())[:9], __name__, __doc__, __file__, __loader__.path)
        import __main__, sys; print(vars(__main__) is globals(), sys.modules['__main__'])
        x: int = 1
        print(globals().get('__annotations__'))
    """,
    "future": "from __future__ import annotations\nx: no.such.thing\nprint(__annotations__)",
    "streams": """
        import sys
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            print(stream, stream.encoding, stream.errors, stream.newlines, stream.line_buffering)
            print(stream.write_through, stream.isatty(), stream.fileno(), stream.seekable())
            print(stream.mode, stream.name, type(stream.buffer), stream.buffer.raw)
            print(stream is getattr(sys, '__%s__' % stream.name.strip('<>')))
    """,
    "traceback": """
        def f(n):
            return 1 / n if n == 0 else f(n - 1)
        print('before')
        f(2)
    """,
    "traceback_chain": """
        def f():
            try: {}['x']
            except KeyError as error: raise ValueError('é') from error
        try: f()
        except ValueError: undefined
    """,
    "traceback_recursion": "def f(): f()\nf()",
    "traceback_of_library": "import json; json.loads('{')",
    "traceback_bad_str": """
        class E(Exception):
            def __str__(self): raise RuntimeError
        raise E()
    """,
    "syntax_error_inside": "exec('a b')",
    "import_error": "import no_such_module",
    "print_stack": "import traceback; traceback.print_stack(); print(traceback.extract_stack())",
    "getframe": "import sys; print(sys._getframe().f_back); sys._getframe(1)",
    "inspect_stack": "import inspect; print([one[1:] for one in inspect.stack()])",
    "depth": """
        def depth(n=1):
            try: return depth(n + 1)
            except RecursionError: return n
        print(depth())
    """,
    "exit_code": "import sys; print('x'); sys.exit(3)",
    "exit_text": "import sys; sys.exit('a text é')",
    "exit_none": "raise SystemExit",
    "exit_false": "raise SystemExit(False)",
    "exit_large": "raise SystemExit(2**70)",
    "exit_negative": "raise SystemExit(-1)",
    "exit_tuple": "raise SystemExit(1, 2)",
    "exit_builtin": "print('x'); exit(4)",
    "exit_in_function": "def f():\n  import sys; sys.exit(5)\nf()",
    "exit_in_atexit": "import atexit, sys; atexit.register(sys.exit, 6)",
    "exit_by_os": "import os; print('lost'); os._exit(7)",
    "atexit": """
        import atexit
        atexit.register(print, 'first')
        atexit.register(print, 'second')
        @atexit.register
        def fail(): 1 / 0
    """,
    "atexit_cleared": "import atexit; atexit.register(print, 'no'); atexit._clear()",
    "excepthook": """
        import sys
        sys.excepthook = lambda kind, value, tb: print(kind, value, tb.tb_next, tb.tb_lineno)
        1 / 0
    """,
    "excepthook_fails": """
        import sys
        def hook(*_): {}[1]
        sys.excepthook = hook
        1 / 0
    """,
    "excepthook_exits": """
        import sys
        sys.excepthook = lambda *_: sys.exit(8)
        1 / 0
    """,
    "excepthook_deleted": "import sys; del sys.excepthook; 1 / 0",
    "keyboard_interrupt": "raise KeyboardInterrupt",
    "signal_term": "import os, signal; print('lost'); os.kill(os.getpid(), signal.SIGTERM)",
    "signal_int": "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time",
    "signal_pipe": """
        import os, signal
        r, w = os.pipe(); os.close(r)
        try: os.write(w, b'x')
        except BrokenPipeError as error: print(error)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.write(w, b'x')
    """,
    "signal_handlers": """
        import signal
        for number in sorted(signal.valid_signals()): print(number, signal.getsignal(number))
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1))
        print([line for line in open('/proc/self/status') if line.startswith('Sig')][2:])
    """,
    "signal_child": """
        import os, signal
        signal.signal(signal.SIGCHLD, lambda *_: print('child', flush=True))
        if os.fork() == 0: os._exit(3)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """,
    "process": """
        import os, resource
        print(os.getcwd(), os.umask(0), os.getpgid(0) == os.getpid(), os.nice(0), os.getuid())
        for number in range(16): print(resource.getrlimit(number))
        print(os.sched_getaffinity(0), open('/proc/self/oom_score_adj').read())
        print([l for l in open('/proc/self/status') if l.startswith(('Groups', 'NoNewPrivs'))])
    """,
    "descriptors": """
        import os
        print(sorted(os.listdir('/proc/self/fd'), key=int), os.open('/dev/null', os.O_RDONLY))
        print([os.fstat(fd).st_mode for fd in range(3)], os.readlink('/proc/self/fd/0')[:5])
    """,
    "warning": """
        import warnings
        warnings.warn('one'); warnings.warn('two', stacklevel=2)
        warnings.warn('three', DeprecationWarning)
        print(warnings.filters)
    """,
    "warning_import": "import imp",
    "threads": """
        import threading, time
        def work(): print(threading.current_thread().name); 1 / 0
        one = threading.Thread(target=work); one.start(); one.join()
        threading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()
        threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
        print(threading.main_thread().name, threading.main_thread() is threading.current_thread())
        print(threading.get_native_id() == threading.main_thread().native_id)
    """,
    "multiprocessing": """
        import multiprocessing
        def work(n): return n * n
        if __name__ == '__main__':
            context = multiprocessing.get_context('fork')
            with context.Pool(2) as pool: print(pool.map(work, range(5)))
            print(multiprocessing.current_process())
    """,
    "multiprocessing_spawn": """
        import multiprocessing
        def work(n): print('in child', n, __name__, flush=True)
        if __name__ == '__main__':
            one = multiprocessing.get_context('spawn').Process(target=work, args=(1,))
            one.start(); one.join(); print(one.exitcode)
    """,
    "subprocess": """
        import subprocess, sys
        print(subprocess.run(['cat'], stdout=subprocess.PIPE).stdout)
        print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.path)'],
            stdout=subprocess.PIPE).stdout)
    """,
    "fork": """
        import os, sys
        print('twice')
        if os.fork() == 0: sys.exit(9)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """,
    "body_text": "import sys; print(repr(sys.stdin.read()), sys.stdin.read())",
    "body_binary": "import sys; print(sys.stdin.buffer.read(3), sys.stdin.buffer.read())",
    "body_lines": "print(input(), input(), sep='|'); input()",
    "body_path": "print(open('/dev/stdin', 'rb').read(), open('/proc/self/fd/0', 'rb').read(2))",
    "body_descriptor": """
        import os
        print(os.read(0, 2), os.lseek(0, 0, os.SEEK_CUR), os.lseek(0, 0, os.SEEK_SET))
        print(os.fstat(0).st_size, open(0, 'rb').read())
    """,
    "body_seek": "import sys; sys.stdin.seek(2); print(sys.stdin.tell(), sys.stdin.read())",
    "output_mixed": """
        import os, sys
        print('buffered'); os.write(1, b'direct '); sys.stdout.buffer.write(b'bytes ')
        sys.stderr.write('no newline'); sys.stdout.write('end')
    """,
    "output_large": "print('x' * 300000)",
    "output_unencodable": "print('\\udc80')",
    "output_closed": "import sys; sys.stdout.close(); print('x')",
    "output_closed_descriptor": "import os; print('x'); os.close(1)",
    "output_full": "import os; print('x'); os.dup2(os.open('/dev/full', os.O_WRONLY), 1)",
    "output_replaced": """
        import io, sys
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='latin-1'); print('é')
    """,
    "output_detached": "import sys; b = sys.stdout.detach(); b.write(b'raw')",
    "output_none": "import sys; sys.stdout = None; print('x')",
    "output_reconfigured": "import sys; sys.stdout.reconfigure(encoding='utf-16'); print('x')",
    "finalizer": """
        class A:
            def __del__(self): print('deleted', flush=True)
        a = A(); cycle = [A()]; cycle.append(cycle)
    """,
    "finalizer_in_library": """
        import json
        class A:
            def __del__(self): print('deleted')
        json.kept = A(); json.decoder.JSONDecoder.kept = A()
    """,
    "finalizer_without_state": """
        class A:
            __slots__ = ()
            def __del__(self): print('deleted')
        a = A()
    """,
    "finalizer_fails": "class A:\n  def __del__(self): 1 / 0\na = A()",
    "finalize": "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'finalized')",
    "weak_reference": """
        import weakref
        class A: pass
        a = A(); w = weakref.ref(a, lambda _: print('gone'))
    """,
    "generator": """
        def f():
            try: yield 1
            finally: print('closed')
        g = f(); next(g)
    """,
    "unclosed_file": """
        import os
        file = open('/proc/self/fd/1', 'w'); file.write('flushed at the end')
    """,
    "unclosed_warned": """
        import warnings
        warnings.simplefilter('always'); f = open('/dev/null')
    """,
    "locale": """
        import locale, time
        print(locale.setlocale(locale.LC_ALL), locale.getlocale(), locale.getpreferredencoding())
        print(time.tzname, time.timezone, time.strftime('%Z', time.localtime(0)))
        print(locale.setlocale(locale.LC_ALL, ''), locale.localeconv())
    """,
    "collector": """
        import gc
        print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks)
    """,
    "sibling": "import sibling; from package import part; print(sibling.x, part.__name__)",
    "shadowed": "import html; print(html.x)",
    "shadowed_by_path": """
        import os, sys
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/vendored')
        import html
        print(html.x)
    """,
    "shadowed_by_sibling": "import sys, adds_path; import html; print(html.x)",
    "shadowed_where_an_import_fails": """
        try:
            import sys, no_such_module
        except ImportError:
            sys.path.insert(0, __file__.rpartition('/')[0] + '/vendored')
        import html
        print(html.x)
    """,
    "environment_for_import": """
        import os
        os.environ['PYTHONTZPATH'] = '/nowhere'
        import zoneinfo
        print(zoneinfo.TZPATH)
    """,
    "pickle": """
        import pickle
        class A: pass
        print(pickle.dumps(A()), pickle.loads(pickle.dumps(A())).__class__)
    """,
    "dataclass": """
        import dataclasses, typing
        @dataclasses.dataclass
        class A:
            x: int = 1
        print(A(), typing.get_type_hints(A))
    """,
    "logging": """
        import logging
        logging.basicConfig(format='%(levelname)s %(name)s %(filename)s %(lineno)d %(message)s')
        logging.getLogger('x').error('a text'); logging.warning('é')
        record = logging.makeLogRecord({}); print(record.relativeCreated < 60000)
    """,
    "asyncio": """
        import asyncio
        async def f():
            await asyncio.sleep(0); return 1
        print(asyncio.run(f()))
    """,
    "asyncio_traceback": "import asyncio\nasync def f(): 1 / 0\nasyncio.run(f())",
    "unittest": """
        import unittest
        class A(unittest.TestCase):
            def test(self): self.fail('é')
        if __name__ == '__main__': unittest.main(argv=['x'], exit=True)
    """,
    "runpy": "import runpy, sys; sys.argv[1:] = []; print(runpy.run_module('this')['d']['A'])",
    "tracing": """
        import sys
        def trace(frame, event, arg): print(event, frame.f_code.co_name); return trace
        def f(): return 1
        sys.settrace(trace); f(); sys.settrace(None)
    """,
    "profiling": """
        import sys
        sys.setprofile(lambda frame, event, arg: print(event, arg)); len(''); sys.setprofile(None)
    """,
    "audit": """
        import os, sys
        sys.addaudithook(lambda event, args: event == 'open' and os.write(2, repr(args).encode()))
        open('/dev/null').close()
    """,
    "faulthandler": "import faulthandler; faulthandler.enable(); faulthandler.dump_traceback()",
    "tracemalloc": "import tracemalloc; print(tracemalloc.is_tracing())",
    "ctypes": "import ctypes; ctypes.CDLL(None).printf(b'printed by C')",
    "latin_source": "# -*- coding: latin-1 -*-\nprint(ascii('é'))",
    "linecache": "import linecache; print(linecache.getline(__file__, 2))",
    "gettext": "from gettext import gettext as _; print(_('x'))",
    "cgi_form": """
        import sys, urllib.parse, os
        body = sys.stdin.buffer.read(int(os.environ.get('CONTENT_LENGTH', 0)))
        print('Content-Type: text/plain\\n')
        print(urllib.parse.parse_qs(os.environ['QUERY_STRING']), body)
    """,
    "cgi_module": "import cgi",
    "cgitb": "import cgitb; cgitb.enable(format='text', context=1); print('x'); cgitb.lookup",
    "wsgiref": """
        from wsgiref.handlers import CGIHandler
        def app(environ, start):
            start('200 OK', []); return [repr(sorted(environ)).encode()]
        CGIHandler().run(app)
    """,
    "class_of_environment": "from wsgiref.handlers import BaseHandler as B; print(B.os_environ)",
    "try_import": "try:\n  import json\nexcept ImportError:\n  json = None\nprint(json.dumps(1))",
    "name_of_main": "def main(): print('main')\nif __name__ == '__main__': main()",
}
VARIABLES = {
    "plain": {},
    "no path": {"PATH": ""},
    "C": {"LANG": "C"},
    "latin": {"PYTHONIOENCODING": "latin-1:backslashreplace", "TZ": "Asia/Tokyo"},
    "UTF-8 off": {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"LC_ALL": "C.UTF-8", "LANGUAGE": "de", "PYTHONUTF8": "1"},
    "path": {"PYTHONPATH": "/tmp:/usr", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"},
    "unbuffered": {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "always"},
}
FLAGS = ["-u", "-B", "-O", "-OO", "-s", "-q", "-uB", "-Werror::UserWarning", "-Xutf8"]


@pytest.fixture(scope="module", params=INTERPRETERS)
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    """A launcher, and a folder for programs of one interpreter."""
    runner = Runner(tmp_path_factory.mktemp("programs"), request.param)
    runner.write("x = 'sibling'", "sibling.py")
    runner.write("", "package/part.py")
    runner.write("x = 'vendored'", "vendored/html.py")
    runner.write("import sys; sys.path.insert(0, sys.path[0] + '/vendored')", "adds_path.py")
    yield runner
    runner.close()


def without_addresses(run: Run) -> Run:
    """A run without what differs between two cold ones, too."""
    output = re.sub(rb"\b0x[0-9a-f]{8,}", b"0x", run.output)
    return run._replace(output=output, error=re.sub(r"\b0x[0-9a-f]{8,}", "0x", run.error))


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_the_same(runner: Runner, name: str) -> None:
    program = runner.write(PROGRAMS[name], f"{name}.py")
    more = {"args": ["a", "b+c"], "body": b"one\ntw\xc3\xb6\n"}
    if name == "shadowed":
        program = runner.write(PROGRAMS[name], "own/shadowed.py")
        runner.write("x = 'own'", "own/html.py")
    cold = without_addresses(runner.run_cold(program, **more))
    for _ in range(2):
        assert without_addresses(runner.run_warm(program, **more)) == cold


@pytest.mark.parametrize("runner", INTERPRETERS[:1], indirect=True)
@pytest.mark.parametrize("variables", VARIABLES)
@pytest.mark.parametrize("name", ["environment", "interpreter", "streams", "locale"])
def test_runs_the_same_with_variables(runner: Runner, name: str, variables: str) -> None:
    program = runner.write(PROGRAMS[name], f"{name}.py")
    environment = {**ENVIRONMENT, **VARIABLES[variables]}
    cold = without_addresses(runner.run_cold(program, environment=environment))
    assert without_addresses(runner.run_warm(program, environment=environment)) == cold


@pytest.mark.parametrize("runner", INTERPRETERS[:1], indirect=True)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("name", ["interpreter", "streams", "warning", "traceback"])
def test_runs_the_same_with_flags(runner: Runner, name: str, flags: str) -> None:
    program = runner.write(PROGRAMS[name], f"{name}{flags}.py".replace(":", ""), flags)
    cold = without_addresses(runner.run_cold(program))
    assert without_addresses(runner.run_warm(program)) == cold


def test_runs_the_same_without_a_body_or_by_a_file(runner: Runner) -> None:
    program = runner.write(PROGRAMS["body_text"], "body_text.py")
    cold = without_addresses(runner.run_cold(program))
    assert without_addresses(runner.run_warm(program)) == cold
    body = runner.folder / "body"
    body.write_bytes(b"x" * 100_000)
    number = runner.front.run(
        program, folder=str(runner.folder), input={"path": str(body)}, warm=True
    )
    assert runner.finish(number).output == b"'" + b"x" * 100_000 + b"' \n"


def test_runs_the_same_by_a_given_interpreter(runner: Runner) -> None:
    program = runner.write(PROGRAMS["interpreter"], "given.py")
    program.chmod(0o644)
    cold = without_addresses(runner.run_cold(program, python=runner.interpreter))
    assert without_addresses(runner.run_warm(program, python=runner.interpreter)) == cold


@pytest.mark.parametrize("first", ["#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -u -B"])
def test_runs_the_same_by_env(runner: Runner, first: str) -> None:
    program = runner.folder / f"env{len(first)}.py"
    program.write_text(f"{first}\n" + "import sys; print(sys.executable, sys.flags, sys.orig_argv)")
    program.chmod(0o755)
    cold = without_addresses(runner.run_cold(program))
    assert without_addresses(runner.run_warm(program)) == cold


def test_runs_the_same_through_a_link(runner: Runner) -> None:
    runner.write(PROGRAMS["interpreter"] + "\n        print(__file__)\n", "real/target.py")
    link = runner.folder / "link.py"
    link.symlink_to("real/target.py")
    cold = without_addresses(runner.run_cold(link))
    assert without_addresses(runner.run_warm(link)) == cold
