// The vectors that Python reads too (test/vectors/README.md): what is written here as bytes is what
// both sides write and read.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import {
  encodeCredit,
  encodeFrame,
  encodeRecord,
  FrameDecoder,
  FrameFault,
  FrameType,
} from "../../src/workers/frame.ts";
import { readJobFrame } from "../../src/workers/job-frames.ts";
import type { FilePart } from "../../src/workers/job.ts";
import { PAGE_BYTES, PageBatch, PageFlag } from "../../src/workers/page.ts";
import { WebSocketLink } from "../../src/workers/web-socket-link.ts";
import { RecordedRequest } from "../support/jobs.ts";

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly fault?: boolean;
  readonly id: number;
}
interface PageVector extends Vector {
  readonly flags: number;
  readonly latest: number;
  readonly names: string;
  readonly values: string;
  readonly body: string;
}
interface FrameVector extends Vector {
  readonly type: number;
  readonly end: boolean;
  readonly count: number;
  readonly payload: string;
  readonly credit?: number;
  readonly names?: string;
  readonly values?: string;
  readonly file?: FilePart;
}

const readVectors = (name: string): string =>
  readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8");
const PAGES: readonly PageVector[] = JSON.parse(readVectors("pages"));
const FRAMES: readonly FrameVector[] = JSON.parse(readVectors("frames"));

function encodePage(vector: PageVector): string {
  const { id, flags, latest } = vector;
  const batch = new PageBatch(1);
  if ((flags & PageFlag.FENCE) !== 0) batch.addFence(id);
  else {
    // What is on the channel is whatever does not fit.
    const isRecordAway = (flags & PageFlag.RECORD_ON_CHANNEL) !== 0;
    const isBodyAway = (flags & PageFlag.BODY_ON_CHANNEL) !== 0;
    const inline = vector.body === "" ? null : Buffer.from(vector.body, "latin1");
    batch.add(id, latest * 1000, {
      names: vector.names,
      values: isRecordAway ? "v".repeat(5000) : vector.values,
      body: isBodyAway ? Buffer.alloc(5000) : inline,
      isBodyInFile: (flags & PageFlag.BODY_IN_FILE) !== 0,
      isBodyStreamed: (flags & PageFlag.BODY_STREAMED) !== 0,
      isWebSocket: (flags & (PageFlag.WEBSOCKET | PageFlag.WEBSOCKET_SOCKET)) !== 0,
      offersSocket: (flags & PageFlag.WEBSOCKET_SOCKET) !== 0,
    });
  }
  return batch.bytes.toString("hex");
}

describe("pages", () => {
  const good = PAGES.filter(({ fault }) => fault !== true);
  it("has vectors", () => assert.ok(good.length > 5));
  for (const vector of good)
    it(`writes ${vector.name}`, () => {
      assert.equal(encodePage(vector), vector.hex.padEnd(PAGE_BYTES * 2, "0"));
    });
});

describe("frames", () => {
  for (const vector of FRAMES)
    it(`reads ${vector.name}`, () => {
      const seen: unknown[] = [];
      const decoder = new FrameDecoder({
        onFrame: (type, id, end, count, payload) =>
          seen.push({ type, id, end, count, payload: payload.toString("hex") }),
      });
      const push = (): void => decoder.push(Buffer.from(vector.hex, "hex"));
      if (vector.fault === true) {
        assert.throws(push, FrameFault);
        return;
      }
      push();
      const { type, id, end, count, payload } = vector;
      assert.deepEqual(seen, [{ type, id, end, count, payload }]);
    });

  it("has a vector for every type", () => {
    assert.deepEqual(
      new Set(FRAMES.filter(({ fault }) => fault !== true).map(({ type }) => type)),
      new Set<number>(Object.values(FrameType)),
    );
  });

  for (const vector of FRAMES.filter(({ type }) => type === FrameType.WS_CLOSED))
    it(`writes ${vector.name} as the end of a WebSocket`, () => {
      const { id, count, payload } = vector;
      const sent: string[] = [];
      const link = new WebSocketLink(id, (frame) => sent.push(frame.toString("hex")));
      link.sendClosed(count, Buffer.from(payload, "hex").toString());
      assert.deepEqual(sent, [vector.hex]);
    });

  for (const { name, payload, count, file } of FRAMES.filter((one) => one.file !== undefined))
    it(`reads ${name} as a part of a file`, () => {
      const request = new RecordedRequest();
      request.job.submit(1, 1);
      request.job.enqueue(1);
      request.job.take(1, 0);
      const frame = {
        type: FrameType.FILE,
        isEnd: false,
        count,
        payload: Buffer.from(payload, "hex"),
      };
      readJobFrame(request.job, frame, 2, () => undefined);
      assert.deepEqual(
        request.files.map(({ part }) => part),
        [file],
      );
    });

  for (const vector of FRAMES.filter(({ type }) => type >= FrameType.TAKE))
    it(`writes ${vector.name}`, () => {
      const { type, id, end, count, credit, names, values } = vector;
      const payload = Buffer.from(vector.payload, "hex");
      let frame = encodeFrame(type, id, payload, { isEnd: end, count });
      if (type === FrameType.CREDIT) frame = encodeCredit(id, credit ?? 0);
      if (type === FrameType.RECORD) frame = encodeRecord(id, names ?? "", values ?? "");
      assert.equal(frame.toString("hex"), vector.hex);
    });
});
