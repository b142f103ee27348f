// Commands, variables and files of gunicorn and uvicorn start the real server, and have their effect on responses,
// workers and logs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { fieldOf, getOnce } from "../support/raw-client.ts";
import { CHECKOUT, makeScratch, requirePython } from "../support/scratch.ts";
import { runTyphon, startTyphon, type Typhon } from "../support/typhon.ts";

/** The user who owns nothing. */
const NOBODY = 65_534;
const SYSTEM_PYTHON = "/usr/bin/python3";

const APP = `import json, os
def app(environ, start_response):
    mask = os.umask(0)
    os.umask(mask)
    facts = {"cwd": os.getcwd(), "umask": oct(mask), "uid": os.getuid(), "A": os.environ.get("A"),
             "script": environ["SCRIPT_NAME"], "threads": environ["wsgi.multithread"]}
    start_response("200 OK", [("Content-Type", "application/json"), ("X-A", "app")])
    return [json.dumps(facts).encode()]
def make():
    return app
async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": scope["root_path"].encode()})
`;

let folder = "";
before(() => {
  folder = makeScratch(FILE);
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "shop.py"), APP);
  mkdirSync(join(folder, "work"));
});

async function start(words: string, env: Record<string, string> = {}): Promise<Typhon> {
  const options = { cwd: folder, env: { TYPHON_PYTHON: requirePython(), ...env }, defaults: false };
  return await startTyphon(FILE, words.split(" "), options);
}

async function factsOf(typhon: Typhon): Promise<Record<string, unknown>> {
  return readRecord((await getOnce(typhon, "/")).text);
}

test("a command line of gunicorn", async () => {
  const typhon = await start(
    "shop:app -b 127.0.0.1:0 --workers=2 --threads 3 -k gthread --worker-tmp-dir /dev/shm --access-logfile - --log-file - -n shop --umask 027 -e A=flag --keep-alive 5",
  );
  assert.deepEqual(await factsOf(typhon), {
    cwd: folder,
    umask: "0o27",
    uid: process.getuid?.(),
    A: "flag",
    script: "",
    threads: true,
  });
  assert.equal(typhon.workers().length, 2);
  await typhon.output.waitFor(/"GET \/ HTTP\/1\.1" 200/, 0, 5000);
  const { stderr } = typhon.output;
  for (const line of [
    /WARN {2}-k has no meaning here: WSGI runs in threads/,
    /--worker-tmp-dir has no meaning here: there are no heartbeat files/,
    /--access-logfile is --access-log here/,
    /-n has no meaning here/,
  ])
    assert.match(
      stderr.replaceAll(/\[\w+\]/g, (word) => `${word.slice(1, -1)}:`),
      line,
    );
  await typhon.stop();
});

test("a command line of uvicorn, with an application that a function makes", async () => {
  const typhon = await start(
    "shop:make --factory --host 127.0.0.1 --port 0 --workers 1 --proxy-headers --forwarded-allow-ips * --timeout-keep-alive 65 --limit-concurrency 50 --header X-A:1 --header X-B:2 --no-server-header --root-path /base --http h11 --no-access-log",
  );
  const response = await getOnce(typhon, "/base/x");
  assert.equal(response.status, 200);
  assert.deepEqual([fieldOf(response, "x-a"), fieldOf(response, "x-b")], ["1", "2"]);
  assert.equal(response.fields.has("server"), false);
  assert.equal(readRecord(response.text)["script"], "/base");
  assert.doesNotMatch(typhon.output.stdout, /GET/);
  await typhon.stop();
});

test("uvicorn's variables alone, and a Unix socket", async () => {
  const path = join(folder, "u.sock");
  const variables = {
    UVICORN_APP: "shop:asgi",
    UVICORN_UDS: path,
    UVICORN_WORKERS: "1",
    UVICORN_ROOT_PATH: "/r",
  };
  const typhon = await start("--uds u.sock --bind 127.0.0.1:0", variables);
  assert.equal((await getOnce({ path }, "/r/x")).text, "/r");
  assert.equal(typhon.workers().length, 1);
  await typhon.stop();
});

