// Parts of a file to a sink that takes them at its own pace: order, memory, files that change, clients that leave.

import assert from "node:assert/strict";
import { appendFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { FileSender, type FilePart, type FileSink } from "../../src/net/file-sender.ts";
import { FileTree } from "../../src/net/file-tree.ts";
import { until } from "../support/deadline.ts";
import { FileLimit } from "../support/file-count.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

const MEBIBYTE = 1_048_576;

/** A client; a slow one takes nothing until the test drains the sink. */
class Sink implements FileSink {
  readonly chunks: Buffer[] = [];
  state: "open" | "ended" | "aborted" = "open";
  isSlow = false;

  get isFinished(): boolean {
    return this.state !== "open";
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  write(chunk: Buffer): boolean {
    assert.equal(this.state, "open");
    this.chunks.push(chunk);
    return !this.isSlow;
  }

  end(): void {
    this.state = "ended";
  }

  abort(): void {
    this.state = "aborted";
  }
}

interface Sending {
  readonly path: string;
  readonly content: Buffer;
  readonly sink: Sink;
  readonly sender: FileSender;
  /** Of one file: there is room again when that is closed. */
  readonly count: FileLimit;
}

async function makeSending(
  scope: Scope,
  size: number,
  parts: readonly FilePart[] = [{ start: 0, end: size }],
): Promise<Sending> {
  const root = makeScratch(scope);
  const path = join(root, "file");
  const content = Buffer.from(Uint32Array.from({ length: size / 4 }, (_, index) => index).buffer);
  writeFileSync(path, content);
  const count = new FileLimit(1);
  const place = await new FileTree({ root, followLinks: false, count }).find(["file"]);
  const file = await place?.open();
  place?.release();
  assert(file !== null && file !== undefined);
  const sink = new Sink();
  return { path, content, sink, count, sender: new FileSender(file, sink, parts) };
}

test("sends a whole file, also one that is replaced meanwhile", async (t) => {
  const { sink, sender, content, path, count } = await makeSending(t, 3 * MEBIBYTE);
  sink.isSlow = true;
  sender.start();
  await until("the first piece", () => sink.chunks.length === 1);
  writeFileSync(`${path}.new`, "another file");
  renameSync(`${path}.new`, path);
  sink.isSlow = false;
  sender.onDrain();
  await until("the end", () => sink.state === "ended");
  assert(sink.bytes.equals(content));
  await until("the file is closed", () => count.mayOpen());
});

test("sends parts and the texts between them, in their order", async (t) => {
  const parts = ["head", { start: 300_000, end: 700_001 }, "middle", { start: 1, end: 3 }, "tail"];
  const { sink, sender, content } = await makeSending(t, MEBIBYTE, parts);
  sender.start();
  await until("the end", () => sink.state === "ended");
  const expected = [
    Buffer.from("head"),
    content.subarray(300_000, 700_001),
    Buffer.from("middle"),
    content.subarray(1, 3),
    Buffer.from("tail"),
  ];
  assert(sink.bytes.equals(Buffer.concat(expected)));
});

test("a slow client costs two pieces of memory, whatever the length", async (t) => {
  const { sink, sender, content } = await makeSending(t, 8 * MEBIBYTE);
  sink.isSlow = true;
  sender.start();
  let taken = 0;
  while (sink.state === "open") {
    await until("a piece", () => sink.chunks.length > taken || sink.state !== "open");
    // Without room nothing more comes than the one piece that was given.
    assert(sink.chunks.length <= taken + 1);
    taken = sink.chunks.length;
    sender.onDrain();
  }
  assert.equal(sink.state, "ended");
  assert(sink.bytes.equals(content));
  assert(Math.max(...sink.chunks.map((chunk) => chunk.length)) <= MEBIBYTE);
});

test("a file that becomes shorter ends the response early, so that the client notices", async (t) => {
  const { sink, sender, path, content, count } = await makeSending(t, 4 * MEBIBYTE);
  sink.isSlow = true;
  sender.start();
  await until("the first piece", () => sink.chunks.length === 1);
  truncateSync(path, MEBIBYTE);
  sink.isSlow = false;
  sender.onDrain();
  await until("the end", () => sink.state !== "open");
  assert.equal(sink.state, "aborted");
  assert(sink.bytes.equals(content.subarray(0, sink.bytes.length)));
  await until("the file is closed", () => count.mayOpen());
});

test("a file that grows is sent up to the length that was announced", async (t) => {
  const { sink, sender, path, content } = await makeSending(t, MEBIBYTE);
  appendFileSync(path, "more and more");
  sender.start();
  await until("the end", () => sink.state === "ended");
  assert(sink.bytes.equals(content));
});

test("a client that leaves closes the file, whether it is read at this moment or not", async (t) => {
  for (const isReading of [true, false]) {
    const { sink, sender, count } = await makeSending(t, 4 * MEBIBYTE);
    sink.isSlow = true;
    sender.start();
    if (!isReading) await until("a piece waits", () => sink.chunks.length === 1);
    sink.state = "aborted";
    sender.onGone("reset");
    await until("the file is closed", () => count.mayOpen());
  }
});

test("a client that ends its sending side still gets the file", async (t) => {
  const { sink, sender, content } = await makeSending(t, MEBIBYTE);
  sender.start();
  sender.onGone("end");
  await until("the end", () => sink.state === "ended");
  assert(sink.bytes.equals(content));
});
