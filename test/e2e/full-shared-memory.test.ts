// A full /dev/shm, and a low limit of file sizes. The notes of workers lie in /dev/shm, where a program that
// touches mapped memory without room is killed. A mount namespace gives the server a small /dev/shm of its own;
// where a machine lets nobody make namespaces, only the limit of file sizes is tried.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { getOnce } from "../support/raw-client.ts";
import { COMMAND, makeScratch, type Scope } from "../support/scratch.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

/** Requests at once: more than the smallest notes have slots. */
const REQUESTS = 100;
const BLOCK = Buffer.alloc(65_536);

function inNamespace(shmBytes: number): readonly string[] {
  const mount = `mount --make-rprivate / && mount -t tmpfs -o size=${shmBytes} tmpfs /dev/shm && exec "$@"`;
  return ["--mount", "--map-root-user", "--", "sh", "-c", mount, "sh"];
}

const isPermitted = spawnSync("unshare", [...inNamespace(65_536), "true"]).status === 0;

async function startWith(
  scope: Scope,
  shmBytes: number,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Typhon> {
  const words = [...inNamespace(shmBytes), COMMAND, ...withDefaults(args)];
  return await startTyphon(scope, words, { command: "unshare", defaults: false, env });
}

/** Takes the room that is left in the server's /dev/shm. */
function fill(typhon: Typhon): void {
  const fd = openSync(`/proc/${typhon.pid}/root/dev/shm/filler`, "w");
  assert.throws(
    () => {
      for (;;) writeSync(fd, BLOCK);
    },
    { code: "ENOSPC" },
  );
  closeSync(fd);
}

if (!isPermitted)
  process.stderr.write("no mount namespaces on this machine: a full /dev/shm is not tried\n");
else
  describe("/dev/shm", () => {
    test("that is too small is not used", async (t) => {
      const typhon = await startWith(t, 131_072, ["raw:app", "--workers", "2"]);
      assert.equal((await getOnce(typhon, "/environ")).status, 200);
      assert.deepEqual(readdirSync(`/proc/${typhon.pid}/root/dev/shm`), []);
    });

    test("that fills up ends no WSGI worker, and a new worker starts elsewhere", async (t) => {
      const args = ["raw:app", "--workers", "1", "--threads", "8"];
      const typhon = await startWith(t, 2_097_152, args);
      const [worker] = typhon.workers();
      assert(worker !== undefined);
      fill(typhon);
      const asked = Array.from({ length: REQUESTS }, () => getOnce(typhon, "/environ"));
      for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
      assert.deepEqual(
        typhon.workers().map(({ pid }) => pid),
        [worker.pid],
      );
      process.kill(worker.pid, "SIGKILL");
      assert.equal((await getOnce(typhon, "/environ")).status, 200);
    });

    test("that fills up leaves an ASGI worker the requests that it has room for", async (t) => {
      const folder = makeScratch(t);
      const args = ["asgi_raw:app", "--workers", "1"];
      const typhon = await startWith(t, 2_097_152, args, { GATE_DIR: folder });
      fill(typhon);
      const asked = Array.from({ length: REQUESTS }, () => getOnce(typhon, "/hold?one"));
      await typhon.output.waitFor(
        /WARN.*the notes of this worker cannot grow \(No space left on device\): it runs at most 32 requests at once/,
      );
      writeFileSync(join(folder, "one.go"), "");
      for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
      assert.doesNotMatch(typhon.output.all, /worker 2/);
    });

    test("and all other folders without room end the start with one line", async (t) => {
      const full = inNamespace(65_536).map((word) =>
        word.replace("exec", 'mount -t tmpfs -o size=65536 tmpfs "$TMPDIR" && exec'),
      );
      const words = [...full, COMMAND, ...withDefaults(["raw:app"])];
      const run = await runTyphon(words, { command: "unshare", env: { TMPDIR: makeScratch(t) } });
      assert.match(
        run.stderr,
        /no private directory can be made: \/dev\/shm has no room for \d+ bytes; .* has no room/,
      );
      assert.equal(run.code, 3, run.stderr);
    });
  });

const limited = (kilobytes: number): readonly string[] => [
  "-c",
  `ulimit -f ${kilobytes} && exec "$@"`,
  "bash",
  COMMAND,
];

test("a limit of file sizes far below the notes of all requests is enough", async (t) => {
  const words = [...limited(512), ...withDefaults(["asgi_raw:app", "--workers", "1"])];
  const env = { GATE_DIR: makeScratch(t) };
  const typhon = await startTyphon(t, words, { command: "bash", defaults: false, env });
  assert.equal((await getOnce(typhon, "/ignore")).status, 200);
});

test("a lower limit of file sizes ends the start with a line that names the remedy", async () => {
  const run = await runTyphon([...limited(100), ...withDefaults(["raw:app"])], { command: "bash" });
  assert.match(run.stderr, /File too large: .*: the limit of file sizes is too low \(ulimit -f/);
  assert.equal(run.code, 3, run.stderr);
});
