// A root file system that nobody can write to, as in hardened containers: /dev/shm is enough. A mount namespace
// makes the file system read-only for the server alone. Where a machine lets nobody make namespaces, the server
// only gets a $TMPDIR that is not there.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { askOnce, getOnce } from "../support/raw-client.ts";
import { COMMAND } from "../support/scratch.ts";
import { startTyphon, withDefaults } from "../support/typhon.ts";

/** Every file system but /dev/shm and the kernel's own becomes read-only. */
const READ_ONLY =
  "mount --make-rprivate / && mount -o remount,bind,ro / && " +
  "for each in /tmp /var/tmp; do ! mountpoint -q $each || mount -o remount,bind,ro $each || exit; done; " +
  '! touch /tmp/writable 2>/dev/null || exit 1; exec "$@"';
const NAMESPACE = ["--mount", "--map-root-user", "--", "sh", "-c", READ_ONLY, "sh"];

const isPermitted = spawnSync("unshare", [...NAMESPACE, "true"]).status === 0;

test("a read-only root with a writable /dev/shm starts, and keeps large bodies there", async (t) => {
  const words = [COMMAND, ...withDefaults(["raw:app", "--workers", "1"])];
  const [command = "", ...args] = isPermitted ? ["unshare", ...NAMESPACE, ...words] : words;
  const env = { TMPDIR: "/nowhere" };
  const typhon = await startTyphon(t, args, { command, defaults: false, env });
  assert.equal((await getOnce(typhon, "/fields")).status, 299);
  const body = "x".repeat(1_000_000);
  const response = await askOnce(
    typhon,
    `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  assert.deepEqual([response.status, response.text.length], [200, body.length]);
});
