// The server under systemd: sd_notify(3), the watchdog, and sockets that systemd has opened
// (sd_listen_fds(3)).

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ChangingApp } from "../supervisor/changing-app.ts";
import { receiveDatagrams } from "../supervisor/datagrams.ts";
import { lapse, until } from "../support/deadline.ts";
import { readRecord } from "../support/json.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, COMMAND, makeScratch, requirePython } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

const SERVE = ["factory", "--workers", "1", "--app-dir", APPS, "--python", requirePython()];

test("tells when it serves, reloads and stops, and which process is meant", async (t) => {
  const { address, output } = await receiveDatagrams(t);
  const app = new ChangingApp(t);
  app.answer("first");
  const typhon = await startTyphon(t, app.args, { env: { NOTIFY_SOCKET: address } });
  const [ready] = await output.waitFor(/^READY=1 .*$/m);
  assert.match(
    ready,
    new RegExp(`^READY=1 MAINPID=${typhon.pid} STATUS=serves changing:app at http://`),
  );
  app.answer("second");
  typhon.signal("SIGHUP");
  const reloaded = /^RELOADING=1 MONOTONIC_USEC=(\d+) STATUS=.*\nREADY=1 MAINPID=/m;
  const [, at] = await output.waitFor(reloaded);
  assert(Number(at) <= Number(process.hrtime.bigint() / 1000n));
  app.answer("third", "raise ValueError");
  typhon.signal("SIGHUP");
  await output.waitFor(/\nRELOADING=1 .*\nREADY=1 .*new code did not load/);
  await typhon.stop();
  await output.waitFor(/^STOPPING=1 /m);
});

test("a reload that is asked for is told also where files are watched", async (t) => {
  const { address, output } = await receiveDatagrams(t);
  const app = new ChangingApp(t);
  app.answer("first");
  const typhon = await startTyphon(t, [...app.args, "--reload"], {
    env: { NOTIFY_SOCKET: address },
  });
  await output.waitFor(/^READY=1 /m);
  typhon.signal("SIGHUP");
  await output.waitFor(/^RELOADING=1 .*\nREADY=1 MAINPID=/m);
});

test("takes the address of an abstract socket", async (t) => {
  const { address, output } = await receiveDatagrams(t, `@typhon-${randomUUID()}`);
  await startTyphon(t, SERVE, { env: { NOTIFY_SOCKET: address } });
  await output.waitFor(/^READY=1 /m);
});

test("feeds the watchdog as long as the event loop turns", async (t) => {
  const { address, output } = await receiveDatagrams(t);
  const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "100000" };
  const typhon = await startTyphon(t, SERVE, { env });
  const count = (): number => output.linesWith(/^WATCHDOG=1$/).length;
  await until("it was fed", () => count() >= 3);
  typhon.signal("SIGSTOP");
  await lapse(200);
  const before = count();
  await lapse(400);
  assert.equal(count(), before, "fed while the event loop stands");
  typhon.signal("SIGCONT");
  await until("it is fed again", () => count() > before);
});

test("a watchdog of another process is not fed", async (t) => {
  const { address, output } = await receiveDatagrams(t);
  const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "20000", WATCHDOG_PID: "1" };
  const typhon = await startTyphon(t, SERVE, { env });
  await typhon.stop();
  await output.waitFor(/^STOPPING=1 /m);
  assert.doesNotMatch(output.all, /WATCHDOG/);
});

test("a service manager that does not listen changes nothing", async (t) => {
  const env = { NOTIFY_SOCKET: join(makeScratch(t), "nobody.sock"), WATCHDOG_USEC: "1000000" };
  const typhon = await startTyphon(t, SERVE, { env });
  assert.equal((await getOnce(typhon, "/")).text, "application");
});

