// The real command with every CPython of this machine that Typhon supports: those on PATH and those of pyenv.
// Requests, bodies, WebSockets, deadlines, crashes, reloads and the stop, under WSGI and ASGI.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";

import { WebSocket } from "ws";

import { within } from "../../support/deadline.ts";
import { findInterpreters } from "../../support/interpreters.ts";
import { askOnce, getOnce } from "../../support/raw-client.ts";
import type { Scope } from "../../support/scratch.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";

const BODY = "x".repeat(300_000);

const interpreters = findInterpreters("3.10");
console.log(
  ["CPython found:", ...interpreters.map(({ version, path }) => `  ${version}  ${path}`)].join(
    "\n",
  ),
);

async function pidOf(typhon: Typhon): Promise<string> {
  return (await getOnce(typhon, "/")).text.split(" ")[0] ?? "";
}

async function serves(typhon: Typhon, version: string): Promise<void> {
  assert(typhon.output.all.includes(`CPython ${version}`), typhon.output.all);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length}\r\n\r\n`;
  const answer = await askOnce(typhon, head + BODY);
  assert.match(answer.text, new RegExp(`^\\d+ ${BODY.length}$`));
}

async function survives(typhon: Typhon, late: readonly string[]): Promise<void> {
  const first = await pidOf(typhon);
  for (const path of late) {
    assert.equal((await getOnce(typhon, path)).status, 504, path);
    assert.equal(await pidOf(typhon), first, `${path} was interrupted, and its worker goes on`);
  }
  assert.equal((await getOnce(typhon, "/crash")).status, 502);
  const second = await pidOf(typhon);
  assert.notEqual(second, first);
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  assert.notEqual(await pidOf(typhon), second);
}

function start(scope: Scope, app: string, path: string, env = {}): Promise<Typhon> {
  const args = ["--python", path, "--workers", "1", "--threads", "2", "--timeout", "1"];
  return startTyphon(scope, [`plain_pair:${app}`, "--graceful-timeout", "2", ...args], { env });
}

test("there is an interpreter to try", () => assert.notEqual(interpreters.length, 0));

for (const { path, version } of interpreters)
  describe(`CPython ${version}`, () => {
    test("WSGI: requests, bodies, deadline, crash, reload, stop", async (t) => {
      const typhon = await start(t, "wsgi", path);
      await serves(typhon, version);
      await survives(typhon, ["/late"]);
    });

    test("ASGI: requests, bodies, WebSocket, deadline, crash, reload, stop", async (t) => {
      const typhon = await start(t, "asgi", path);
      await serves(typhon, version);
      const socket = new WebSocket(`${typhon.url.replace("http", "ws")}/`);
      await once(socket, "open");
      const echo = once(socket, "message");
      socket.send("grüß");
      assert.equal(String((await within(20_000, echo, "the echo"))[0]), "grüß");
      const closed = once(socket, "close");
      socket.close(1000);
      assert.equal((await within(20_000, closed, "the close"))[0], 1000);
      await survives(typhon, ["/late", "/blocked"]);
    });

    for (const app of ["wsgi", "asgi"])
      test(`${app}: a stop beside a thread that does not end runs exit functions`, async (t) => {
        const typhon = await start(t, app, path, { ENDLESS_THREAD: "1" });
        await typhon.stop();
        assert.match(typhon.output.all, /ends without waiting for the thread "endless"/);
        assert.match(typhon.output.all, /exit function\n/);
      });
  });
