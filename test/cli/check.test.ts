// `typhon check`: what would be served in the order in which it matches, or every mistake, and the exit codes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "typhon-check-"));
after(() => rmSync(scratch, { recursive: true }));
for (const folder of ["bin", "public", "empty"]) mkdirSync(join(scratch, folder));
writeFileSync(join(scratch, "bin", "python3"), "#!/bin/sh\nexit 9\n", { mode: 0o755 });

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function typhon(words: readonly string[], cwd = scratch): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    cwd,
    encoding: "utf8",
    env: { PATH: join(scratch, "bin"), TMPDIR: scratch },
  });
  return { status, stdout, stderr };
}

test("shows listeners, routes in matching order, applications, files and limits", () => {
  writeFileSync(
    join(scratch, "typhon.toml"),
    `bind = ["127.0.0.1:8000", "[::1]:8000", "unix:s"]
     access-log = "logs"
     max-body = "2M"
     [apps.shop]
     app = "shop.wsgi"
     workers = 3
     timeout = [30, "/reports=300"]
     sendfile = "/private=public"
     [[routes]]
     redirect = "https://x.example{path}"
     [[routes]]
     host = "x.example"
     path = "/straße"
     app = "shop"
     allow = "10.0.0.0/8"
     headers = { A = "b", Server = false }
     [[routes]]
     host = "x.example"
     path = "/straße/files"
     static = "public"
     listing = true
     index = ["index.html", "ö.html"]
     compress = "off"
`,
  );
  const { status, stdout, stderr } = typhon(["check"]);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  const expected = [
    "http://127.0.0.1:8000",
    "http://[::1]:8000",
    `unix:${join(scratch, "s")}`,
    `x.example  /straße/files  → files of ${join(scratch, "public")} (index index.html ö.html, listing, compress off)`,
    "x.example  /straße  → application shop (only 10.0.0.0/8, sets A, removes Server)",
    "every host  /  → 302 https://x.example{path}",
    "shop: shop.wsgi",
    "3 workers",
    "/reports: 300 s",
    "root path /straße",
    `hands over files of ${join(scratch, "public")} as /private`,
    `access log   ${join(scratch, "logs")}`,
    "body 2M",
  ];
  let at = 0;
  for (const words of expected) {
    const found = stdout.indexOf(words, at);
    assert.notEqual(found, -1, `${words}\nafter ${at} in:\n${stdout}`);
    at = found;
  }
  assert.equal(existsSync(join(scratch, "logs")), false, "a check leaves no file");
});

test("shows CGI programs, their interpreters and what is not run", () => {
  mkdirSync(join(scratch, "files", "cgi-bin"), { recursive: true });
  const words = ["check", "./files", "--cgi", "/p=public", "--cgi-run-py", "--cgi-env", "A=b"];
  const { status, stdout } = typhon([...words, "--cgi-concurrency", "3", "--timeout", "/p/a=9"]);
  assert.equal(status, 0);
  const python = join(scratch, "bin", "python3");
  for (const line of [
    `every host  /p  → CGI programs of ${join(scratch, "public")} (.py files by ${python}, sets A, timeout 30 s, /p/a 9 s)`,
    'every host  /cgi-bin  → 404 "Nothing is served at this path.\\n"',
    `the programs of ${join(scratch, "files/cgi-bin")} are not run, and their source is not sent;`,
    `started by ${python}, 3 at once`,
    "1000 requests may wait 5 s; an idle template ends after 300 s",
  ])
    assert.ok(stdout.includes(`\n  ${line}`), `${line}\nin:\n${stdout}`);
});

test("warns of redirects without end", () => {
  const text =
    '[[routes]]\nredirect = "/b{path}"\npath = "/a"\n[[routes]]\nredirect = "/a{path}"\npath = "/b"\n';
  writeFileSync(join(scratch, "loop.toml"), text);
  const { status, stdout } = typhon(["check", "-c", "loop.toml"]);
  assert.equal(status, 0);
  assert.match(stdout, /^Warnings:\n {2}a redirect without end: \/a → \/b → \/a → \/b → …\n/m);
});

test("takes the words of a start", () => {
  const { status, stdout } = typhon(["check", "app:app", "--static", "/s=public", "-w", "2"]);
  assert.equal(status, 0);
  assert.match(
    stdout,
    /every host {2}\/s {2}→ files of .*public\n {2}every host {2}\/ {2}→ the app/,
  );
  assert.match(
    typhon(["check", "./public"]).stdout,
    /every host {2}\/ {2}→ files of .*public\n\nFiles:/,
  );
});

test("every mistake is a line on standard error, and the exit code is 2", () => {
  writeFileSync(join(scratch, "bad.toml"), 'app = "app:app"\nworkers = 0\ntiemout = 3\n');
  const { status, stdout, stderr } = typhon(["check", "-c", "bad.toml"]);
  assert.deepEqual(
    { status, stdout, stderr },
    {
      status: 2,
      stdout: "",
      stderr:
        "bad.toml:2: workers '0' must be a whole number from 1 to 1024\n" +
        "bad.toml:3: tiemout is no key of the top level; did you mean timeout?\n",
    },
  );
  const start = typhon(["-c", "bad.toml"]);
  assert.deepEqual([start.status, start.stdout, start.stderr], [2, "", `typhon: ${stderr}`]);
});

test("files that routes name are read as at a start", () => {
  writeFileSync(join(scratch, "users"), "anna\n");
  writeFileSync(
    join(scratch, "guarded.toml"),
    '[[routes]]\nrespond = "a"\nbasic-auth = "users"\n[[routes]]\nrespond = "b"\npath = "/b"\nbasic-auth = "users"\n',
  );
  const { status, stdout, stderr } = typhon(["check", "-c", "guarded.toml"]);
  assert.deepEqual([status, stdout], [2, ""]);
  assert.match(stderr, /^password file .*users:1: must be user:hash [^\n]*\n$/);
});

test("nothing to serve is a mistake; help and version are not", () => {
  const { status, stderr } = typhon(["check"], join(scratch, "empty"));
  assert.equal(status, 2);
  assert.match(
    stderr,
    /^no application given, and none found in this folder\. [^\n]+\n[^\n]+\n[^\n]+\n$/,
  );
  assert.match(typhon(["check", "--help"]).stdout, /^Usage: typhon check /);
  assert.match(typhon(["check", "--version"]).stdout, /^typhon /);
});

test("an application in a module of that name is served, not checked", () => {
  const { status, stderr } = typhon(["check:app", "-w", "0"]);
  assert.equal(status, 2);
  assert.match(stderr, /^typhon: --workers '0'/);
});

test("a folder's name is neither a line of its own nor a command for the terminal", () => {
  const folder = join(scratch, "a\u001b[31m\nWarnings:");
  mkdirSync(folder, { recursive: true });
  const { stdout } = typhon(["check", "app:app"], folder);
  assert(stdout.includes(String.raw`/a\x1b[31m\x0aWarnings:`), stdout);
  assert(!stdout.includes("\u001b"));
});
