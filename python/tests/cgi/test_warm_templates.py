"""Templates: what no run sees of another, when they are replaced, and how they end."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from front import wait_until
from warm_runs import ENVIRONMENT, Run, Runner

Start = Callable[..., Runner]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(idle=…, CONSTANT=…)` → a launcher and a folder for programs."""
    runners: list[Runner] = []

    def make(**more: float) -> Runner:
        runners.append(Runner(tmp_path, sys.executable, **more))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


@pytest.fixture
def runner(start: Start) -> Runner:
    """A launcher and a folder for programs."""
    return start()


# Changes all that a process can change, and says at its beginning how it was.
DIRTY = """
    import json, locale, logging, os, random, resource, signal, sys, tempfile, threading, time
    state = [
        sorted(globals()), 'left' in sys.modules, sorted(os.environ.items()), os.getcwd(),
        os.umask(0o22), sorted(os.listdir('/proc/self/fd')), tempfile.tempdir,
        locale.setlocale(locale.LC_ALL), resource.getrlimit(resource.RLIMIT_NOFILE),
        resource.getrlimit(resource.RLIMIT_CPU), os.nice(0), time.tzname,
        [signal.getsignal(number) for number in signal.valid_signals()],
        signal.pthread_sigmask(signal.SIG_BLOCK, []), threading.active_count(),
        logging.root.handlers, logging.root.level, sys.path, sys.argv, json.__dict__.get('mark'),
        getattr(__builtins__, 'mark', None), sys.getrecursionlimit(), signal.getitimer(0),
        os.getpgid(0) == os.getpid(), hasattr(str, 'mark'), sys.stdin.read(1),
        json.JSONEncoder.item_separator, __name__, open('/proc/self/oom_score_adj').read(),
    ]
    print(state)
    import atexit, html, builtins
    mark = json.mark = builtins.mark = sys.modules['left'] = 'left'
    json.JSONEncoder.item_separator = 'left'
    os.environ['LEFT'] = 'left'; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()
    os.chdir('/'); os.umask(0o77); kept = os.open('/dev/null', os.O_RDONLY)
    os.set_inheritable(kept, True); random.seed(1); tempfile.tempdir = '/left'
    locale.setlocale(locale.LC_ALL, 'C.UTF-8')
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); os.nice(1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN); signal.signal(signal.SIGTERM, print)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); signal.setitimer(0, 1000)
    threading.Thread(target=time.sleep, args=(0.01,)).start()
    logging.basicConfig(level=1); sys.path.append('/left'); sys.argv.append('left')
    sys.setrecursionlimit(500); atexit.register(print, 'at the end')
"""


def test_leaves_nothing_to_the_next_run(runner: Runner) -> None:
    program = runner.write(DIRTY)
    cold = runner.run_cold(program, body=b"xy")
    assert cold.error == ""
    assert cold.output.endswith(b"at the end\n")
    for _ in range(4):
        assert runner.run_warm(program, body=b"xy") == cold


def test_gives_each_run_its_own_chance_and_names(runner: Runner) -> None:
    program = runner.write(
        """
        import os, random, secrets, tempfile, uuid
        print(random.random(), secrets.token_hex(), uuid.uuid4(), os.urandom(9).hex())
        print(next(tempfile._get_candidate_names()))
        """
    )
    outputs = [runner.run_warm(program).output.split() for _ in range(20)]
    for values in zip(*outputs, strict=True):
        assert len(set(values)) == 20


def test_gives_each_run_its_own_environment_arguments_and_body(runner: Runner) -> None:
    program = runner.write(
        "import os, sys; print(os.environ.get('HTTP_N'), sys.argv[1:], sys.stdin.read())"
    )
    runner.run_warm(program)
    for number in range(5):
        more = {"HTTP_N": str(number)} if number % 2 else {}
        run = runner.run_warm(
            program, environment={**ENVIRONMENT, **more}, args=[f"a{number}"], body=b"%d" % number
        )
        expected = f"{more.get('HTTP_N')} ['a{number}'] {number}\n"
        assert run.output == expected.encode()


def test_runs_many_at_once(runner: Runner) -> None:
    program = runner.write("import os; print(os.environ['HTTP_N'] * 5000)")
    runner.run_warm(program, environment={**ENVIRONMENT, "HTTP_N": "x"})
    warm = 0
    for first in range(0, 200, 50):
        numbers = {
            n: runner.start(program, warm=True, environment={**ENVIRONMENT, "HTTP_N": f"{n:03}"})
            for n in range(first, first + 50)
        }
        for n, number in numbers.items():
            assert runner.finish(number).output == f"{n:03}".encode() * 5000 + b"\n"
            warm += runner.warm[number]
    assert warm > 20


