// tools/start.sh (npm start) in a scratch checkout: the real script, with programs in place of npm, the
// build and the command that tell what they were called with.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../../tools/start.sh", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "typhon-start-"));
after(() => rmSync(scratch, { recursive: true }));
const root = join(scratch, "check out");
const caller = join(scratch, "caller");
mkdirSync(caller);

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  put(join(root, "tools", "start.sh"), "");
  copyFileSync(SCRIPT, join(root, "tools", "start.sh"));
  put(join(root, "package-lock.json"), "{}");
  put(join(root, "node_modules", ".package-lock.json"), "{}");
  put(join(root, "src", "a.ts"), "");
  put(join(root, "dist", ".built"), "");
  utimesSync(join(root, "package-lock.json"), 1000, 1000);
  utimesSync(join(root, "src", "a.ts"), 1000, 1000);
  put(join(root, "tools", "build.sh"), 'echo "built in $PWD"\n');
  put(
    join(root, "bin", "typhon"),
    '#!/bin/sh\nprintf "%s\\n" "in $PWD"\nfor word; do printf "<%s>\\n" "$word"; done\n',
  );
  put(join(scratch, "bin", "npm"), '#!/bin/sh\necho "npm $* in $PWD"\nexit ${NPM_EXIT:-0}\n');
});

function start(
  words: string[],
  environment: Record<string, string> = {},
): {
  status: number | null;
  lines: string[];
  stderr: string;
} {
  const { status, stdout, stderr } = spawnSync("sh", [join(root, "tools", "start.sh"), ...words], {
    cwd: root,
    encoding: "utf8",
    env: { PATH: `${join(scratch, "bin")}:/usr/bin:/bin`, INIT_CWD: caller, ...environment },
  });
  return { status, lines: stdout.trimEnd().split("\n"), stderr };
}

const WELCOME = ["<--app-dir>", `<${join(root, "examples", "welcome")}>`, "<--access-log>", "<->"];

describe("npm start", () => {
  test("serves the example with an access log", () => {
    const { lines, stderr } = start([]);
    assert.deepEqual(lines, [`in ${root}`, ...WELCOME, "<welcome:application>"]);
    assert.equal(stderr, "", "nothing was installed or built");
  });
  test("passes options on to the example", () => {
    const { lines } = start(["--port", "9000"]);
    assert.deepEqual(lines.slice(1), [...WELCOME, "<--port>", "<9000>", "<welcome:application>"]);
  });
  test("serves what is named first instead, from the caller's folder", () => {
    const { lines } = start(["flaskr:app", "--port", "9000"]);
    assert.deepEqual(lines, [
      `in ${caller}`,
      "<--access-log>",
      "<->",
      "<flaskr:app>",
      "<--port>",
      "<9000>",
    ]);
  });
  test("TYPHON_APP names the application, TYPHON_ACCESS_LOG the log", () => {
    const { lines } = start(["-w", "1"], { TYPHON_APP: "a:b", TYPHON_ACCESS_LOG: "off" });
    assert.deepEqual(lines, [`in ${caller}`, "<-w>", "<1>"]);
  });
  test("builds when a source is newer than the build", () => {
    utimesSync(join(root, "dist", ".built"), 500, 500);
    assert.equal(start([]).stderr, `built in ${root}\n`);
  });
  test("runs the sources where the build fails", () => {
    rmSync(join(root, "dist"), { recursive: true });
    put(join(root, "tools", "build.sh"), "exit 1\n");
    const { status, lines, stderr } = start(["a:b"]);
    assert.equal(status, 0);
    assert.deepEqual(lines.at(-1), "<a:b>");
    assert.match(stderr, /the build failed; running the sources as they are/);
  });
  test("installs when node_modules is missing or older than the lock file", () => {
    utimesSync(join(root, "node_modules", ".package-lock.json"), 500, 500);
    assert.match(
      start([]).stderr,
      new RegExp(`npm ci --no-audit --no-fund --loglevel=error in ${root}`),
    );
    rmSync(join(root, "node_modules"), { recursive: true });
    assert.match(start([]).stderr, /npm ci/);
  });
  test("an older Node of the machine is no warning: npm's are not shown", () => {
    rmSync(join(root, "node_modules"), { recursive: true });
    const npm =
      'case " $* " in *" --loglevel=error "*) ;; *) echo "npm warn EBADENGINE" >&2 ;; esac';
    put(join(scratch, "bin", "npm"), `#!/bin/sh\n${npm}\n`);
    assert.doesNotMatch(start([]).stderr, /EBADENGINE/);
  });
  test("says so and ends with 2 where the install fails", () => {
    rmSync(join(root, "node_modules"), { recursive: true });
    const { status, stderr } = start([], { NPM_EXIT: "1" });
    assert.equal(status, 2);
    assert.match(stderr, /typhon: npm ci failed, see above\n$/);
  });
});