test("gunicorn.conf.py and GUNICORN_CMD_ARGS; a reload runs the file anew, and keeps the old on a mistake", async () => {
  const path = join(folder, "gunicorn.conf.py");
  const settings = (workers: string, variable: string): void =>
    writeFileSync(
      path,
      `import os\nwsgi_app = "shop:app"\nbind = "127.0.0.1:0"\nworkers = ${workers}\nchdir = "work"\nos.environ["A"] = "${variable}"\nprint("read")\nstatsd_host = "localhost:8125"\n`,
    );
  writeFileSync(join(folder, "work/shop.py"), APP);
  settings("3", "conf");
  const typhon = await start("-c gunicorn.conf.py", {
    GUNICORN_CMD_ARGS: "--threads 1 --root-path '/two'",
  });
  assert.partialDeepStrictEqual(await factsOf(typhon), {
    cwd: join(folder, "work"),
    A: "conf",
    script: "/two",
    threads: false,
  });
  assert.equal(typhon.workers().length, 3);
  assert.match(typhon.output.stderr, /gunicorn\.conf\.py prints: read/);
  assert.match(
    typhon.output.stderr,
    /gunicorn\.conf\.py: statsd_host has no meaning here: no metrics are sent/,
  );

  settings("2", "again");
  let mark = typhon.output.all.length;
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/, mark, 20_000);
  assert.equal((await factsOf(typhon))["A"], "again");
  await until("two workers are left", () => typhon.workers().length === 2);

  settings("1/0", "broken");
  mark = typhon.output.all.length;
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(
    /the configuration has a mistake\n.*gunicorn\.conf\.py:4: ZeroDivisionError/,
    mark,
    20_000,
  );
  assert.equal((await factsOf(typhon))["A"], "again");
  await typhon.stop();
});

test("a mistake ends the start in one line, with exit code 2", async () => {
  writeFileSync(join(folder, "bad.py"), "workers = 1\nimport gone_module\n");
  const run = async (words: string): Promise<string> => {
    const options = { cwd: folder, env: { TYPHON_PYTHON: requirePython() } };
    const { code, stderr } = await runTyphon(words.split(" "), options);
    assert.equal(code, 2);
    return stderr;
  };
  assert.equal(
    await run("shop:app --gunicorn-conf bad.py"),
    "typhon: bad.py:2: ModuleNotFoundError: No module named 'gone_module'\n",
  );
  assert.match(
    await run("shop:app -w 2 --daemon"),
    /^typhon: --daemon is refused: a service manager.*\n$/,
  );
  assert.match(await run("shop:app --worker"), /did you mean --workers\?/);
});

test("--check-config and --print-config show what would be served", async () => {
  const options = { cwd: folder, env: { TYPHON_PYTHON: requirePython() } };
  for (const flag of ["--check-config", "--print-config"]) {
    const { code, stdout } = await runTyphon(["shop:app", "-w", "3", flag], options);
    assert.equal(code, 0);
    assert.match(stdout, /3 workers, WSGI 4 threads/);
  }
});

test("with --user the file runs as that user, and without it as root, which then becomes the user of the file", async (t) => {
  const mayRead = [join(CHECKOUT, "python/typhon_worker/main.py"), SYSTEM_PYTHON].every(
    (path) => spawnSync("test", ["-r", path], { uid: NOBODY, gid: NOBODY }).status === 0,
  );
  if (!mayRead)
    return t.diagnostic(
      "left out: it needs root, and a checkout and a Python that every user may read",
    );
  const name = join(folder, "who.py");
  const lines =
    'import os\nbind = "127.0.0.1:0"\nworkers = 1\nprint("uid", os.getuid(), os.getgid(), os.environ["HOME"])\n';
  const words = `shop:app --gunicorn-conf ${name} --app-dir ${folder} --python ${SYSTEM_PYTHON}`;
  writeFileSync(name, lines);
  const given = await start(`${words} --user nobody`);
  assert.equal((await factsOf(given))["uid"], NOBODY);
  assert.match(given.output.stderr, /who\.py prints: uid 65534 65534 \/nonexistent/);
  await given.stop();

  writeFileSync(name, `${lines}user = "nobody"\n`);
  const own = await start(words);
  assert.equal((await factsOf(own))["uid"], NOBODY);
  assert.match(own.output.stderr, /who\.py prints: uid 0 0/);
  const mark = own.output.all.length;
  own.signal("SIGHUP");
  await own.output.waitFor(/new code serves/, mark, 20_000);
  await own.stop();
});
