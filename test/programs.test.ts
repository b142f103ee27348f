// CGI programs as a part of the server: what a reload changes while they run, what is left of them when the server
// stops or their launcher dies, what the log tells, and a site of files with a cgi-bin folder.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { until } from "./support/deadline.ts";
import { FILE } from "./support/file-scope.ts";
import { isRunning } from "./support/processes.ts";
import { getOnce, RawClient } from "./support/raw-client.ts";
import { makeScratch } from "./support/scratch.ts";
import { runTyphon, startTyphon, type Typhon } from "./support/typhon.ts";

let folder = "";
before(() => {
  folder = makeScratch(FILE);
  for (const name of ["cgi-bin", "more", "public/cgi-bin"])
    mkdirSync(join(folder, name), { recursive: true });
  const head = "#!/bin/sh\necho Content-Type: text/plain\necho\n";
  for (const [name, code] of [
    ["cgi-bin/shows", `${head}echo "$A $LEAKED $PWD"\n`],
    ["cgi-bin/old", `#!/bin/sh\necho "ModuleNotFoundError: No module named 'cgi'" >&2\nexit 1\n`],
    // As cgitb of Python 3.12 begins its page.
    ["cgi-bin/traced", `#!/bin/sh\necho '<!--: spam'\necho Content-Type: text/html\necho\n`],
    ["cgi-bin/complains", `#!/bin/sh\necho first >&2\necho second >&2\n`],
    // Writes its process id, and goes on until a file is there.
    [
      "cgi-bin/waits",
      `#!/bin/sh\necho $$ > pid\nuntil test -e go-on; do sleep 0.02; done\necho Content-Type: text/plain\necho\necho waited $A\n`,
    ],
    [
      "cgi-bin/ignores",
      `#!/bin/sh\ntrap '' TERM HUP INT\necho $$ > stubborn\nwhile :; do sleep 0.1; done\n`,
    ],
    ["more/shows", `${head}echo more\n`],
    ["public/cgi-bin/shows", head],
  ] as const)
    writeFileSync(join(folder, name), code, { mode: 0o755 });
});

async function start(words: readonly string[]): Promise<Typhon> {
  const env = { LEAKED: "a variable of the server" };
  const options = { env, cwd: folder, defaults: false };
  return await startTyphon(FILE, ["--bind", "127.0.0.1:0", ...words], options);
}

/** The process id that a program has written. */
async function pidIn(name: string): Promise<number> {
  const path = join(folder, "cgi-bin", name);
  return await until(`a process id in ${name}`, () =>
    existsSync(path) ? Number(readFileSync(path, "utf8")) || null : null,
  );
}

test("a program has the variables of its route and none of the server; its errors are in the log", async () => {
  const typhon = await start(["--cgi", "cgi-bin", "--cgi-env", "A=ü"]);
  const { text } = await getOnce(typhon, "/cgi-bin/shows");
  assert.equal(text, `ü  ${join(folder, "cgi-bin")}\n`);
  const failed = await getOnce(typhon, "/cgi-bin/complains");
  assert.equal(failed.status, 500);
  const id = failed.fields.get("x-request-id")?.[0] ?? "";
  await typhon.output.waitFor(
    new RegExp(
      `WARN {2}first\\n *\\| second\\n *requestId=${id} method=GET path=/cgi-bin/complains`,
    ),
  );
  await typhon.output.waitFor(new RegExp(`ERROR .*requestId=${id} method=GET`));
  assert.equal((await getOnce(typhon, "/cgi-bin/old")).status, 500);
  await typhon.output.waitFor(/No module named 'cgi'\n.*dropped cgi: pip install legacy-cgi, for/);
  assert.equal((await getOnce(typhon, "/cgi-bin/traced")).status, 500);
  await typhon.output.waitFor(/ERROR the field name "<!--" is not a token; .*without cgitb/);
  writeFileSync(join(folder, "cgi-bin/plain"), "", { mode: 0o644 });
  assert.equal((await getOnce(typhon, "/cgi-bin/plain")).status, 403);
  await typhon.output.waitFor(
    /WARN {2}a file is not executable: .*chmod \+x {2}path=\/cgi-bin\/plain/,
  );
});

