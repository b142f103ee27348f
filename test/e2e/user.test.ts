// --user: bound as root, served as another user. Tests that need root, or a checkout that every user may read, say
// so in the report of the run where they lack it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";
import { connect } from "node:tls";

import { TestAuthority } from "../support/certificates.ts";
import { until, within } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { CHECKOUT, makeScratch } from "../support/scratch.ts";
import { runTyphon, startTyphon, Typhon } from "../support/typhon.ts";

/** The user and the group that own nothing (nobody, nogroup). */
const NOBODY = 65_534;
/** The system's interpreter: that of the tests may be in a folder of root. */
const SYSTEM_PYTHON = "/usr/bin/python3";

const WHO = `import json, os
def app(environ, start_response):
    try:
        os.setuid(0)
        again = "root"
    except PermissionError:
        again = "refused"
    names = ("HOME", "USER", "LOGNAME", "XDG_DATA_HOME")
    facts = {name: os.environ.get(name) for name in names}
    facts |= {"uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(), "again": again}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
`;

let folder = "";
before(() => {
  folder = makeScratch(FILE);
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "who.py"), WHO);
  writeFileSync(
    join(folder, "late.py"),
    'import os, time\nwhile not os.path.exists(os.environ["GATE"]): time.sleep(0.01)\nfrom who import app\n',
  );
});

/** Whether this run can start a server that becomes nobody; says why not. */
function mayBecomeNobody(t: TestContext): boolean {
  const isReadable = [join(CHECKOUT, "python/typhon_worker/main.py"), SYSTEM_PYTHON].every(
    (path) => spawnSync("test", ["-r", path], { uid: NOBODY, gid: NOBODY }).status === 0,
  );
  if (isReadable) return true;
  t.diagnostic("left out: it needs root, and a checkout and a Python that every user may read");
  return false;
}

/** A folder that only nobody may write to. */
function folderOfNobody(name: string): string {
  const made = join(folder, name);
  mkdirSync(made);
  chownSync(made, NOBODY, NOBODY);
  return made;
}

function asNobody(...words: string[]): string[] {
  return ["--user", "nobody", "--app-dir", folder, "--python", SYSTEM_PYTHON, ...words];
}

/** A client of a server that is only beginning: the socket's file may be there before somebody listens. */
async function connectEarly(path: string): Promise<RawClient> {
  return await until("the server listens", () => RawClient.connect({ path }).catch(() => null));
}

/** The users and groups of all threads of a process: the real, effective, saved and file system ones. */
function idsOf(pid: number): number[] {
  const ids = readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
    return [...status.matchAll(/^(?:Uid|Gid|Groups):(.*)$/gm)].flatMap(([, line = ""]) =>
      line.trim().split(/\s+/).map(Number),
    );
  });
  return [...new Set(ids)];
}

test("front, launcher and workers are the user, and so is every file; reloads and logs go on", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const own = folderOfNobody("run");
  const [pidFile, log, socket] = ["pid", "log", "web.sock"].map((name) => join(own, name));
  assert(pidFile !== undefined && log !== undefined && socket !== undefined);
  const files = ["--pid", pidFile, "--access-log", log, "--temp-dir", own];
  const binds = ["--bind", "127.0.0.1:0", "--bind", `unix:${socket}`];
  const words = asNobody("who:app", "--workers", "1", ...files, ...binds);
  const env = { XDG_DATA_HOME: "/root/data" };
  const typhon = await startTyphon(FILE, words, { env, defaults: false });
  const facts = readRecord((await getOnce(typhon, "/")).text);
  const three = [NOBODY, NOBODY, NOBODY];
  assert.deepEqual([facts["uids"], facts["gids"]], [three, three]);
  assert.equal(facts["again"], "refused");
  assert.deepEqual([facts["USER"], facts["LOGNAME"]], ["nobody", "nobody"]);
  assert.equal(facts["XDG_DATA_HOME"], null);
  assert.notEqual(facts["HOME"], process.env["HOME"]);
  const processes = typhon.processes();
  assert(processes.length >= 3);
  for (const { pid } of processes) assert.deepEqual(idsOf(pid), [NOBODY]);

  const reload = await runTyphon(["reload", "--pid", pidFile]);
  assert.equal(reload.code, 0, reload.stderr);
  renameSync(log, `${log}.1`);
  typhon.signal("SIGUSR1");
  await until("the log is opened again", () => existsSync(log));
  assert.equal((await getOnce(typhon, "/")).status, 200);
  for (const name of readdirSync(own)) assert.equal(statSync(join(own, name)).uid, NOBODY, name);
  assert.equal(readdirSync(own).includes("pid.sock"), true);
  await typhon.stop();
  assert.deepEqual(readdirSync(own).toSorted(), ["log", "log.1"]);
});

