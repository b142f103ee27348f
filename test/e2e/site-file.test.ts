// A site of two applications from one typhon.toml, started by the command with nothing but its working folder:
// hosts and prefixes, an option and a variable of one application, and `typhon reload`, which finds the PID file in
// the file and reads the file anew.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { COMMAND, makeScratch, requirePython } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

const folder = makeScratch(FILE);
const CODE = `import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    words = [os.environ["WHO"], environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["wsgi.multithread"]]
    return ["|".join(map(str, words)).encode("latin-1")]
`;
for (const name of ["shop", "api"]) {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "web.py"), CODE);
}

function write(api: string): void {
  writeFileSync(
    join(folder, "typhon.toml"),
    `bind = "127.0.0.1:0"
pid = "typhon.pid"
python = "${requirePython()}"
workers = 1
threads = 2
env = { WHO = "nobody" }

[apps.shop]
app = "web:app"
dir = "shop"
env = { WHO = "shop" }

[apps.api]
app = "web:app"
dir = "api"
${api}

[[routes]]
host = "shop.example"
app = "shop"

[[routes]]
host = "*.example"
path = "/straße"
app = "api"

[[routes]]
host = "old.example"
redirect = "https://shop.example{path}{query}"

[[routes]]
host = "old.example"
path = "/gone"
respond = 410
`,
  );
}

write("");
const server = await startTyphon(FILE, [], { cwd: folder, defaults: false });

async function get(host: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { port } = server;
  request({ port, path, headers: { Host: host }, agent: false }, (response) => {
    let body = `${response.statusCode} ${response.headers.location ?? ""}`.trim();
    response.setEncoding("utf8");
    response.on("data", (piece: string) => (body += ` ${piece}`));
    response.on("end", () => resolve(body));
  })
    .on("error", reject)
    .end();
  return await promise;
}

test("hosts and prefixes lead to their applications, redirects and texts", async () => {
  assert.equal(await get("shop.example", "/a"), "200 shop||/a|True");
  assert.equal(await get("SHOP.example:80", "/"), "200 shop||/|True");
  assert.equal(await get("a.example", "/stra%C3%9Fe/x"), "200 nobody|/straße|/x|True");
  assert.match(await get("a.example", "/strasse"), /^404 /);
  assert.equal(await get("old.example", "/a?b=1"), "302 https://shop.example/a?b=1");
  assert.equal(await get("old.example", "/gone/x"), "410");
  assert.match(await get("other.test", "/"), /^421 /);
});

test("typhon reload finds the PID file in typhon.toml; a mistake changes nothing", async () => {
  const reload = (...words: string[]): string => {
    const { status, stdout, stderr } = spawnSync(COMMAND, ["reload", ...words], {
      cwd: folder,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] },
    });
    return `${status} ${stdout}${stderr}`;
  };
  write('env = { WHO = "api" }\nthreads = 1');
  assert.match(reload(), /^0 reloaded in \d+ ms\n$/);
  appendFileSync(join(folder, "typhon.toml"), "[[routes]]\npath = '/new'\nrespond = ''\n");
  const file = readFileSync(join(folder, "typhon.toml"), "utf8");
  writeFileSync(join(folder, "typhon.toml"), `keep-alive = 7\nlog-level = "debug"\n${file}`);
  assert.match(reload(), /^0 reloaded in \d+ ms\nkeep-alive, log-level: holds after a restart\n$/);
  write('env = { WHO = "api" }\nthreads = 1');
  assert.match(reload(), /^0 reloaded in \d+ ms\n$/);
  assert.equal(await get("a.example", "/stra%C3%9Fe/x"), "200 api|/straße|/x|False");
  write('env = { WHO = "other" }\nthreads = 0');
  const mistake = /^2 typhon: typhon\.toml:17: threads '0' must be a whole number from 1 to 256\n$/;
  assert.match(reload(), mistake);
  // Found before any code is loaded: the other applications keep their processes.
  const workers = server.workers().map(({ pid }) => pid);
  write('env = { WHO = "api" }\nthreads = 1');
  writeFileSync(join(folder, "users"), "anna:secret\n");
  appendFileSync(join(folder, "typhon.toml"), 'basic-auth = "users"\n');
  assert.match(reload(), /^2 typhon: password file .*users:1: must be user:hash/);
  assert.deepEqual(
    server.workers().map(({ pid }) => pid),
    workers,
  );
  // A FIFO would hold the server, whose reload must not wait.
  rmSync(join(folder, "typhon.toml"));
  execFileSync("mkfifo", [join(folder, "typhon.toml")]);
  assert.match(reload("--pid", "typhon.pid"), /^2 typhon: typhon\.toml is no regular file/);
  assert.match(reload(), /^2 typhon: typhon\.toml is no regular file/);
  assert.equal(await get("a.example", "/stra%C3%9Fe/x"), "200 api|/straße|/x|False");
});

test("a site of redirects alone says what it serves", async (t) => {
  const cwd = makeScratch(t);
  const text = '[[routes]]\nredirect = "https://shop.example{path}"\n';
  writeFileSync(join(cwd, "typhon.toml"), `bind = "127.0.0.1:0"\n${text}`);
  const typhon = await startTyphon(t, [], { cwd, defaults: false });
  assert.match(typhon.output.all, /Typhon serves redirects and fixed responses at http:/);
});