test("a reload changes routes and settings; a program that runs goes on under its launcher", async () => {
  const file = join(folder, "site.toml");
  const route = '[[routes]]\npath = "/cgi-bin"\ncgi = "cgi-bin"\n';
  writeFileSync(file, `${route}cgi-env = { A = "old" }`);
  const typhon = await start(["-c", "site.toml", "--pid", "typhon.pid"]);
  const waiting = getOnce(typhon, "/cgi-bin/waits");
  await pidIn("pid");
  // Another time for templates is another launcher.
  writeFileSync(
    file,
    `cgi-template-idle = 7\n${route}cgi-env = { A = "new" }\n[[routes]]\npath = "/more"\ncgi = "more"\n`,
  );
  typhon.signal("SIGHUP");
  await until(
    "the new routes",
    async () => (await getOnce(typhon, "/more/shows")).text === "more\n",
  );
  assert.match((await getOnce(typhon, "/cgi-bin/shows")).text, /^new /);
  const launchers = (): number => typhon.processes().filter(({ pid }) => pid !== typhon.pid).length;
  assert.equal(launchers(), 2);
  writeFileSync(join(folder, "cgi-bin/go-on"), "");
  assert.equal((await waiting).text, "waited old\n");
  await until("the old launcher has ended", () => launchers() === 1);
  assert.doesNotMatch(typhon.output.all, /launcher has ended/);
  for (const name of ["pid", "go-on"]) rmSync(join(folder, "cgi-bin", name));
});

test("a reload that brings the first route of programs starts their launcher", async () => {
  const file = join(folder, "later.toml");
  writeFileSync(file, '[[routes]]\nrespond = "none"\n');
  const typhon = await start(["-c", "later.toml"]);
  writeFileSync(file, '[[routes]]\npath = "/cgi-bin"\ncgi = "cgi-bin"\n');
  typhon.signal("SIGHUP");
  await until("the program", async () => (await getOnce(typhon, "/cgi-bin/shows")).status === 200);
});

test("a Python that cannot run the launcher ends the start in one line, and a reload changes nothing", async () => {
  const python = join(folder, "old-python");
  writeFileSync(python, "#!/bin/sh\necho too old >&2\nexit 1\n", { mode: 0o755 });
  const words = ["--bind", "127.0.0.1:0", "--cgi", "cgi-bin"];
  const run = await runTyphon([...words, "--python", python], { cwd: folder });
  assert.deepEqual([run.code, run.stdout], [2, ""]);
  assert.match(run.stderr, /^typhon: --python .*old-python: too old\n$/m);
  const file = join(folder, "other.toml");
  const route = '[[routes]]\npath = "/cgi-bin"\ncgi = "cgi-bin"\n';
  writeFileSync(file, route);
  const typhon = await start(["-c", "other.toml"]);
  writeFileSync(file, `python = "./old-python"\n${route}cgi-env = { A = "new" }\n`);
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/--python .*old-python: too old/);
  assert.match((await getOnce(typhon, "/cgi-bin/shows")).text, /^ /);
});

test("at the end of --graceful-timeout a program is killed, whatever it ignores", async () => {
  const typhon = await start(["--cgi", "cgi-bin", "--graceful-timeout", "0.2"]);
  const client = await RawClient.connect(typhon);
  client.write("GET /cgi-bin/ignores HTTP/1.1\r\nHost: a\r\n\r\n");
  const pid = await pidIn("stubborn");
  await typhon.stop();
  assert.equal(isRunning(pid), false);
});

test("a launcher that is killed leaves no program, and a new one takes the next request", async () => {
  const typhon = await start(["--cgi", "cgi-bin"]);
  const waiting = getOnce(typhon, "/cgi-bin/waits");
  const program = await pidIn("pid");
  const launcher = typhon.processes().find(({ pid }) => pid !== typhon.pid);
  assert(launcher !== undefined);
  process.kill(launcher.pid, "SIGKILL");
  assert.match(String((await waiting).status), /^50\d$/);
  await until("the program has ended", () => !isRunning(program));
  await typhon.output.waitFor(/the CGI launcher has ended/);
  await until("a new one", async () => (await getOnce(typhon, "/cgi-bin/shows")).status === 200);
  rmSync(join(folder, "cgi-bin/pid"));
});

test("a site of files does not send its cgi-bin, and says how it is run", async () => {
  const typhon = await start(["./public"]);
  for (const path of ["/cgi-bin/shows", "/cgi-bin/", "/cgi-bin", "/x/..//cgi-bin/shows"]) {
    const { status, text } = await getOnce(typhon, path);
    assert.equal(status, 404, path);
    assert.doesNotMatch(text, /sh/);
  }
  assert.match(
    typhon.output.stderr,
    /are not run, and their source is not sent; to run them: --cgi/,
  );
});