/** Opens the sockets that its first argument lists, passes them on from 3, and becomes the rest. */
const ACTIVATE = `
import json, os, socket, sys
asked, command = json.loads(sys.argv[1]), sys.argv[2:]
def open_socket(place):
    if place == "datagram":
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if place != "stream":
        one = socket.socket(socket.AF_UNIX)
        one.bind(place)
        one.listen(128)
        return one
    return socket.create_server(("127.0.0.1", 0))
sockets = [open_socket(place) for place in asked["places"]]
print(json.dumps([one.getsockname() for one in sockets]), flush=True)
# First out of the way of the numbers that are to be taken.
for at, one in enumerate(sockets):
    os.dup2(one.fileno(), 100 + at, inheritable=False)
for at in range(len(sockets)):
    os.dup2(100 + at, 3 + at, inheritable=True)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid() + asked["shift"])
while asked["wait"] and not os.path.exists(asked["wait"]):
    pass
os.execv(command[0], command)
`;

interface Activation {
  /** The paths of Unix sockets; "stream": a TCP port; "datagram": a UDP socket. */
  readonly places: readonly string[];
  /** Added to LISTEN_PID. */
  readonly shift?: number;
  /** A file to wait for before the server is started. */
  readonly wait?: string;
}

/** The command that starts typhon as systemd does. */
function activated(
  { places, shift = 0, wait = "" }: Activation,
  args: readonly string[],
): string[] {
  return ["-c", ACTIVATE, JSON.stringify({ places, shift, wait }), COMMAND, ...args];
}

async function startActivated(
  context: TestContext,
  activation: Activation,
  args: readonly string[] = SERVE,
): Promise<Typhon> {
  const words = activated(activation, args);
  return await startTyphon(context, words, { command: requirePython(), defaults: false });
}

test("listens at the sockets that were passed, and at no others", async (t) => {
  const path = join(makeScratch(t), "web.sock");
  const typhon = await startActivated(t, { places: ["stream", path] });
  const [, port] = await typhon.output.waitFor(/^\[\["127\.0\.0\.1", (\d+)\]/m);
  assert.match(typhon.output.all, new RegExp(`http://127\\.0\\.0\\.1:${port} unix:${path} `));
  assert.equal((await getOnce({ port: Number(port) }, "/")).text, "application");
  const client = await RawClient.connect({ path });
  assert.equal((await client.get("/")).text, "application");
  client.destroy();
  await typhon.stop();
  assert(existsSync(path), "a socket of somebody else's was taken away");
});

test("a socket of another parent process, by its number", async (t) => {
  const args = [...SERVE, "--fd", "4"];
  const places = [join(makeScratch(t), "other.sock"), "stream"];
  const typhon = await startActivated(t, { places, shift: 1 }, args);
  const [, passed] = await typhon.output.waitFor(/"127\.0\.0\.1", (\d+)\]/);
  assert.equal(typhon.port, Number(passed));
  assert.equal((await getOnce(typhon, "/")).text, "application");
});

test("a descriptor that is no socket: exit 2", async () => {
  const { code, stderr } = await runTyphon([...SERVE, "--fd", "77"]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /^typhon: descriptor 77 of --fd is not a stream socket that can listen/);
});

test("says that an address which was chosen is not listened at", async (t) => {
  const args = [...SERVE, "--bind", "127.0.0.1:1"];
  const typhon = await startActivated(t, { places: ["stream"] }, args);
  await typhon.output.waitFor(/WARN .*LISTEN_FDS/);
  assert.doesNotMatch(typhon.output.all, /127\.0\.0\.1:1 /);
  assert.equal((await getOnce(typhon, "/")).text, "application");
});

test("who connects before the server runs is served when it does", async (t) => {
  const folder = makeScratch(t);
  const path = join(folder, "web.sock");
  const wait = join(folder, "start");
  const starting = startActivated(t, { places: [path, "stream"], wait });
  await until("the socket is open", () => existsSync(path));
  const early = await until("it takes connections", () =>
    RawClient.connect({ path }).catch(() => null),
  );
  early.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  writeFileSync(wait, "");
  assert.equal((await early.readResponse("GET", 60_000)).text, "application");
  early.destroy();
  await starting;
});