test("CGI programs are the user too, cold and warm", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const programs = join(folder, "programs");
  mkdirSync(programs);
  writeFileSync(join(programs, "cold"), "#!/bin/sh\necho Content-Type: text/plain\necho\nid\n", {
    mode: 0o755,
  });
  const code = `#!${SYSTEM_PYTHON}
import os
print("Content-Type: text/plain")
print()
try:
    os.setuid(0)
except PermissionError:
    print(os.getresuid(), os.getresgid(), os.getgroups())
`;
  writeFileSync(join(programs, "warm"), code, { mode: 0o755 });
  const words = asNobody("--cgi", `/p=${programs}`, "--bind", "127.0.0.1:0");
  const typhon = await startTyphon(FILE, words, { defaults: false });
  const ids = `(${NOBODY}, ${NOBODY}, ${NOBODY})`;
  // The second run of a program is in a template that the first one has begun.
  for (const path of ["/p/cold", "/p/warm", "/p/warm"]) {
    const { text } = await getOnce(typhon, path);
    if (path === "/p/cold") assert.match(text, new RegExp(`^uid=${NOBODY}\\S* gid=${NOBODY}`));
    else assert.equal(text, `${ids} ${ids} [${NOBODY}]\n`);
  }
  for (const { pid } of typhon.processes()) assert.deepEqual(idsOf(pid), [NOBODY]);
  await typhon.stop();
});

test("the file is read anew as the user, and asks for no restart", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const own = folderOfNobody("reloaded");
  const file = join(folder, "site.toml");
  const text = `user = "nobody"\nbind = ["127.0.0.1:0", "unix:run.sock"]\npid = "reloaded/pid"\nworkers = 1\npython = "${SYSTEM_PYTHON}"\n`;
  writeFileSync(file, `${text}app = "who:app"\n`);
  const typhon = await startTyphon(FILE, ["--config", file], { defaults: false });
  writeFileSync(
    file,
    `${text}[apps.who]\napp = "who:app"\n[[routes]]\npath = "/who"\napp = "who"\n`,
  );
  const reload = await runTyphon(["reload", "--pid", join(own, "pid")]);
  assert.equal(reload.code, 0, reload.stderr);
  assert.equal((await getOnce(typhon, "/who")).status, 200);
  assert.equal((await getOnce(typhon, "/")).status, 404);
  assert.doesNotMatch(typhon.output.all, /holds after a restart/);
  chmodSync(file, 0o600);
  const closed = await runTyphon(["reload", "--pid", join(own, "pid")]);
  assert.equal(closed.code, 2);
  assert.match(closed.stderr, /may not be read by this user/);
  assert.equal((await getOnce(typhon, "/who")).status, 200);
});

test("TLS is served as the user, and a renewed certificate is used without a restart", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const authority = new TestAuthority("Test");
  const [cert, key] = [join(folder, "tls.pem"), join(folder, "tls.key")];
  /** Puts a new pair in place, as programs do that renew one, and returns its serial number. */
  const renew = (): string => {
    const issued = authority.issue({ names: ["a.example"] });
    writeFileSync(`${cert}.new`, issued.cert);
    writeFileSync(`${key}.new`, issued.key, { mode: 0o640 });
    chownSync(`${key}.new`, 0, NOBODY);
    renameSync(`${key}.new`, key);
    renameSync(`${cert}.new`, cert);
    return new X509Certificate(issued.cert).serialNumber;
  };
  const first = renew();
  const pair = ["--certfile", cert, "--keyfile", key];
  const words = asNobody("who:app", "--workers", "1", "--bind", "https://127.0.0.1:0", ...pair);
  const typhon = await startTyphon(FILE, words);
  assert.match(typhon.url, /^https:/);
  assert.deepEqual(idsOf(typhon.pid), [NOBODY]);
  assert.equal(await serialAt(typhon.port), first);
  const second = renew();
  await until("the new one is used", async () => (await serialAt(typhon.port)) === second);
});

