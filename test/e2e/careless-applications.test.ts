// What a careless application does to its own process harms that process at most: it closes descriptors by
// number, signals its process group, or gives a response that no frame can carry.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { WebSocket } from "ws";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { isRunning, readCommand } from "../support/processes.ts";
import { getOnce } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

for (const [name, more] of [
  ["app", ["--threads", "4"]],
  ["asgi_app", ["--loop", "asyncio"]],
] as const)
  describe(`vandal:${name}`, () => {
    let typhon: Typhon;

    before(async () => {
      typhon = await startTyphon(FILE, [`vandal:${name}`, "--workers", "2", ...more]);
    });

    const pids = (): number[] =>
      typhon
        .workers()
        .map(({ pid }) => pid)
        .toSorted((a, b) => a - b);

    test("a worker is the leader of a process group, and a signal to the group ends no other", async () => {
      const earlier = pids();
      for (const { pid, group } of typhon.workers()) assert.equal(group, pid);
      assert.equal((await getOnce(typhon, "/kill-group")).status, 200);
      assert.equal((await getOnce(typhon, "/")).status, 200);
      assert.deepEqual(pids(), earlier);
    });

    for (const count of [257, 65_536, 70_000])
      test(`a response with ${count} fields is a 500 with a line of the log`, async () => {
        const from = typhon.output.all.length;
        const earlier = pids();
        assert.equal((await getOnce(typhon, `/fields?${count}`)).status, 500);
        await typhon.output.waitFor(/\d+ fields are more than (?:256|65535)/, from);
        assert.deepEqual(pids(), earlier);
      });

    test("a worker whose application closes every descriptor ends, and is replaced", async () => {
      const earlier = pids();
      assert.equal((await getOnce(typhon, "/close-all")).status, 502);
      await until("another worker", () => {
        const now = pids();
        return now.length === 2 && now.filter((pid) => earlier.includes(pid)).length === 1;
      });
      assert.equal((await getOnce(typhon, "/")).status, 200);
    });
  });

test("WSGI: an application may close the low descriptors", async (t) => {
  const typhon = await startTyphon(t, ["vandal:app", "--workers", "1", "--threads", "2"]);
  const [worker] = typhon.workers();
  for (const page of ["/close-low", "/", "/close-low", "/"])
    assert.equal((await getOnce(typhon, page)).status, 200);
  assert.equal(typhon.workers()[0]?.pid, worker?.pid);
});

test("ASGI: a worker whose event loop has lost its descriptors ends, and is replaced", async (t) => {
  const typhon = await startTyphon(t, ["vandal:asgi_app", "--workers", "1", "--loop", "asyncio"]);
  await getOnce(typhon, "/close-low");
  await until("an answer", async () => (await getOnce(typhon, "/")).status === 200);
  const lines = typhon.output.all
    .split("\n")
    .filter((line) => line.includes("Bad file descriptor"));
  assert(lines.length <= 2, lines.join("\n"));
});

test("ASGI: a WebSocket accepted with 70,000 fields is refused with a line of the log", async (t) => {
  const typhon = await startTyphon(t, ["vandal:asgi_app", "--workers", "1"]);
  const socket = new WebSocket(`${typhon.url.replace("http:", "ws:")}/fields?70000`);
  const status = await new Promise((resolve) => {
    socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
    socket.on("error", () => undefined);
  });
  assert.equal(status, 500);
  await typhon.output.waitFor(/websocket.accept: 70000 fields of \d+ bytes are too many/);
});

test("Ctrl-C in a terminal stops the server, and reaches the programs of the application", async (t) => {
  const typhon = await startTyphon(t, ["vandal:app", "--workers", "1"]);
  assert.equal((await getOnce(typhon, "/child")).status, 200);
  const isSleep = ({ pid }: { readonly pid: number }): boolean => readCommand(pid) === "sleep 600";
  const child = await until("the child", () => typhon.processes().find(isSleep));
  process.kill(-typhon.pid, "SIGINT");
  assert.deepEqual(await typhon.exited, { code: 0, signal: null });
  await until("the child has ended", () => !isRunning(child.pid));
  assert.doesNotMatch(typhon.output.all, /ERROR|Traceback/);
});
