// Targets of log lines: a pipe without a reader, a full disk, a file that is moved away. Real pipes (FIFOs)
// and files.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { MAX_WAITING_BYTES, Sink } from "../../src/observe/sink.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-sink-"));
after(() => rmSync(scratch, { recursive: true }));

/** Collects what a sink reports. */
class Reports {
  dropped = 0;
  readonly failures: string[] = [];

  constructor(sink: Sink) {
    sink.onDropped = (lines): void => {
      this.dropped += lines;
    };
    sink.onFailure = (code): void => {
      this.failures.push(code);
    };
  }
}

/** Looks again until `isTrue`; a deadline that passes is a failed assertion. */
async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !isTrue(); tries += 1) {
    assert.ok(tries < 1000, `${what} did not happen in 10 s`);
    await pause(10);
  }
}

describe("Sink", () => {
  test("writes whole texts in their order, and flush resolves when they are there", async () => {
    const path = join(scratch, "order.log");
    const sink = new Sink(path);
    let expected = "";
    for (let line = 0; line < 5000; line += 1) {
      sink.write(`line ${line} é\n`);
      expected += `line ${line} é\n`;
    }
    await sink.flush();
    assert.equal(readFileSync(path, "utf8"), expected);
  });

  test("writes a single line by itself, without a flush", async () => {
    const path = join(scratch, "single.log");
    const sink = new Sink(path);
    // The sink's own timer keeps no process alive; the test's pauses do.
    sink.write("one\n");
    await eventually(() => readFileSync(path, "utf8") === "one\n", "the write");
  });

  test("flush of an empty sink resolves", async () => {
    const sink = new Sink(join(scratch, "empty.log"));
    await sink.flush();
  });

  test("a file that cannot be opened is an error at once", () => {
    assert.throws(() => new Sink(join(scratch, "no", "folder.log")), { code: "ENOENT" });
  });

  test("a pipe without a reader costs counted lines, neither memory nor the event loop", async () => {
    const fifo = join(scratch, "slow");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const sink = new Sink(fifo);
    const reports = new Reports(sink);
    const line = `${"x".repeat(99)}\n`;
    const lines = Math.ceil((3 * MAX_WAITING_BYTES) / line.length);
    for (let count = 0; count < lines; count += 1) {
      sink.write(line);
      // The loop goes on turning while a write stands in the thread pool.
      if (count % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(reports.dropped, 0, "told only when there is room again");

    // Now somebody reads: what waited comes whole, and the rest is told as dropped.
    const buffer = Buffer.alloc(65_536);
    let text = "";
    const drain = (): boolean => {
      try {
        for (let got = -1; got !== 0;) {
          got = readSync(reader, buffer);
          text += buffer.toString("latin1", 0, got);
        }
      } catch (error) {
        assert.equal(error instanceof Error && "code" in error && error.code, "EAGAIN");
      }
      return reports.dropped > 0;
    };
    await eventually(drain, "the report of dropped lines");
    await sink.flush();
    drain();
    assert.match(text, /^(x{99}\n)+$/, "no line was cut");
    assert.equal(text.length / line.length + reports.dropped, lines);
    assert.ok(reports.dropped > lines / 2, `only ${reports.dropped} of ${lines} were dropped`);
    closeSync(reader);
  });

  test("a pipe without a reader does not keep the process from ending with its code", async () => {
    const module = JSON.stringify(new URL("../../src/observe/sink.ts", import.meta.url).href);
    const script = `
      const { Sink } = await import(${module});
      const sink = new Sink(1);
      for (let count = 0; count < 3000; count += 1) sink.write("x".repeat(999) + "\\n");
      await sink.flush();
      process.exit(7);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 30_000,
      killSignal: "SIGKILL",
    });
    // Not read: nobody listens for its data.
    assert.deepEqual(await once(child, "exit"), [7, null]);
    child.stdout.destroy();
  });

  test("standard output keeps its flags if it is a pipe, and is not blocked by it", async () => {
    const fifo = join(scratch, "standard");
    execFileSync("mkfifo", [fifo]);
    const shared = openSync(fifo, constants.O_RDWR);
    const script = `
      const { readFileSync } = await import("node:fs");
      const { Sink } = await import(${JSON.stringify(new URL("../../src/observe/sink.ts", import.meta.url).href)});
      const flags = () => readFileSync("/proc/self/fdinfo/1", "latin1").match(/flags:.*/)[0];
      const before = flags();
      const sink = new Sink(1);
      for (let count = 0; count < 300; count += 1) sink.write("x".repeat(999) + "\\n");
      await sink.flush();
      process.exit(flags() === before ? 7 : 8);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", shared, "inherit"],
      timeout: 30_000,
      killSignal: "SIGKILL",
    });
    assert.deepEqual(await once(child, "exit"), [7, null]);
    const text = readAll(shared);
    assert.match(text, /^(?:x{999}\n)+$/, "no line was cut");
    closeSync(shared);
  });

  test("a disk that hangs holds one thread of the pool, whatever is written or asked", async () => {
    const fifo = join(scratch, "disk");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    // A full pipe in blocking mode: the write waits like one to a disk that hangs.
    const fd = openSync(fifo, constants.O_WRONLY);
    writeSync(fd, "-".repeat(65_536));
    const path = join(scratch, "disk.log");
    const sink = new Sink(path, { fd, mayBlock: true });
    const line = `${"x".repeat(999)}\n`;
    for (let lines = 0; lines < 300; lines += 1) sink.write(line);
    for (let count = 0; count < 6; count += 1) {
      sink.reopen();
      sink.write("after\n");
      await stat(scratch);
    }
    const operations = process.getActiveResourcesInfo().filter((name) => name === "FSReqCallback");
    assert.equal(operations.length, 1, "of the four threads");
    // The disk is back: the lines go on, and the file is opened again.
    let old = "";
    const expected = "-".repeat(65_536) + line.repeat(300) + "after\n".repeat(6);
    const written = (): string => old + (existsSync(path) ? readFileSync(path, "latin1") : "");
    await eventually(() => {
      old += takeAll(reader);
      return written().length >= expected.length;
    }, "every line is written");
    assert(written() === expected, "whole and in order");
    assert(old.length < expected.length, "nothing is in the new file");
    closeSync(reader);
  });

  test("a pipe whose reader has ended is reported once, and later writes go on", async () => {
    const fifo = join(scratch, "gone");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const sink = new Sink(fifo);
    const reports = new Reports(sink);
    closeSync(reader);
    sink.write("a\n");
    await sink.flush();
    sink.write("b\n");
    await sink.flush();
    assert.deepEqual(reports.failures, ["EPIPE"]);
    const again = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    sink.write("c\n");
    await sink.flush();
    assert.equal(readAll(again), "a\nb\nc\n");
    closeSync(again);
  });

  test("a full disk is reported once, and the flush at the end does not hang", async () => {
    const sink = new Sink("/dev/full");
    const reports = new Reports(sink);
    sink.write("a\n");
    await sink.flush();
    sink.write("b\n");
    await sink.flush();
    assert.deepEqual(reports.failures, ["ENOSPC"]);
  });

  test("goes on when a failed target accepts lines again, even with full memory", async () => {
    const path = join(scratch, "again.fifo");
    execFileSync("mkfifo", [path]);
    const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const sink = new Sink(path);
    const reports = new Reports(sink);
    closeSync(first);
    const line = `${"x".repeat(99)}\n`;
    for (let bytes = 0; bytes < 2 * MAX_WAITING_BYTES; bytes += 100) sink.write(line);
    await eventually(() => reports.failures.length > 0, "the failure is told");
    // Line by line, until not one more fits.
    for (let count = 0; count < 200; count += 1) {
      sink.write(line);
      await sink.flush();
    }
    const second = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const isRead = (): boolean => {
      sink.write(line);
      return hasBytes(second);
    };
    await eventually(isRead, "a line is read again");
    closeSync(second);
  });

  test("reopen goes on in a new file after a rotation, and nothing is lost", async () => {
    const path = join(scratch, "rotate.log");
    const sink = new Sink(path);
    sink.write("old 1\n");
    await sink.flush();
    renameSync(path, `${path}.1`);
    sink.write("old 2\n");
    sink.reopen();
    let written = 0;
    const isInNewFile = (): boolean => {
      sink.write("later\n");
      written += 1;
      return existsSync(path) && readFileSync(path, "utf8") !== "";
    };
    await eventually(isInNewFile, "a line in the new file");
    await sink.flush();
    const [before, now] = [readFileSync(`${path}.1`, "utf8"), readFileSync(path, "utf8")];
    assert.equal(before + now, `old 1\nold 2\n${"later\n".repeat(written)}`);
  });

  test("reopen keeps the old file if the new one cannot be opened", async () => {
    const folder = mkdtempSync(join(scratch, "moved-"));
    const path = join(folder, "keep.log");
    const sink = new Sink(path);
    const reports = new Reports(sink);
    renameSync(folder, `${folder}-away`);
    sink.reopen();
    await eventually(() => reports.failures.length > 0, "the report");
    assert.deepEqual(reports.failures, ["ENOENT"]);
    sink.write("still here\n");
    await sink.flush();
    assert.equal(readFileSync(join(`${folder}-away`, "keep.log"), "utf8"), "still here\n");
  });
});

/** Takes what a pipe holds; false if it is empty. */
function hasBytes(fd: number): boolean {
  return takeAll(fd) !== "";
}

/** Takes what a pipe holds; "" if it is empty. */
function takeAll(fd: number): string {
  try {
    return readAll(fd);
  } catch (error) {
    assert(error instanceof Error && "code" in error && error.code === "EAGAIN");
    return "";
  }
}

function readAll(fd: number): string {
  const buffer = Buffer.alloc(65_536);
  return buffer.toString("latin1", 0, readSync(fd, buffer));
}