def test_replaces_a_template_when_the_program_changes(runner: Runner) -> None:
    program = runner.write("print(1)")
    for version in range(2, 6):
        runner.run_warm(program)
        program.write_text(f"#!{sys.executable}\nprint({version})\n")
        assert runner.run_any(program)[1].output == f"{version}\n".encode()
        assert runner.run_warm(program).output == f"{version}\n".encode()
    runner.write("import sys; print(sys.flags.optimize)", flags="-O")
    assert runner.run_any(program)[1].output == b"1\n"
    assert runner.run_warm(program).output == b"1\n"


def test_replaces_a_template_when_a_file_that_it_has_loaded_changes(runner: Runner) -> None:
    module = runner.folder / "mine.py"
    module.write_text("x = 1")
    program = runner.write("import json, mine, sys; print(json.__name__, mine.x)")
    assert runner.run_warm(program, preload=["mine"]).output == b"json 1\n"
    module.write_text("x = 22")
    assert runner.run_any(program, preload=["mine"])[1].output == b"json 22\n"
    assert runner.run_warm(program, preload=["mine"]).output == b"json 22\n"
    (runner.folder / "json.py").write_text("__name__ = 'hidden'")
    assert runner.run_any(program, preload=["mine"])[1].output == b"hidden 22\n"
    assert runner.run_warm(program, preload=["mine"]).output == b"hidden 22\n"


def test_keeps_a_template_when_other_files_come_into_its_folder(runner: Runner) -> None:
    program = runner.write("import json; open('new-%d' % __import__('os').getpid(), 'w').close()")
    runner.run_warm(program)
    assert all(runner.run_any(program)[0] for _ in range(10))


def test_preloads_no_module_that_looks_at_a_request(runner: Runner) -> None:
    (runner.folder / "looks.py").write_text("import os\nx = os.environ.get('QUERY_STRING')")
    (runner.folder / "lists.py").write_text("import os\nx = dict(os.environ)['QUERY_STRING']")
    (runner.folder / "acts.py").write_text("import os\nos.umask(0o77)\nx = 'a=1&b=2'")
    program = runner.write("import looks, lists, acts; print(looks.x, lists.x, acts.x)")
    run = runner.run_warm(program, preload=["looks", "lists", "acts"])
    assert run.output == b"a=1&b=2 a=1&b=2 a=1&b=2\n"


def test_says_once_that_a_module_of_the_operator_is_left_out(runner: Runner) -> None:
    program = runner.write("print(1)")
    for _ in range(2):
        runner.run_warm(program, preload=["gone", "json"])
    output = runner.front.process.stdout
    assert output is not None
    os.set_blocking(output.fileno(), False)
    lines = os.read(output.fileno(), 65536).decode().splitlines()
    assert len(lines) == 1
    assert f"{str(program)!a}: --cgi-preload gone is left out" in lines[0]


@pytest.mark.parametrize(
    ("source", "flags", "more", "reason"),
    [
        ("print(1)", "-E", {}, "its interpreter gets -E"),
        ("print(1)", "-I", {}, "its interpreter gets -I"),
        ("print(1)", "-S", {}, "its interpreter gets -S"),
        ("print(1)", "", {"environment": {"PYTHONINSPECT": "1"}}, "the environment has PYTHONIN"),
        ("print(", "", {}, "SyntaxError"),
    ],
)
def test_says_once_why_a_program_runs_cold(
    runner: Runner, source: str, flags: str, more: dict[str, dict[str, str]], reason: str
) -> None:
    program = runner.write(source, flags=flags)
    cold = runner.run_cold(program, **more)
    assert reason in runner.reason_for_cold(program, **more)
    assert runner.run_any(program, **more) == (False, cold)
    assert runner.reasons == {}


def test_tells_nothing_of_programs_in_other_languages(runner: Runner) -> None:
    program = runner.folder / "program.sh"
    program.write_text("#!/bin/sh\necho x\n")
    program.chmod(0o755)
    for _ in range(3):
        assert runner.run_any(program)[1].output == b"x\n"
    assert runner.reasons == {}
    assert runner.templates() == []


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ("print('hello')", "it writes while it is loaded: hello"),
        ("import _thread, time; _thread.start_new_thread(time.sleep, (9,))", "threads"),
        ("import os, time; os.fork() or os._exit(0)", "processes"),
    ],
)
def test_runs_cold_where_a_hook_of_the_interpreter_acts(
    runner: Runner, hook: str, reason: str
) -> None:
    hooks = runner.folder / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(hook)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(hooks)}
    program = runner.write("print('x')")
    assert reason in runner.reason_for_cold(program, environment=environment)