test("sockets that are meant for another process are left alone", async (t) => {
  const args = [...SERVE, "--bind", "127.0.0.1:0"];
  const typhon = await startActivated(t, { places: ["stream"], shift: 1 }, args);
  const [, passed] = await typhon.output.waitFor(/^\[\["127\.0\.0\.1", (\d+)\]/m);
  assert.notEqual(typhon.port, Number(passed));
  assert.equal((await getOnce(typhon, "/")).text, "application");
});

test("a datagram socket: exit 2, and what to write in the unit", async () => {
  const run = await runTyphon(activated({ places: ["datagram"] }, SERVE), {
    command: requirePython(),
  });
  assert.equal(run.code, 2, run.stderr);
  assert.match(run.stderr, /^typhon: descriptor 3 of LISTEN_FDS .*ListenStream= and Accept=no\n$/);
});

test("the application sees nothing of all that, and inherits no socket", async (t) => {
  const { address } = await receiveDatagrams(t);
  const folder = makeScratch(t);
  writeFileSync(
    join(folder, "insides.py"),
    `import json, os, socket
def app(environ, start_response):
    ends = []
    for fd in range(3, 200):
        try:
            one = socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
        ends.append(str(one.getsockname()))
        one.close()
    names = [name for name in os.environ if name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"names": names, "ends": ends}).encode()]
`,
  );
  const words = activated(
    { places: ["stream"] },
    withDefaults(["insides:app", "--app-dir", folder, "--workers", "1"]),
  );
  const typhon = await startTyphon(t, words, {
    command: requirePython(),
    defaults: false,
    env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: "10000000" },
  });
  const { names, ends } = readRecord((await getOnce(typhon, "/")).text);
  assert.deepEqual(names, []);
  assert.doesNotMatch(JSON.stringify(ends), /127\.0\.0\.1/);
});

const SYSTEMD_NOTIFY = (process.env["PATH"] ?? "")
  .split(":")
  .map((folder) => join(folder, "systemd-notify"))
  .find((path) => existsSync(path));

/** The programs that may send a message of a site without applications: where the machine has them. */
for (const [program, found] of [
  ["python3", requirePython()],
  ...(SYSTEMD_NOTIFY === undefined ? [] : [["systemd-notify", SYSTEMD_NOTIFY] as const]),
  ["nothing", null],
] as const)
  test(`a site without applications tells the same by ${program}`, async (t) => {
    const { address, output } = await receiveDatagrams(t);
    const folder = makeScratch(t);
    const site = join(folder, "site");
    const path = join(folder, "bin");
    for (const made of [site, path]) mkdirSync(made);
    writeFileSync(join(site, "index.html"), "<p>");
    if (found !== null) symlinkSync(found, join(path, program));
    const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "1000000", PATH: path };
    const typhon = await startTyphon(t, ["./site"], { cwd: folder, env });
    if (found === null) {
      await typhon.output.waitFor(/WARN .*systemd-notify: not on PATH; python3: not on PATH/);
      assert.equal((await getOnce(typhon, "/")).text, "<p>");
      return;
    }
    const ready = `READY=1 MAINPID=${typhon.pid} STATUS=serves files at http://`;
    await output.waitFor(new RegExp(`^${ready}`, "m"));
    await output.waitFor(/^WATCHDOG=1$/m);
    typhon.signal("SIGHUP");
    await output.waitFor(
      /^RELOADING=1 MONOTONIC_USEC=\d+ STATUS=.*\n(?:(?:WATCHDOG|BARRIER)=1\n)*READY=1 /m,
    );
    await typhon.stop();
    await output.waitFor(/^STOPPING=1 /m);
    assert.doesNotMatch(typhon.output.all, /service manager/);
  });

test("a launcher that is gone leaves the watchdog to a program", async (t) => {
  const { address, output } = await receiveDatagrams(t);
  const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "200000" };
  const folder = makeScratch(t);
  const file = join(folder, "once.py");
  const loads = `
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"once"]
`;
  writeFileSync(file, loads);
  const python = requirePython();
  const link = join(folder, "python");
  symlinkSync(python, link);
  const args = ["once:app", "--app-dir", folder, "--workers", "1", "--python", link];
  const typhon = await startTyphon(t, args, { env });
  await output.waitFor(/^READY=1 /m);
  // No launcher can be started from here on.
  unlinkSync(link);
  const [worker] = typhon.workers();
  assert(worker !== undefined);
  process.kill(worker.parent, "SIGKILL");
  await typhon.output.waitFor(/launcher/);
  const count = (): number => output.linesWith(/^WATCHDOG=1$/).length;
  const before = count();
  await until("it is fed without a launcher", () => count() > before + 3);
});
