// The launcher of CGI programs with real programs: what a program gets, how runs end, and that nothing of a run is
// left, whatever the program does and whoever dies.

import assert from "node:assert/strict";
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CgiWorld } from "../support/cgi-launcher.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { IS_LONG } from "../support/long.ts";
import { isRunning, listDescriptors } from "../support/processes.ts";
import { CHECKOUT, makeScratch, requirePython } from "../support/scratch.ts";

const world = new CgiWorld(FILE);
const EXITED = { code: 0, signal: null, failure: "" };
const TERMINATED = { code: null, signal: 15, failure: "" };
const KILLED = { code: null, signal: 9, failure: "" };

test("a program gets its environment and nothing else, its arguments and its folder", async () => {
  const environment = { PATH: "/bin:/usr/bin", QUERY_STRING: "a=b&c", HTTP_X: "caf\xe9 'x' $(id)" };
  const program = world.write(
    '#!/bin/sh\ncat /proc/self/environ; echo; echo "$#|$1|$2|$3"; /bin/pwd; echo "$0"\n',
    "in folder/a program",
  );
  const folder = join(world.folder, "in folder");
  const run = world.run(program, { environment, args: ["a b", "", "\xff*"], folder });
  assert.deepEqual(await run.end(), EXITED);
  const [variables = "", ...rest] = run.output.split("\n");
  const names = variables.split("\0").filter((one) => !/^(?:PWD|OLDPWD|SHLVL|_)=|^$/.test(one));
  assert.deepEqual(
    names.sort(),
    Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
  );
  assert.deepEqual(rest, ["3|a b||\xff*", folder, program, ""]);
  assert.equal(run.errorText, "");
  assert.deepEqual(run.events, ["started", "output", "output end", "end"]);
});

test("paths may have any bytes", async () => {
  const name = Buffer.from("größe").toString("latin1");
  const program = world.write("#!/bin/sh\necho here\n", "größe/größe.cgi");
  const path = program.replaceAll("größe", name);
  const run = world.run(path, { folder: join(world.folder, name) });
  assert.deepEqual(await run.end(), EXITED);
  assert.equal(run.output, "here\n");
});

test("a program has three descriptors, signals at their defaults, and a process group of its own", async () => {
  const run = world.runShell(
    'ls /proc/self/fd; grep -E "^Sig(Blk|Ign)" /proc/self/status; ps -o pgid= -p $$; umask; nice; ulimit -n',
  );
  assert.deepEqual(await run.end(), EXITED);
  const [zero, one, two, listing, ...rest] = run.output.split("\n");
  // The fourth is the one by which ls reads the folder.
  assert.deepEqual([zero, one, two, listing], ["0", "1", "2", "3"]);
  const [blocked, ignored, group, ...limits] = rest.map((line) => line.split(/\s+/).at(-1));
  assert.equal(Number.parseInt(blocked ?? "x", 16), 0);
  // The C library's own two, 32 and 33, aside.
  assert.equal(BigInt(`0x${ignored ?? "x"}`) & ~0x1_8000_0000n, 0n);
  assert.equal(Number(group), run.pid);
  const mine = execFileSync("sh", ["-c", "umask; nice; ulimit -n"], { encoding: "utf8" });
  assert.equal(limits.join("\n"), mine);
});

test("a program in C, and one in Python that its interpreter runs", async () => {
  const inC = world.run("/usr/bin/env", { environment: { QUERY_STRING: "in C", A: "" } });
  assert.deepEqual(await inC.end(), EXITED);
  assert.equal(inC.output, "QUERY_STRING=in C\nA=\n");
  const script = join(world.folder, "hello.py");
  writeFileSync(script, "import sys\nprint(sys.argv, __file__)\nsys.exit(8)\n");
  const inPython = world.run(script, { python: "/usr/bin/python3", args: ["x"] });
  assert.deepEqual(await inPython.end(), { ...EXITED, code: 8 });
  assert.equal(inPython.output, `['${script}', 'x'] ${script}\n`);
  // Not executable, and without an interpreter.
  assert.match((await world.run(script).end()).failure, /^Permission denied/);
});