def test_loads_the_interpreters_own_hook_once(runner: Runner) -> None:
    hooks = runner.folder / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text("import sys; sys.hooked = getattr(sys, 'hooked', 0)+1")
    environment = {**ENVIRONMENT, "PYTHONPATH": str(hooks)}
    program = runner.write("import sys, sitecustomize; print(sys.hooked, sys.path, sitecustomize)")
    cold = runner.run_cold(program, environment=environment)
    assert cold.output.startswith(b"1 ")
    assert runner.run_warm(program, environment=environment) == cold


def test_is_warm_again_after_a_shortage(runner: Runner) -> None:
    program = runner.write("print('ran')")
    launcher = runner.front.process.pid
    before = resource.prlimit(launcher, resource.RLIMIT_NOFILE)
    held = {int(name) for name in os.listdir(f"/proc/{launcher}/fd")}
    free = [fd for fd in range(100) if fd not in held]
    # Enough for the streams of a run, and not for a template beside it.
    for count in (5, 6, 7):
        resource.prlimit(launcher, resource.RLIMIT_NOFILE, (free[count], before[1]))
        for _ in range(3):
            is_warm, run = runner.run_any(program)
            assert (is_warm, run.output) == (False, b"ran\n")
    assert {int(name) for name in os.listdir(f"/proc/{launcher}/fd")} == held
    resource.prlimit(launcher, resource.RLIMIT_NOFILE, before)
    assert runner.run_warm(program).output == b"ran\n"
    assert runner.reasons == {}


def test_is_warm_again_when_a_loading_template_was_killed(runner: Runner) -> None:
    runner.run_warm(runner.write("print('other')", "other.py"))
    others = set(runner.templates())
    program = runner.write("print('ran')")
    more = {"preload": ["asyncio", "http.server", "pydoc", "sqlite3", "unittest", "xml.sax"]}
    assert runner.run_any(program, **more)[1].output == b"ran\n"
    for pid in set(runner.templates()) - others:
        os.kill(pid, signal.SIGKILL)
    assert runner.run_warm(program, **more).output == b"ran\n"


def test_never_runs_a_program_without_a_request(runner: Runner) -> None:
    program = runner.write("open('runs', 'a').write('x')")
    runner.run_warm(program)
    runner.write("open('runs', 'a').write('x')  # changed")
    runner.run_warm(program)
    assert len((runner.folder / "runs").read_text()) == runner.front.run(program) - 1


@pytest.mark.parametrize("when", ["later", "during the probe"])
def test_never_runs_a_program_without_a_request_where_env_finds_another(
    runner: Runner, when: str
) -> None:
    place = runner.folder / "bin"
    place.mkdir()

    def put(line: str) -> None:
        (place / "new").write_text(f"#!/bin/sh\n{line}\n")
        (place / "new").chmod(0o755)
        (place / "new").rename(place / "python3")

    program = runner.folder / "program"
    program.write_text("#!/usr/bin/env python3\nopen('runs', 'a').write('x'); print('ran')\n")
    program.chmod(0o755)
    more = {"environment": {**ENVIRONMENT, "PATH": f"{place}:/usr/bin:/bin"}}
    put(f'sleep 0.2; exec {sys.executable} "$@"')
    if when == "later":
        runner.run_warm(program, **more)
        before = (runner.folder / "runs").read_text()
        put(f'exec {sys.executable} -I "$@"')
    else:
        number, before = runner.start(program, warm=True, **more), "x"
        wait_until(runner.templates, "a probe begins")
        put(f'exec {sys.executable} -I "$@"')
        runner.finish(number)
    runs = 0
    while program.name not in runner.reasons and runs < 1000:
        assert runner.run_any(program, **more) == (False, Run(b"ran\n", "", 0, None))
        runs += 1
    assert "start-up module" in runner.reasons[program.name]
    assert (runner.folder / "runs").read_text() == before + "x" * runs


def test_ends_a_warm_run_by_its_group(runner: Runner) -> None:
    program = runner.write(
        """
        import os, sys, time
        if os.fork() == 0:
            time.sleep(1000)
        print('x' * 5000, flush=True)
        time.sleep(1000)
        """
    )
    for op, number in (("end", signal.SIGTERM), ("kill", signal.SIGKILL)):
        is_warm = False
        while not is_warm:
            run = runner.start(program, warm=True)
            runner.front.say(op=op, id=run)
            assert runner.finish(run).signal == number
            is_warm = runner.warm[run]


