// A WebSocket client that shares no code with the server (websockets, of Python) against the real command.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, it } from "node:test";
import { promisify } from "node:util";

import { FILE } from "../../support/file-scope.ts";
import { IS_LONG } from "../../support/long.ts";
import { requirePython } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

const CLIENT = new URL("clients.py", import.meta.url).pathname;
const PATIENCE_MS = 120_000;

let lines: readonly string[] = [];
before(async () => {
  const typhon = await startTyphon(FILE, ["asgi_raw:app", "--workers", "2"]);
  const url = `${typhon.url.replace("http", "ws")}/echo`;
  const { stdout } = await promisify(execFile)(
    requirePython(),
    [CLIENT, url, ...(IS_LONG ? ["long"] : [])],
    {
      timeout: PATIENCE_MS,
    },
  );
  lines = stdout.trim().split("\n");
});

describe("a client of another make", () => {
  for (const [name, part] of [
    ["sends and hears text and bytes of many sizes, compressed and not", "sends_and_hears"],
    ["sends messages in fragments", "sends_fragments"],
    ["gets its pongs, also behind a long message", "pings"],
    ["closes and is closed with codes and reasons", "closes"],
    ["hears the answers to what it sent before it closed", "answers_before_it_closes"],
    ["agrees on a subprotocol, or is refused", "agrees_on_a_subprotocol"],
    ["is one of many with many messages each, in order", "many_at_once"],
  ] as const)
    it(name, () => {
      assert.equal(
        lines.find((line) => line.split(" ")[1] === part),
        `ok ${part}`,
      );
    });
});
