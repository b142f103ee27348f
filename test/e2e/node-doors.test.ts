// The Node that runs Typhon has doors of its own: a debugger that SIGUSR1 opens, options in NODE_OPTIONS. None
// of them opens for the server, and the application still gets its variables.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { until } from "../support/deadline.ts";
import { listDescriptors } from "../support/processes.ts";
import { getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, Typhon, withDefaults } from "../support/typhon.ts";

/** State of a listening socket in /proc/net/tcp (tcp_states.h). */
const LISTEN = "0A";
/** The bit of SIGUSR1 in the masks of /proc/PID/status. */
const USR1_BIT = 1n << 9n;

/** The local addresses, in hexadecimal, at which the process listens. */
function listening(pid: number): string[] {
  const own = new Set(listDescriptors(pid));
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"]
    .filter((path) => existsSync(path))
    .flatMap((path) => readFileSync(path, "latin1").split("\n").slice(1))
    .map((row) => row.trim().split(/\s+/));
  return rows
    .filter(([, , , state, , , , , , inode]) => state === LISTEN && own.has(`socket:[${inode}]`))
    .map(([, local = ""]) => local);
}

/** Whether SIGUSR1 is ignored (by bin/typhon), or blocked or handled (by Node), so that it ends nothing. */
function survivesUsr1(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const masks = [...status.matchAll(/^Sig(?:Ign|Blk|Cgt):\s*(\w+)$/gm)];
  return masks.some(([, mask = "0"]) => (BigInt(`0x${mask}`) & USR1_BIT) !== 0n);
}

for (const attempt of [1, 2, 3])
  test(`SIGUSR1 throughout a start opens no debugger and ends nothing (${attempt})`, async (t) => {
    const typhon = new Typhon(withDefaults(["raw:app", "--workers", "1"]), {});
    t.after(() => typhon.kill());
    // The first command of bin/typhon makes it ignore the signal.
    const begin = performance.now();
    while (!survivesUsr1(typhon.pid)) assert(performance.now() - begin < 10_000, "never ignored");
    let sent = 0;
    const started = typhon.waitForStart().then(() => true);
    while (!(await Promise.race([started, delay(1, false)]))) {
      typhon.signal("SIGUSR1");
      sent += 1;
    }
    assert(sent > 0);
    // A debugger that was opened would still be open.
    const port = typhon.port.toString(16).toUpperCase().padStart(4, "0");
    assert.deepEqual(listening(typhon.pid), [`0100007F:${port}`]);
    assert.doesNotMatch(typhon.output.all, /Debugger listening/);
    assert.equal((await getOnce(typhon, "/fields")).status, 299);
    await typhon.stop();
  });

test("NODE_OPTIONS changes the application's environment and not the server", async (t) => {
  const folder = makeScratch(t);
  const seen = join(folder, "seen");
  writeFileSync(
    join(folder, "told.py"),
    "import os\n" +
      `open(${JSON.stringify(seen)}, "w").write(repr({k: v for k, v in os.environ.items() if "NODE_OPTIONS" in k}))\n` +
      "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n",
  );
  const options = "--inspect=127.0.0.1:0 --no-such-option";
  const typhon = await startTyphon(t, ["told:app", "--app-dir", folder], {
    env: { NODE_OPTIONS: options },
  });
  await until("the application is imported", () => existsSync(seen));
  assert.equal(readFileSync(seen, "utf8"), `{'NODE_OPTIONS': '${options}'}`);
  assert.equal(listening(typhon.pid).length, 1);
});