def test_runs_each_program_exactly_once_while_templates_are_killed(runner: Runner) -> None:
    program = runner.write(
        """
        import os
        fd = os.open('runs', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, os.environ['HTTP_N'].encode() + b'\\n')
        print('done')
        """
    )
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    runner.run_warm(program, environment={**ENVIRONMENT, "HTTP_N": "first"})
    (runner.folder / "runs").unlink()
    started: list[int] = []
    ends: list[Run] = []
    for n in range(200):
        started.append(
            runner.start(program, warm=True, environment={**ENVIRONMENT, "HTTP_N": str(n)})
        )
        if chance.random() < 0.3:
            for pid in runner.templates():
                os.kill(pid, signal.SIGKILL)
        if len(started) > 4:
            ends.append(runner.finish(started.pop(0)))
    ends += [runner.finish(number) for number in started]
    lines = (runner.folder / "runs").read_text().split()
    assert len(set(lines)) == len(lines)
    # A child of a killed template is a process with a socket, too, before it is the program.
    killed = [str(n) for n, end in enumerate(ends) if end.signal == signal.SIGKILL]
    assert sorted({*lines, *killed}, key=int) == [str(n) for n in range(200)]
    assert len(killed) < 40


def test_runs_cold_once_when_a_template_hangs(start: Start) -> None:
    runner = start(PASS_SECONDS=0.2)
    program = runner.write("open('runs', 'a').write('x'); print('x')")
    runner.run_warm(program)
    before = len((runner.folder / "runs").read_text())
    (template,) = runner.templates()
    os.kill(template, signal.SIGSTOP)
    numbers = [runner.start(program, warm=True) for _ in range(5)]
    assert [runner.finish(number).output for number in numbers] == [b"x\n"] * 5
    wait_until(lambda: not Path(f"/proc/{template}").exists(), "the end of the template")
    assert len((runner.folder / "runs").read_text()) == before + 5
    runner.run_warm(program)


def test_lets_a_run_go_on_whose_template_is_killed(runner: Runner) -> None:
    program = runner.write(
        """
        import sys, time, os
        print('begun', flush=True)
        while not os.path.exists('go'): time.sleep(0.01)
        print('ended'); sys.exit(3)
        """
    )
    (runner.folder / "go").touch()
    runner.run_warm(program)
    (runner.folder / "go").unlink()
    number = runner.start(program, warm=True)
    while number not in runner.warm:
        runner._hear()
    assert runner.warm[number]
    (template,) = runner.templates()
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: template not in runner.templates(), "the end of the template")
    (runner.folder / "go").touch()
    run = runner.finish(number)
    assert (run.output, run.code) == (b"begun\nended\n", 3)


def test_ends_an_idle_template_and_all_with_the_launcher(start: Start) -> None:
    runner = start(idle=0.2)
    program = runner.write("print(1)")
    runner.run_warm(program)
    wait_until(lambda: not runner.templates(), "the end of the idle template")
    runner = start()
    runner.run_warm(program)
    (template,) = runner.templates()
    runner.front.process.kill()
    wait_until(lambda: not Path(f"/proc/{template}").exists(), "the end of the template")


def test_keeps_a_bounded_number_of_templates(start: Start) -> None:
    runner = start(MAX_TEMPLATES=3)
    programs = [runner.write(f"print({n})", f"p{n}.py") for n in range(6)]
    for program in programs:
        runner.run_warm(program)
    wait_until(lambda: len(runner.templates()) <= 3, "the end of the oldest templates")
    assert runner.run_any(programs[-1])[0]
    assert not runner.run_any(programs[0])[0]


def test_replaces_a_template_after_many_runs(start: Start) -> None:
    runner = start(MAX_RUNS=3)
    program = runner.write("import os; print(os.getppid())")
    parents = {runner.run_warm(program).output for _ in range(7)}
    assert len(parents) >= 3


def test_holds_no_descriptor_of_ended_templates_and_runs(start: Start) -> None:
    runner = start(idle=0.1)
    descriptors = f"/proc/{runner.front.process.pid}/fd"
    held = len(os.listdir(descriptors))
    for n in range(3):
        program = runner.write(f"print({n})")
        for _ in range(5):
            runner.run_warm(program)
    wait_until(lambda: len(os.listdir(descriptors)) == held, "the end of the templates")


def test_an_idle_template_has_little_memory_of_its_own(runner: Runner) -> None:
    program = runner.write("import json, datetime, urllib.request, sqlite3, html")
    runner.run_warm(program)
    (template,) = runner.templates()
    smaps = Path(f"/proc/{template}/smaps_rollup").read_text()
    private = sum(int(size) for size in re.findall(r"Private_\w+: +(\d+) kB", smaps))
    assert private < 40_000, f"{private} kB"
