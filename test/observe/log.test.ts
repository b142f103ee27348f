// Lines of the server's log in both formats.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Log, type LogLevel } from "../../src/observe/log.ts";
import { scratchSink } from "./scratch-log.ts";

async function linesOf(
  format: "text" | "json",
  write: (log: Log) => void,
  level: LogLevel = "info",
): Promise<string> {
  const { sink, read } = scratchSink();
  write(new Log(sink, { level, format }));
  return read();
}

const TIME = String.raw`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`;

describe("Log as text", () => {
  test("time, level, text, then the fields", async () => {
    const text = await linesOf("text", (log) => {
      log.warning("worker.ended", "worker 3 ended", {
        worker: 3,
        pid: 99,
        code: null,
        signal: 9,
        lost: 0,
        retried: 0,
        peakRssBytes: 1,
      });
    });
    assert.match(
      text,
      new RegExp(
        `${TIME} WARN {2}worker 3 ended {2}worker=3 pid=99 signal=9 lost=0 retried=0 peakRssBytes=1\n$`,
      ),
    );
  });
  test("neither a field nor a text can forge a second record", async () => {
    const forged = "x\n2026-11-21 09:30:01 ERROR forged";
    const text = await linesOf("text", (log) =>
      log.error("application.fault", forged, { requestId: forged, path: '/"\r\n' }),
    );
    const records = text.split("\n").filter((line) => /^\d{4}-/.test(line));
    assert.equal(records.length, 1, text);
    assert.ok(text.includes("\n    | 2026-11-21 09:30:01 ERROR forged\n"));
    assert.ok(text.includes(String.raw`requestId="x\x0a2026-11-21 09:30:01 ERROR forged"`));
    assert.ok(text.includes(String.raw`path="/\x22\x0d\x0a"`));
  });
  test("the application's output names the worker and is never a record of ours", async () => {
    const text = await linesOf("text", (log) => {
      log.output(2, "stdout", "größe");
      log.output(2, "stderr", "a\r\x1b[2K2026-11-21 09:30:01 INFO  forged");
    });
    const [first = "", second = ""] = text.split("\n");
    assert.match(first, new RegExp(String.raw`${TIME} INFO  \[worker 2\] größe$`));
    assert.ok(
      second.endsWith(String.raw`[worker 2 stderr] a\x0d\x1b[2K2026-11-21 09:30:01 INFO  forged`),
    );
  });
});

describe("Log as JSON", () => {
  test("one object a line, whatever the values are", async () => {
    const text = await linesOf("json", (log) => {
      log.info("server.notice", 'a\n"b"', { address: "\u2028\0" });
      log.output(1, "stderr", "tab\t");
    });
    const records = text
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    assert.equal(records.length, 2);
    assert.partialDeepStrictEqual(records, [
      { level: "info", event: "server.notice", message: 'a\n"b"', address: "\u2028\0" },
      { event: "application.output", message: "tab\t", worker: 1, stream: "stderr" },
    ]);
    assert.match(text, /^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",/);
  });
});

describe("log levels", () => {
  test("lines below the level are not written; the application's output always is", async () => {
    const text = await linesOf(
      "text",
      (log) => {
        log.debug("server.notice", "one", {});
        log.info("server.notice", "two", {});
        log.warning("server.notice", "three", {});
        log.error("server.notice", "four", {});
        log.output(1, "stdout", "five");
      },
      "warning",
    );
    assert.doesNotMatch(text, /one|two/);
    assert.match(text, /three\n.*four\n.*five\n$/);
  });
});
