// What an application prints goes to the server's own standard streams, byte for byte. With --capture-output it
// becomes lines of the log that name the worker, and nothing that is printed can forge a line. In neither case
// can it stop the server or be taken for the protocol.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { getOnce } from "../support/raw-client.ts";
import { COMMAND, makeScratch, type Scope } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** The command with its standard output in `path`. */
function commandWithOutputTo(scope: Scope, path: string): string {
  const command = join(makeScratch(scope), "typhon");
  writeFileSync(command, `#!/bin/sh\nexec "${COMMAND}" "$@" >"${path}"\n`, { mode: 0o755 });
  return command;
}

async function ask(typhon: Typhon, path: string): Promise<void> {
  assert.equal((await getOnce(typhon, path)).text, "printed");
}

describe("output", () => {
  let typhon: Typhon;
  let file: string;
  const printed = (): string => readFileSync(file, "latin1");

  before(async () => {
    file = join(makeScratch(FILE), "stdout");
    typhon = await startTyphon(FILE, ["printing:app", "--workers", "2", "--threads", "1"], {
      command: commandWithOutputTo(FILE, file),
    });
  });

  /** Asks for `path` and waits until exactly this has been printed to standard output. */
  async function prints(path: string, bytes: string): Promise<void> {
    const from = printed().length;
    await ask(typhon, path);
    await until(`what ${path} prints`, () => printed().length >= from + bytes.length);
    assert.equal(printed().slice(from), bytes);
  }

  test("is told from the import on, with nothing before it", async () => {
    await until("the line", () => printed().startsWith("printed at import\n"));
  });

  test("goes to the stream that the application chose", async () => {
    await prints("/print", "printed on stdout\n");
    await typhon.output.waitFor(/^printed on stderr$/m);
  });

  test("may bypass Python's own streams", async () => {
    await prints("/raw", "raw on stdout\n");
    await prints("/child", "printed by a child\n");
    await prints("/device", "printed on the device\n");
    await typhon.output.waitFor(/^raw on stderr$/m);
  });

  test("is not changed: no byte, no escape, no long line", async () => {
    const text = Buffer.from("grüß € 🐍\n").toString("latin1");
    await prints("/unicode", `${text}broken \xff\xfe bytes\n`);
    await prints("/forged", "2026-01-01 00:00:00 ERROR forged\x1b[31m\rcarriage return\n");
    await prints("/long", `${"L".repeat(200_000)}\n`);
    await prints("/frame", "\0\0\0\0\x10\x01\0\0\x01\0\0\0\0\0\0\0\n");
  });

  test("has whole lines of up to 1 MiB, which no other worker's lines tear", async () => {
    const from = printed().length;
    const letters = "ABCDEFGHIJKL";
    await Promise.all(Array.from(letters, (letter) => ask(typhon, `/huge?${letter}`)));
    const size = letters.length * 1_000_001;
    await until("all lines", () => printed().length === from + size);
    const lines = printed().slice(from).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => [line.length, line.replaceAll(line.charAt(0), "")]),
      lines.map(() => [1_000_000, ""]),
    );
    assert.equal(
      lines
        .map((line) => line.charAt(0))
        .toSorted()
        .join(""),
      letters,
    );
  });

  test("that is not finished waits for its end, and gets one when the worker ends", async () => {
    await ask(typhon, "/unfinished");
    await ask(typhon, "/raw");
    await typhon.stop();
    assert.match(printed(), /not finished(raw on stdout)?\n/);
  });
});

test("a standard output that nobody reads costs counted lines, and no request", async (t) => {
  const fifo = join(makeScratch(t), "stdout");
  execFileSync("mkfifo", [fifo]);
  const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const typhon = await startTyphon(t, ["printing:app", "--workers", "1"], {
    command: commandWithOutputTo(t, fifo),
  });
  for (let count = 0; count < 12; count += 1) await ask(typhon, "/huge?x");
  const buffer = Buffer.alloc(65_536);
  let text = "";
  await until("the report of dropped lines", () => {
    try {
      for (;;) text += buffer.toString("latin1", 0, readSync(reader, buffer));
    } catch (error) {
      assert.equal(error instanceof Error && "code" in error && error.code, "EAGAIN");
    }
    return typhon.output.stderr.includes("log lines were dropped");
  });
  assert.match(text, /^(?:printed at import\n)(?:x{1000000}\n)+(?:x*)$/);
});

describe("captured output", () => {
  let typhon: Typhon;

  before(async () => {
    typhon = await startTyphon(FILE, ["printing:app", "--workers", "1", "--capture-output"]);
  });

  /** Asks for `path` and waits for a log line with `text`; gives the line. */
  async function lineOf(path: string, text: RegExp): Promise<string> {
    const from = typhon.output.all.length;
    await ask(typhon, path);
    await typhon.output.waitFor(text, from);
    const line = typhon.output.all
      .slice(from)
      .split("\n")
      .find((one) => text.test(one));
    assert(line !== undefined);
    return line;
  }

  test("is told from the import on, in the server's log", async () => {
    await typhon.output.waitFor(/worker 1\b.*printed at import/);
    assert.equal(typhon.output.stdout, "");
  });

  test("names the worker, on both streams", async () => {
    assert.match(await lineOf("/print", /printed on stdout/), /\[worker 1\]/);
    assert.match(await lineOf("/print", /printed on stderr/), /\[worker 1 stderr\]/);
  });

  test("may bypass Python's own streams", async () => {
    assert.match(await lineOf("/raw", /raw on stdout/), /worker 1\b/);
    assert.match(await lineOf("/raw", /raw on stderr/), /worker 1\b/);
    assert.match(await lineOf("/child", /printed by a child/), /worker 1\b/);
    assert.match(await lineOf("/device", /printed on the device/), /worker 1\b/);
  });

  test("keeps text beyond ASCII and survives bytes that are no text", async () => {
    await lineOf("/unicode", /grüß € 🐍/);
    await lineOf("/unicode", /broken .* bytes/);
  });

  test("never passes for a line of the server's", async () => {
    const line = await lineOf("/forged", /forged/);
    assert.match(line, /worker 1\b/);
    assert.doesNotMatch(line, /^2026-01-01/);
    assert(!line.includes("\u001b") && !line.includes("\r"), "control characters in the log");
  });

  test("has whole lines, and no bytes that pass for the protocol's", async () => {
    await ask(typhon, "/long");
    const [, line] = await typhon.output.waitFor(/\[worker 1\] (L+)\n/);
    assert.equal(line?.length, 200_000);
    await lineOf("/frame", /worker 1\b.*\\x10/);
    await ask(typhon, "/");
  });
});

test("captured output is a text within an event of a JSON log", async (t) => {
  const options = ["--workers", "1", "--capture-output", "--log-format", "json"];
  const typhon = await startTyphon(t, ["printing:app", ...options]);
  await ask(typhon, "/forged");
  await typhon.output.waitFor(/forged/);
  const [line = ""] = typhon.output.linesWith(/forged/);
  const record: unknown = JSON.parse(line);
  assert(typeof record === "object" && record !== null && "time" in record);
  assert.deepEqual(
    { ...record, time: "" },
    {
      time: "",
      level: "info",
      event: "application.output",
      message: "2026-01-01 00:00:00 ERROR forged\u001b[31m\rcarriage return",
      worker: 1,
      stream: "stdout",
    },
  );
});