/** The serial number of the certificate at a port. */
async function serialAt(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test("files are served, and large bodies kept, as the user", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const temporary = folderOfNobody("temporary");
  const words = asNobody("who:app", "--workers", "1", "--bind", "127.0.0.1:0", "--temp-dir");
  const typhon = await startTyphon(FILE, [...words, temporary, "--static", `/files=${folder}`]);
  assert.equal((await getOnce(typhon, "/files/who.py")).text, WHO);
  const client = await RawClient.connect(typhon);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n`;
  client.write(head);
  await client.send(Buffer.alloc(2_000_000));
  const [made = ""] = await until("the body is in a file", () => {
    const names = readdirSync(temporary);
    return names.length > 0 && names;
  });
  assert.equal(statSync(join(temporary, made)).uid, NOBODY);
  await client.send(Buffer.alloc(2_000_000));
  assert.equal((await client.readResponse()).status, 200);
  client.destroy();
});

test("a connection that comes while the application loads waits, and gets its response", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const [socket, gate] = [join(folder, "early.sock"), join(folder, "gate")];
  const words = asNobody("late:app", "--workers", "1", "--bind", `unix:${socket}`);
  const typhon = new Typhon(words, { env: { GATE: gate } });
  try {
    const client = await connectEarly(socket);
    assert.equal(statSync(socket).uid, NOBODY);
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await until("the application is being loaded", () => typhon.workers().length > 0);
    assert.equal(client.waiting, 0);
    writeFileSync(gate, "");
    assert.equal((await client.readResponse()).status, 200);
    client.destroy();
    await typhon.stop();
  } finally {
    typhon.kill();
  }
});

test("a stop while the application loads ends the connections that wait", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const socket = join(folder, "stopped.sock");
  const words = asNobody("late:app", "--workers", "1", "--bind", `unix:${socket}`);
  const typhon = new Typhon(words, { env: { GATE: join(folder, "never") } });
  try {
    const client = await connectEarly(socket);
    await until("the application is being loaded", () => typhon.workers().length > 0);
    typhon.signal("SIGTERM");
    const { code } = await within(20_000, typhon.exited, "it ends");
    assert.equal(code, 143);
    await until("the connection is closed", () => client.state !== "open");
  } finally {
    typhon.kill();
  }
});

test("an application that does not load ends the start with 3, as the user", async (t) => {
  if (!mayBecomeNobody(t)) return;
  writeFileSync(join(folder, "broken.py"), "import os\nraise SystemError(f'uid {os.getuid()}')\n");
  const run = await runTyphon(asNobody("broken:app", "--bind", "127.0.0.1:0"));
  assert.equal(run.code, 3, run.stderr);
  assert.match(run.stderr, /SystemError: uid 65534/);
});

/** The lines of `typhon check`, and of a start: the same mistakes. */
async function mistakes(...words: string[]): Promise<string> {
  const checked = await runTyphon(["check", ...words]);
  const started = await runTyphon(words);
  assert.deepEqual([checked.code, started.code], [2, 2], checked.stdout + started.stderr);
  assert.equal(started.stderr, `typhon: ${checked.stderr}`);
  return checked.stderr;
}

test("a key that only root may read is a mistake with its remedy, found by check as well", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const [closed, key] = [join(folder, "closed"), join(folder, "root.key")];
  mkdirSync(closed, { mode: 0o700 });
  for (const path of [key, join(closed, "a.key"), join(folder, "a.pem")]) writeFileSync(path, "");
  chmodSync(key, 0o600);
  const serve = (...words: string[]): string[] =>
    asNobody("who:app", "--certfile", join(folder, "a.pem"), "--bind", "127.0.0.1:0", ...words);
  assert.match(
    await mistakes(...serve("--keyfile", key)),
    /^--keyfile '.*root\.key' may not be read by user nobody: setfacl -m u:nobody:r '.*root\.key', or give it to a group/,
  );
  assert.match(
    await mistakes(...serve("--keyfile", join(closed, "a.key"))),
    /^--keyfile .* is in .*\/closed, which user nobody may not enter: setfacl -m u:nobody:x '.*closed'/,
  );
  const issued = new TestAuthority("Test").issue({ names: ["a.example"] });
  writeFileSync(join(folder, "a.pem"), issued.cert);
  writeFileSync(key, issued.key);
  chownSync(key, 0, NOBODY);
  chmodSync(key, 0o640);
  const run = await runTyphon(["check", ...serve("--keyfile", key)]);
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /user +nobody, group 65534/);
});

test("a PID file, a log and a configuration that the user may not use are mistakes", async (t) => {
  if (!mayBecomeNobody(t)) return;
  const address = ["--bind", "127.0.0.1:0"];
  const lines = await mistakes(
    ...asNobody("who:app", ...address, "--pid", join(folder, "pid"), "--access-log"),
    join(folder, "log"),
  );
  assert.match(lines, /--pid '.*' is in no folder that user nobody may write to/);
  assert.match(lines, /--access-log '.*' is no file that this user may write/);
  assert.equal(existsSync(join(folder, "log")), false);
  const file = join(folder, "root.toml");
  writeFileSync(file, 'app = "who:app"\n', { mode: 0o600 });
  assert.match(
    await mistakes(...asNobody("--config", file, ...address)),
    /^--config '.*root\.toml' may not be read by user nobody/,
  );
});

test("without --user nothing changes, and who is that user already needs no root", async () => {
  const typhon = await startTyphon(FILE, ["raw:app", "--user", String(process.getuid?.())]);
  assert.equal(idsOf(typhon.pid).includes(process.getuid?.() ?? -1), true);
  assert.equal((await getOnce(typhon, "/")).status, 200);
});
