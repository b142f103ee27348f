// Folders that disappear while a server runs: logind clears /dev/shm of a login user's files when the last
// session ends, cleaners remove old folders of /tmp, a release's folder is deleted. The server goes on, and all
// that needs a folder makes a new one.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { until } from "../support/deadline.ts";
import { isRunning, listDescriptors } from "../support/processes.ts";
import { askOnce, getOnce } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { FrameClient, text } from "../websocket/frames.ts";

/** Bytes of a body that is kept in a temporary file. */
const LARGE_BYTES = 600_000;

/** Removes every folder that the server's processes have files of, as a cleaner would. */
function removeRunDirectories(typhon: Typhon): void {
  const files = typhon
    .processes()
    .flatMap(({ pid }) => listDescriptors(pid))
    .filter((target) => target.startsWith("/dev/shm/typhon-"));
  assert(files.length > 0, "the server's files are not recognized");
  for (const file of files) rmSync(dirname(file), { recursive: true, force: true });
}

function killOf(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, "SIGKILL");
}

/** Waits until `count` workers run, none of them among `old`. */
async function replaced(typhon: Typhon, old: readonly number[], count: number): Promise<void> {
  await until("new workers", () => {
    const pids = typhon.workers().map(({ pid }) => pid);
    return pids.length === count && !pids.some((pid) => old.includes(pid));
  });
}

async function echo(typhon: Typhon): Promise<void> {
  const client = await FrameClient.open(typhon, "", Buffer.alloc(0), "/ws");
  client.send(text("hello"));
  assert.equal(String((await client.read()).payload), "hello");
  client.destroy();
}

test("without its run directory a server replaces workers and launcher, reloads, recycles, opens WebSockets", async (t) => {
  const cwd = join(makeScratch(t), "release");
  mkdirSync(cwd);
  const args = ["--workers", "2", "--max-requests", "20"];
  const typhon = await startTyphon(t, ["wsgi_sockets:app", ...args], {
    cwd,
    env: { GATE_DIR: makeScratch(t) },
  });
  const workers = (): number[] => typhon.workers().map(({ pid }) => pid);
  const isServing = async (): Promise<boolean> => (await getOnce(typhon, "/")).status === 200;
  await echo(typhon);
  removeRunDirectories(typhon);
  rmSync(cwd, { recursive: true });
  await echo(typhon);

  const first = workers();
  killOf(first);
  await until("the old workers are gone", () => !first.some((pid) => isRunning(pid)));
  await until("requests are served again", isServing);
  await replaced(typhon, first, 2);
  removeRunDirectories(typhon);

  const second = workers();
  const from = typhon.output.all.length;
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/, from);
  await until("the old workers are gone", () => !second.some((pid) => isRunning(pid)));

  for (let count = 0; count < 30; count += 1) assert(await isServing());
  await typhon.output.waitFor(/is replaced: it has run \d+ requests/, from);
  removeRunDirectories(typhon);

  const launcher = typhon.processes().find(({ parent }) => parent === typhon.pid);
  assert(launcher !== undefined);
  const third = workers();
  killOf([launcher.pid]);
  await typhon.output.waitFor(/launcher ended and is replaced/, from);
  await until("the workers of the dead launcher are gone", () => !third.some(isRunning));
  await echo(typhon);
  assert(await isServing());
});

test("without its temporary folder a server keeps large bodies in a new one, then in the system's", async (t) => {
  const temp = join(makeScratch(t), "temp");
  mkdirSync(temp);
  const system = makeScratch(t);
  const typhon = await startTyphon(t, ["raw:app", "--workers", "1", "--temp-dir", temp], {
    env: { TMPDIR: system },
  });
  const upload = async (): Promise<void> => {
    const head = `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`;
    const answer = await askOnce(typhon, head + "x".repeat(LARGE_BYTES));
    assert.deepEqual([answer.status, answer.text.length], [200, LARGE_BYTES]);
  };
  await upload();
  for (const name of readdirSync(temp)) rmSync(join(temp, name), { recursive: true });
  await upload();
  assert.equal(readdirSync(temp).length, 1);
  rmSync(temp, { recursive: true });
  await upload();
  assert.equal(readdirSync(system).filter((name) => name.startsWith("typhon-bodies-")).length, 1);
});