for (const size of [1, 65_536, 262_144])
  test(`a program reads a body of ${size} bytes from memory`, async () => {
    const bytes = Buffer.alloc(size, "abcdefghij\0\xff", "latin1");
    const run = world.runShell("cat", { input: { kind: "memory", bytes } });
    assert.deepEqual(await run.end(), EXITED);
    assert(Buffer.from(run.output, "latin1").equals(bytes));
  });

test("a program reads a body from a file, or nothing", async () => {
  const path = join(world.folder, "bödy");
  writeFileSync(path, "x".repeat(3_000_000));
  const read = world.runShell("wc -c", { input: { kind: "file", path, length: 3_000_000 } });
  const nothing = world.runShell("wc -c");
  const unread = world.runShell("exit 3", { input: { kind: "file", path, length: 3_000_000 } });
  assert.deepEqual(await read.end(), EXITED);
  assert.equal(read.output.trim(), "3000000");
  assert.deepEqual(await nothing.end(), EXITED);
  assert.equal(nothing.output.trim(), "0");
  assert.deepEqual(await unread.end(), { ...EXITED, code: 3 });
});

const FAILURES: readonly (readonly [what: string, program: () => string, failure: RegExp])[] = [
  ["without #!", () => world.write("echo no\n"), /^Exec format error: does the file begin with #!/],
  ["that is missing", () => join(world.folder, "missing"), /^No such file or directory/],
  ["without its interpreter", () => world.write("#!/no/such\n"), /^No such file .*interpreter/],
  ["that is a folder", () => world.folder, /^Permission denied/],
  ["with a NUL in its path", () => `${world.folder}\0`, /NUL/],
  ["with a path that is no bytes", () => "/\u{20ac}", /latin-1/],
];
for (const [what, program, failure] of FAILURES)
  test(`a program ${what} is not started, and the run says why`, async () => {
    const run = world.run(program());
    const end = await run.end();
    assert.match(end.failure, failure);
    assert.deepEqual([end.code, end.signal], [null, null]);
    assert.deepEqual(run.events, ["end"]);
  });

test("faults of one run end no launcher: folder, input, environment", async () => {
  const before = await world.launcherPid();
  const faults = [
    world.runShell("true", { folder: "/no/such" }),
    world.runShell("true", { input: { kind: "file", path: "/no/such", length: 1 } }),
    world.runShell("true", { environment: { "A=B": "x" } }),
    world.runShell("true", { environment: { A: "x\0y" } }),
    world.runShell("true", { environment: { A: "x".repeat(140_000) } }),
    world.runShell("true", {
      environment: { A: "\x01".repeat(131_000) },
      input: { kind: "memory", bytes: Buffer.alloc(262_144) },
    }),
  ];
  for (const run of faults) {
    assert.notEqual((await run.end()).failure, "");
    assert.deepEqual(run.events, ["end"]);
  }
  assert.equal(await world.launcherPid(), before);
});

test("the largest environment that is taken arrives", async () => {
  const run = world.runShell('printf %s "${#A}"', { environment: { A: "x".repeat(131_060) } });
  assert.deepEqual(await run.end(), EXITED);
  assert.equal(run.output, "131060");
});

test("output that is not taken makes the program wait, and arrives whole", async () => {
  const run = world.runShell("head -c 5000000 /dev/zero; echo done >&2", {}, false);
  run.running?.pause();
  // Time enough for as many bytes.
  await world.runShell("head -c 5000000 /dev/zero >/dev/null").end();
  assert(!run.errorText.includes("done"), "the program goes on");
  assert(run.outputBytes <= 65_536);
  run.running?.resume();
  assert.deepEqual(await run.end(), EXITED);
  assert.equal(run.outputBytes, 5_000_000);
});

test("text on the standard error comes in whole lines, in UTF-8, and all before the end", async () => {
  const run = world.runShell("printf 'one\\ntwo \\303' >&2; printf '\\251\\n\\377 last' >&2");
  assert.deepEqual(await run.end(), EXITED);
  assert.equal(run.errorText, "one\ntwo é\n\ufffd last");
});

test("a megabyte on the standard error first holds up nothing and is cut", async () => {
  const run = world.runShell("yes 'an error' | head -c 1000000 >&2; echo out");
  assert.deepEqual(await run.end(), EXITED);
  assert.equal(run.output, "out\n");
  assert.equal(run.errorText.length, 65_537);
  assert(run.errorText.endsWith("…"));
});

test("a program that closes its output early goes on", async () => {
  const run = world.runShell(
    "echo first; exec >&-; while [ ! -e go ]; do sleep 0.01; done; exit 5",
  );
  await until("the end of the output", () => run.events.includes("output end"));
  assert(!run.events.includes("end"));
  writeFileSync(join(world.folder, "go"), "");
  assert.deepEqual(await run.end(), { ...EXITED, code: 5 });
});

test("a process that a program has left writes on, and is killed when it is silent", async () => {
  const run = world.runShell(
    "(for i in 1 2 3 4 5 6; do sleep 0.5; echo $i; done; sleep 1000) & echo $!; exit 4",
  );
  assert.deepEqual(await run.end(), { ...EXITED, code: 4 });
  const [left, ...rest] = run.output.trim().split("\n");
  assert.deepEqual(rest, ["1", "2", "3", "4", "5", "6"]);
  assert.deepEqual(run.events, ["started", "output", "output end", "end"]);
  await until("the end of the process", () => !isRunning(Number(left)));
});

test("a process that a program has left without its streams lives on; nobody waits for it", async () => {
  const run = world.runShell("sleep 1000 >/dev/null 2>&1 & echo $!");
  assert.deepEqual(await run.end(), EXITED);
  const left = Number(run.output);
  assert(isRunning(left));
  process.kill(left, "SIGKILL");
  await until("its end", () => !isRunning(left));
});

test("a process that keeps the standard error of its program is heard no more, and does not fail", async () => {
  const run = world.runShell(
    "(while [ ! -e told ]; do sleep 0.01; done; yes | head -c 300000 >&2 && echo fine >written) >/dev/null & exit 0",
  );
  assert.deepEqual(await run.end(), EXITED);
  writeFileSync(join(world.folder, "told"), "");
  await until("all to be written", () => readdirSync(world.folder).includes("written"));
  assert.equal(run.errorText, "");
});

test("end() sends SIGTERM to the group, and SIGKILL to what does not obey", async () => {
  const obeys = world.runShell("sleep 1000 & echo $!; wait");
  const refuses = world.runShell(
    "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $!; wait",
  );
  await obeys.printed("\n");
  await refuses.printed("\n");
  obeys.running?.end();
  refuses.running?.end();
  assert.deepEqual(await obeys.end(), TERMINATED);
  assert.deepEqual(await refuses.end(), KILLED);
  for (const run of [obeys, refuses]) {
    assert(!run.events.includes("output end"));
    await until("the end of the group", () => !isRunning(Number(run.output)));
  }
});

test("kill() kills the group at once, also before the start and in a call of the listener", async () => {
  const running = world.runShell("trap '' TERM; sleep 1000 & echo $!; wait");
  await running.printed("\n");
  running.running?.kill();
  assert.deepEqual(await running.end(), KILLED);
  await until("the end of the group", () => !isRunning(Number(running.output)));
  const early = world.runShell("sleep 1000");
  early.running?.kill();
  assert.deepEqual(await early.end(), KILLED);
  const left = world.runShell("sleep 1000 & echo $!");
  await left.printed("\n");
  left.running?.kill();
  left.running?.kill();
  await left.end();
  await until("the end of what it has left", () => !isRunning(Number(left.output)));
});

for (const how of ["end", "kill"] as const)
  test(`${how}() reaches a program that has moved to another process group`, async () => {
    const script = world.write(
      "import os, time\nos.setpgid(0, os.getpgid(os.getppid()))\nprint(1, flush=True)\ntime.sleep(1000)\n",
    );
    const run = world.run(script, { python: requirePython() });
    await run.printed("1");
    run.running?.[how]();
    assert.deepEqual(await run.end(), how === "end" ? TERMINATED : KILLED);
  });

test("what a program leaves behind is reaped", async () => {
  const launcher = await world.launcherPid();
  const run = world.runShell("for i in 1 2 3 4 5; do (sleep 0.1 &) ; done >/dev/null 2>&1; exit 0");
  assert.deepEqual(await run.end(), EXITED);
  await until("no child", () => childrenOf(launcher).length === 0);
});

test("a launcher that dies takes its programs along, and the next run has a new one", async (t) => {
  const own = new CgiWorld(t);
  const first = await own.launcherPid();
  const runs = [1, 2, 3].map(() => own.runShell("sleep 1000 & echo $!; wait"));
  for (const run of runs) await run.printed("\n");
  const starting = own.runShell("echo");
  process.kill(first, "SIGKILL");
  for (const run of runs) {
    assert.match((await run.end()).failure, /launcher/);
    await until(
      "the end of the group",
      () => !isRunning(Number(run.output)) && !isRunning(run.pid),
    );
  }
  await starting.end();
  assert.equal(own.launcherEnds.length, 1);
  assert.notEqual(await own.launcherPid(), first);
});

test("templates and their runs end when the launcher is killed", async (t) => {
  const own = new CgiWorld(t);
  const launcher = await own.launcherPid();
  const program = own.write(
    `#!${requirePython()}\nimport time\nprint(1, flush=True)\ntime.sleep(1000)\n`,
  );
  let warm = own.run(program, { mayBeWarm: true });
  await until("a warm run", async () => {
    await warm.printed("1");
    if (warm.isWarm) return true;
    warm.running?.kill();
    await warm.end();
    warm = own.run(program, { mayBeWarm: true });
    return false;
  });
  const pids = [warm.pid, ...childrenOf(launcher).map(Number)];
  assert(pids.length > 1);
  process.kill(launcher, "SIGKILL");
  assert.match((await warm.end()).failure, /launcher/);
  for (const pid of pids) await until(`the end of ${pid}`, () => !isRunning(pid));
});

test("a launcher that cannot be started fails runs, at last without another try", async (t) => {
  const own = new CgiWorld(t, { python: "/bin/false" });
  const failures: string[] = [];
  for (let i = 0; i < 6; i++) {
    const { failure, isForNow } = await own.runShell("true").end();
    failures.push(failure);
    // The first runs are lost with the launcher that has begun to start.
    if (i === 5) assert.equal(isForNow, true);
  }
  assert(failures.every((one) => /launcher/.test(one)));
  assert(own.launcherEnds.length < failures.length, "each run starts it anew");
  const missing = new CgiWorld(t, { python: "/no/such/python" });
  assert.match((await missing.runShell("true").end()).failure, /launcher/);
  assert.match(missing.launcherEnds.join(), /ENOENT/);
});

test("a stop ends programs, launcher and all: SIGTERM, then SIGKILL", async (t) => {
  const own = new CgiWorld(t);
  const launcher = await own.launcherPid();
  const obeys = own.runShell("sleep 1000 & echo $!; wait");
  const refuses = own.runShell("trap '' TERM; echo x; while :; do sleep 1; done");
  await obeys.printed("\n");
  await refuses.printed("x");
  const stops = Promise.all([own.launcher.stop(), own.launcher.stop()]);
  await within(PATIENCE_MS, stops, "the stop");
  assert.deepEqual(await obeys.end(), TERMINATED);
  assert.deepEqual(await refuses.end(), KILLED);
  assert(!isRunning(launcher));
  assert.match((await own.runShell("true").end()).failure, /stops/);
  await own.launcher.stop();
});

test("a program is not started when the front's table of open files has no room", async (t) => {
  const own = new CgiWorld(t, {}, 1);
  const first = own.runShell("echo; sleep 1000");
  await first.printed("\n");
  assert.match((await own.runShell("true").end()).failure, /no further file/);
  first.running?.kill();
  await first.end();
  await until("room", () => own.count.mayOpen());
  assert.deepEqual(await own.runShell("true").end(), EXITED);
});

test("a launcher without descriptors fails runs, and goes on", async (t) => {
  const folder = makeScratch(t);
  const python = join(folder, "python");
  writeFileSync(python, `#!/bin/sh\nulimit -n 24\nexec ${requirePython()} "$@"\n`, {
    mode: 0o755,
  });
  const own = new CgiWorld(t, { python });
  const pid = await own.launcherPid();
  const runs = Array.from({ length: 30 }, () => own.runShell("sleep 1000"));
  await until("a failure", () => runs.some((run) => run.events.includes("end")));
  for (const run of runs) run.running?.kill();
  const ends = await Promise.all(runs.map(async (run) => await run.end()));
  assert(ends.some(({ failure }) => failure.startsWith("Too many open files")));
  assert(ends.some(({ signal }) => signal === 9));
  assert.equal(await own.launcherPid(), pid);
});

/** A front of its own, which is killed. */
const FRONT = `
import { CgiLauncher } from ${JSON.stringify(new URL("../../src/cgi/launcher.ts", import.meta.url).href)};
const [python, packageFolder, program] = process.argv.slice(2);
const none = () => undefined;
const count = { mayOpen: () => true, opening: none, opened: none, closing: none, closed: none };
const launcher = new CgiLauncher(
  { python, packageFolder, templateIdleMs: 1000, count },
  { onLauncherLine: none, onLauncherEnd: none, onCold: none },
);
launcher.run(
  { program, python: "", args: [], folder: "/", environment: { PATH: "/usr/bin:/bin" }, input: { kind: "none" }, mayBeWarm: false, preload: [] },
  { onStarted: (pid) => process.send({ pid }), onOutput: (bytes) => process.send({ text: String(bytes) }), onOutputEnd: none, onErrorText: none, onEnd: none },
);
`;

test("programs and launcher end when the front is killed", async (t) => {
  const folder = makeScratch(t);
  const file = join(folder, "front.ts");
  writeFileSync(file, FRONT);
  const program = world.write("#!/bin/sh\ntrap '' TERM\nsleep 1000 & echo $! $PPID\nwait\n");
  const front = fork(file, [requirePython(), join(CHECKOUT, "python"), program]);
  const pids: number[] = [];
  front.on("message", (message: { readonly pid?: number; readonly text?: string }) => {
    if (message.pid !== undefined) pids.push(message.pid);
    pids.push(
      ...(message.text ?? "")
        .trim()
        .split(" ")
        .map(Number)
        .filter((pid) => pid > 1),
    );
  });
  await until("three processes", () => pids.length === 3);
  front.kill("SIGKILL");
  await once(front, "exit");
  for (const pid of pids) await until("the end of a process", () => !isRunning(pid));
});

test("of many runs that are killed at random each ends once, and nothing is left", async (t) => {
  const own = new CgiWorld(t);
  const launcher = await own.launcherPid();
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const sources = [
    "echo out",
    "echo out; echo err >&2; exit 3",
    "sleep 0.05; echo late",
    "sleep 1000 & wait",
    "head -c 200000 /dev/zero",
    "exec >&-; sleep 0.05",
    "cat >/dev/null; yes | head -c 100000 >&2",
    "kill -9 $$",
  ].map((source) => own.write(`#!/bin/sh\n${source}\n`));
  sources.push(own.write("no program"));
  await own.areDescriptorsClosed(launcher);
  const before = listDescriptors(process.pid).length;
  const total = IS_LONG ? 2500 : 500;
  let started = 0;
  const pids: number[] = [];
  async function runSome(): Promise<void> {
    while (started < total) {
      started += 1;
      const run = own.run(sources[Math.floor(random() * sources.length)] ?? "", {
        input:
          random() < 0.5
            ? { kind: "none" }
            : { kind: "memory", bytes: Buffer.alloc(random() * 9999) },
      });
      const chance = random();
      if (chance < 0.2) run.running?.pause();
      const act = (): void => (chance < 0.5 ? run.running?.kill() : run.running?.end());
      // What never ends by itself has to be ended.
      const timer = chance < 0.05 ? undefined : setTimeout(act, random() * 60);
      if (timer === undefined) act();
      await run.end();
      clearTimeout(timer);
      if (run.pid > 0) pids.push(run.pid);
    }
  }
  await Promise.all(Array.from({ length: 16 }, runSome));
  assert.equal(started, total);
  assert(pids.length > total / 4);
  for (const pid of pids) await until(`the end of ${pid}`, () => !isRunning(pid));
  await until("no child", () => childrenOf(launcher).length === 0);
  await own.areDescriptorsClosed(launcher);
  await until("the front's descriptors", () => listDescriptors(process.pid).length <= before);
  assert.equal(own.launcher.running, 0);
  assert.deepEqual([own.launcherEnds, own.lines], [[], []]);
});

test("of many warm runs that are killed at random each ends once, and nothing is left", async (t) => {
  const own = new CgiWorld(t);
  const launcher = await own.launcherPid();
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const program = own.write(
    `#!${requirePython()}
import os, sys, time
print(os.environ["QUERY_STRING"], flush=True)
time.sleep(int(os.environ["QUERY_STRING"]) % 7 / 100)
sys.stderr.write("x" * 100000)
sys.exit(3)
`,
  );
  const warm = { mayBeWarm: true, environment: { PATH: "/usr/bin:/bin", QUERY_STRING: "0" } };
  await until("a warm run", async () => {
    const run = own.run(program, warm);
    await run.end();
    return run.isWarm;
  });
  const total = IS_LONG ? 1000 : 200;
  let [started, warmRuns] = [0, 0];
  const pids = childrenOf(launcher).map(Number);
  async function runSome(): Promise<void> {
    while (started < total) {
      started += 1;
      const query = `${started}`;
      const isKilled = random() < 0.5;
      const run = own.run(program, {
        ...warm,
        environment: { ...warm.environment, QUERY_STRING: query },
      });
      const act = (): void => (random() < 0.5 ? run.running?.kill() : run.running?.end());
      const timer = isKilled ? setTimeout(act, random() * 60) : undefined;
      const end = await run.end();
      clearTimeout(timer);
      if (run.isWarm) warmRuns += 1;
      pids.push(run.pid);
      if (isKilled) continue;
      assert.deepEqual(end, { ...EXITED, code: 3 });
      assert.equal(run.output, `${query}\n`);
      assert.equal(run.errorText.length, 65_537);
    }
  }
  await Promise.all(Array.from({ length: 16 }, runSome));
  assert(warmRuns > total / 2, `${warmRuns} warm runs`);
  await own.launcher.stop();
  for (const pid of pids) await until(`the end of ${pid}`, () => pid === 0 || !isRunning(pid));
  assert.equal(own.launcher.running, 0);
  assert.deepEqual([own.launcherEnds, own.lines], [[], []]);
});

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")
    .trim()
    .split(" ")
    .filter(Boolean);
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
