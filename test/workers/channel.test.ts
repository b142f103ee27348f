// A worker's channel over a real socket, whose other end is the test.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { it, type TestContext } from "node:test";

import { Channel, readJson } from "../../src/workers/channel.ts";
import { encodeFrame, FrameDecoder, FrameFault, FrameType } from "../../src/workers/frame.ts";
import { until } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

interface Connected {
  readonly channel: Channel;
  readonly worker: Socket;
  /** Types and ids of the frames that came from the worker. */
  readonly frames: string[];
  /** What `onEnd` was called with. */
  readonly ends: (string | null)[];
}

async function connect(t: TestContext, onFrame?: () => void): Promise<Connected> {
  const path = join(makeScratch(t), "w1.channel");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const frames: string[] = [];
  const ends: (string | null)[] = [];
  const connected = once(server, "connection");
  const channel = new Channel(
    path,
    {
      onFrame: (type, id, isEnd, count, payload) => {
        onFrame?.();
        frames.push([type, id, isEnd, count, payload.toString()].join(" "));
      },
    },
    (fault) => void ends.push(fault),
  );
  const [worker]: Socket[] = await connected;
  assert(worker !== undefined);
  t.after(() => {
    channel.destroy();
    worker.destroy();
    server.close();
  });
  return { channel, worker, frames, ends };
}

it("gives frames to its receiver, and tells its end once", async (t) => {
  const { channel, worker, frames, ends } = await connect(t);
  worker.write(encodeFrame(FrameType.BODY, 7, Buffer.from("hello"), { isEnd: true, count: 2 }));
  await until("a frame", () => frames.length === 1);
  assert.deepEqual(frames, [`${FrameType.BODY} 7 true 2 hello`]);
  assert(!channel.isClosed);
  worker.end();
  await until("the end", () => channel.isClosed);
  assert.deepEqual(ends, [null]);
});

it("tells of a worker that breaks the protocol, and is closed", async (t) => {
  const { channel, worker, ends } = await connect(t);
  worker.write(Buffer.alloc(64, 0xff));
  await until("the end", () => channel.isClosed);
  assert.deepEqual(ends, ["a frame of type 255"]);
});

it("tells of a fault that its receiver finds in a frame", async (t) => {
  const { worker, ends } = await connect(t, () => {
    throw new FrameFault("a frame of type 127");
  });
  worker.write(encodeFrame(0x7f, 1));
  await until("the end", () => ends.length === 1);
  assert.deepEqual(ends, ["a frame of type 127"]);
});

it("tells of an end inside a frame", async (t) => {
  const { worker, ends } = await connect(t);
  worker.end(Buffer.from([0x10, 0]));
  await until("the end", () => ends.length === 1);
  assert.deepEqual(ends, ["the channel ended inside a frame"]);
});

it("ends a worker that begins a frame and does not end it, and no slow one", async (t) => {
  const { channel, worker, frames, ends } = await connect(t);
  const frame = encodeFrame(FrameType.BODY, 7, Buffer.from("hello"));
  worker.write(frame.subarray(0, 1));
  for (let at = 1; at <= 3; at += 1) {
    // Another frame than before, each time.
    worker.write(Buffer.concat([frame.subarray(1), frame.subarray(0, 1)]));
    await until(`${at} frames`, () => frames.length === at);
    for (let tick = 0; tick < 50; tick += 1) channel.tick();
    assert(!channel.isClosed);
  }
  channel.tick();
  await until("the end", () => channel.isClosed);
  assert.deepEqual(ends, ["a frame was begun and not ended"]);
});

it("waits for ever between two frames", async (t) => {
  const { channel, worker, frames } = await connect(t);
  worker.write(encodeFrame(FrameType.FETCH, 7));
  await until("a frame", () => frames.length === 1);
  for (let tick = 0; tick < 500; tick += 1) channel.tick();
  assert(!channel.isClosed);
});

it("sends frames in their order, small ones of one turn together, large ones at once", async (t) => {
  const { channel, worker } = await connect(t);
  const types: number[] = [];
  let reads = 0;
  const decoder = new FrameDecoder({ onFrame: (type) => void types.push(type) });
  worker.on("data", (bytes: Buffer) => {
    reads += 1;
    decoder.push(bytes);
  });
  channel.say(FrameType.TAKE, 0);
  channel.send(encodeFrame(FrameType.CREDIT, 1, Buffer.alloc(4)));
  channel.say(FrameType.STACKS, 0);
  await until("three frames", () => types.length === 3);
  assert.equal(reads, 1);
  channel.say(FrameType.CANCEL, 1);
  channel.send(encodeFrame(FrameType.INPUT, 1, Buffer.alloc(100_000)));
  channel.say(FrameType.STOP, 0);
  await until("six frames", () => types.length === 6);
  assert.deepEqual(types, [
    FrameType.TAKE,
    FrameType.CREDIT,
    FrameType.STACKS,
    FrameType.CANCEL,
    FrameType.INPUT,
    FrameType.STOP,
  ]);
});

it("drops frames after its end", async (t) => {
  const { channel, worker } = await connect(t);
  worker.destroy();
  await until("the end", () => channel.isClosed);
  channel.say(FrameType.STOP, 0);
  channel.send(encodeFrame(FrameType.INPUT, 1, Buffer.alloc(100_000)));
});

it("reads the JSON object of a frame, and refuses what is none", () => {
  assert.equal(readJson(Buffer.from('{"interface":"wsgi"}')).get("interface"), "wsgi");
  for (const text of ["{", "null", "3", '{"a":1}', '{"a":{"toString":1}}'])
    assert.throws(() => readJson(Buffer.from(text)), FrameFault);
});
