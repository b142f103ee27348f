// Abuse of HTTP/2, one connection each, bounded in count: RFC 9113 §10.5 and what was found since (CVE-2019-9511
// to 9518, rapid reset of 2023, CONTINUATION floods of 2024, MadeYouReset of 2025). An attack goes on until the
// server ends the connection or its count is reached; `codes` are the codes of GOAWAY that are right.

import assert from "node:assert/strict";

import {
  CODE,
  FLAG,
  FRAME,
  frame,
  FrameClient,
  settings,
  text,
  uint32,
  type FrameTarget,
} from "./h2-frames.ts";

export interface Attack {
  readonly name: string;
  /** Empty: the server may also bear it, if others are served and its memory stays small. */
  readonly codes: readonly number[];
  /** SETTINGS of the client's preface. */
  readonly settings?: Buffer;
  readonly run: (client: FrameClient) => Promise<void>;
}

/** Frames of a flood; the limits of servers are hundreds or a few thousand. */
const FLOOD = 20_000;
const BATCH = 100;
/** Streams that end by a fault of ours. */
const RESETS = 4_000;
const SMALL_BLOCK = 16_384;
/** SETTINGS_INITIAL_WINDOW_SIZE. */
const INITIAL_WINDOW = 4;
const MAX_INCREMENT = 0x7fff_ffff;

/** Writes what `make` returns, `count` times, while the connection lives. */
async function flood(
  client: FrameClient,
  count: number,
  make: (at: number) => Buffer,
): Promise<void> {
  for (let at = 0; at < count && !client.isOver; at += BATCH) {
    const size = Math.min(BATCH, count - at);
    await client.send(Buffer.concat(Array.from({ length: size }, (_, more) => make(at + more))));
    // Turns of this event loop let the server's GOAWAY in.
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

/** The same frame again and again, beside a stream that is open. */
function floodOf(make: (stream: number) => Buffer): Attack["run"] {
  return async (client) => {
    const stream = client.nextStream();
    client.write(client.request(stream, "/echo", "POST", true));
    const bytes = make(stream);
    await flood(client, FLOOD, () => bytes);
  };
}

/** Streams that the server has to reset, because of `fault`: frames behind the head of each request. */
function makeReset(fault: (stream: number) => Buffer, hasContent = true): Attack["run"] {
  return (client) =>
    flood(client, RESETS, () => {
      const stream = client.nextStream();
      const method = hasContent ? "POST" : "GET";
      const path = hasContent ? "/echo" : "/hold";
      return Buffer.concat([client.request(stream, path, method, hasContent), fault(stream)]);
    });
}

const CALM = [CODE.enhanceYourCalm] as const;
/** A fault that may be one of the stream or one of the connection. */
const CALM_OR_FAULT = [CODE.enhanceYourCalm, CODE.protocolError] as const;

export const ATTACKS: readonly Attack[] = [
  {
    name: "rapid reset: requests that are cancelled at once",
    codes: CALM,
    run: (client) =>
      flood(client, FLOOD, () => {
        const stream = client.nextStream();
        const cancel = frame(FRAME.resetStream, 0, stream, uint32(CODE.cancel));
        return Buffer.concat([client.request(stream, "/hold"), cancel]);
      }),
  },
  {
    name: "made to reset: WINDOW_UPDATE of zero",
    codes: CALM_OR_FAULT,
    run: makeReset((stream) => frame(FRAME.windowUpdate, 0, stream, uint32(0))),
  },
  {
    name: "made to reset: WINDOW_UPDATE beyond the largest window",
    codes: [...CALM, CODE.flowControlError],
    run: makeReset((stream) => frame(FRAME.windowUpdate, 0, stream, uint32(MAX_INCREMENT))),
  },
  {
    name: "made to reset: DATA on a half-closed stream",
    codes: [...CALM, CODE.streamClosed],
    run: makeReset((stream) => frame(FRAME.data, 0, stream, "x"), false),
  },
  {
    name: "made to reset: HEADERS on a half-closed stream",
    codes: [...CALM, CODE.streamClosed],
    run: async (client) => {
      await flood(client, RESETS, () => {
        const stream = client.nextStream();
        const request = client.request(stream, "/hold");
        return Buffer.concat([request, request]);
      });
    },
  },
  {
    name: "made to reset: PRIORITY that depends on itself",
    codes: CALM_OR_FAULT,
    run: makeReset((stream) =>
      frame(FRAME.priority, 0, stream, Buffer.concat([uint32(stream), Buffer.from([16])])),
    ),
  },
  {
    name: "made to reset: PRIORITY of a wrong length",
    codes: [...CALM, CODE.frameSizeError],
    run: makeReset((stream) => frame(FRAME.priority, 0, stream, "1234")),
  },
  {
    name: "made to reset: more content than Content-Length says",
    codes: CALM_OR_FAULT,
    run: (client) =>
      flood(client, RESETS, () => {
        const stream = client.nextStream();
        const head = client.requestBlock("/echo", "POST", [["content-length", "1"]]);
        return Buffer.concat([
          frame(FRAME.headers, FLAG.endHeaders, stream, head),
          frame(FRAME.data, 0, stream, "more"),
        ]);
      }),
  },
  {
    name: "made to reset: malformed heads",
    codes: CALM_OR_FAULT,
    run: (client) =>
      flood(client, RESETS, () => {
        const head = client.requestBlock("/", "GET", [["Upper-Case", "1"]]);
        const flags = FLAG.endHeaders | FLAG.endStream;
        return frame(FRAME.headers, flags, client.nextStream(), head);
      }),
  },
  {
    name: "a head in CONTINUATION frames that does not end",
    codes: CALM_OR_FAULT,
    run: async (client) => {
      const stream = client.nextStream();
      client.write(frame(FRAME.headers, FLAG.endStream, stream, client.requestBlock("/")));
      const field = Buffer.concat([Buffer.from([0]), text("x-padding"), text("x".repeat(16_000))]);
      const bytes = frame(FRAME.continuation, 0, stream, field);
      await flood(client, 2_000, () => bytes);
    },
  },
  {
    name: "empty CONTINUATION frames without end",
    codes: CALM_OR_FAULT,
    run: async (client) => {
      const stream = client.nextStream();
      client.write(frame(FRAME.headers, FLAG.endStream, stream, client.requestBlock("/")));
      const bytes = frame(FRAME.continuation, 0, stream);
      await flood(client, FLOOD, () => bytes);
    },
  },
  {
    name: "SETTINGS",
    codes: CALM,
    run: floodOf(() => frame(FRAME.settings, 0, 0, settings([[INITIAL_WINDOW, 65_535]]))),
  },
  { name: "empty SETTINGS", codes: CALM, run: floodOf(() => frame(FRAME.settings, 0, 0)) },
  {
    name: "acknowledgements of SETTINGS that were not sent",
    codes: CALM_OR_FAULT,
    run: floodOf(() => frame(FRAME.settings, FLAG.ack, 0)),
  },
  { name: "PING", codes: CALM, run: floodOf(() => frame(FRAME.ping, 0, 0, "12345678")) },
  {
    name: "PONG that was not asked for",
    codes: CALM,
    run: floodOf(() => frame(FRAME.ping, FLAG.ack, 0, "12345678")),
  },
  {
    name: "PING whose answers are not read",
    // The server may end it by GOAWAY, which stays unread, or stop reading.
    codes: [],
    run: async (client) => {
      client.stopReading();
      const ping = Buffer.concat(
        Array.from({ length: BATCH }, () => frame(FRAME.ping, 0, 0, "12345678")),
      );
      for (let at = 0; at < FLOOD; at += BATCH) client.write(ping);
      await new Promise<void>((resolve) => void setImmediate(resolve));
    },
  },
  {
    name: "empty DATA",
    codes: CALM,
    run: floodOf((stream) => frame(FRAME.data, 0, stream)),
  },
  {
    name: "DATA of one byte",
    codes: [],
    run: async (client) => {
      const stream = client.nextStream();
      client.write(client.request(stream, "/echo", "POST", true));
      const bytes = frame(FRAME.data, 0, stream, "x");
      await flood(client, FLOOD, () => bytes);
    },
  },
  {
    name: "PRIORITY",
    codes: CALM,
    run: floodOf((stream) => frame(FRAME.priority, 0, stream, Buffer.from([0, 0, 0, 0, 16]))),
  },
  {
    name: "PRIORITY of streams that are never opened",
    codes: CALM,
    run: (client) =>
      flood(client, FLOOD, () =>
        frame(FRAME.priority, 0, client.nextStream(), Buffer.from([0, 0, 0, 0, 16])),
      ),
  },
  {
    name: "WINDOW_UPDATE of a stream",
    codes: CALM,
    run: floodOf((stream) => frame(FRAME.windowUpdate, 0, stream, uint32(1))),
  },
  {
    name: "WINDOW_UPDATE of the connection",
    codes: CALM,
    run: floodOf(() => frame(FRAME.windowUpdate, 0, 0, uint32(1))),
  },
  {
    name: "frames of an unknown type",
    codes: CALM,
    run: floodOf(() => frame(0xfa, 0, 0)),
  },
  {
    name: "a frame larger than SETTINGS_MAX_FRAME_SIZE",
    codes: [CODE.frameSizeError],
    run: async (client) => {
      const stream = client.nextStream();
      client.write(client.request(stream, "/echo", "POST", true));
      // The frame's head alone says so: nothing needs to be read behind it.
      const head = frame(FRAME.data, 0, stream);
      head.writeUIntBE(2 ** 24 - 1, 0, 3);
      client.write(head);
    },
  },
  {
    name: "header bomb: a large field that is named thousands of times",
    codes: [],
    run: async (client) => {
      // Entered into the dynamic table as index 62 (RFC 7541 §6.2.1).
      const entry = Buffer.concat([Buffer.from([0x40]), text("x-bomb"), text("b".repeat(4_000))]);
      const named = Buffer.alloc(SMALL_BLOCK - 5_000, 0x80 | 62);
      const flags = FLAG.endHeaders | FLAG.endStream;
      await flood(client, 50, () =>
        frame(
          FRAME.headers,
          flags,
          client.nextStream(),
          Buffer.concat([client.requestBlock("/"), entry, named]),
        ),
      );
    },
  },
  {
    name: "a dynamic table that is resized again and again",
    codes: [CODE.compressionError, CODE.enhanceYourCalm],
    run: async (client) => {
      // Two size updates may stand at the begin of a block, no more (RFC 7541 §4.2).
      const updates = Buffer.from([0x20, 0x3f, 0xe1, 0x1f]);
      const head = Buffer.concat([
        ...Array.from({ length: 3_000 }, () => updates),
        client.requestBlock("/"),
      ]);
      const flags = FLAG.endHeaders | FLAG.endStream;
      await flood(client, 200, () => frame(FRAME.headers, flags, client.nextStream(), head));
    },
  },
  {
    name: "thousands of requests whose content does not come",
    // Streams beyond SETTINGS_MAX_CONCURRENT_STREAMS are refused, one by one or with the connection.
    codes: [...CALM_OR_FAULT, CODE.refusedStream],
    run: (client) =>
      flood(client, RESETS, () => client.request(client.nextStream(), "/echo", "POST", true)),
  },
  {
    name: "thousands of requests that run for ever",
    codes: [...CALM_OR_FAULT, CODE.refusedStream],
    run: (client) => flood(client, RESETS, () => client.request(client.nextStream(), "/hold")),
  },
  {
    name: "windows of zero: responses that nobody lets come",
    codes: [],
    settings: settings([[INITIAL_WINDOW, 0]]),
    run: (client) => flood(client, 100, () => client.request(client.nextStream(), "/blocks?160")),
  },
  {
    name: "windows of one byte, opened byte by byte",
    codes: [],
    settings: settings([[INITIAL_WINDOW, 1]]),
    run: async (client) => {
      const streams = Array.from({ length: 50 }, () => client.nextStream());
      await client.send(
        Buffer.concat(streams.map((stream) => client.request(stream, "/blocks?16"))),
      );
      await flood(client, 5_000, (at) =>
        frame(FRAME.windowUpdate, 0, streams[at % streams.length] ?? 0, uint32(1)),
      );
    },
  },
  {
    name: "SETTINGS that move the windows of all streams",
    codes: [],
    run: async (client) => {
      await flood(client, 100, () => client.request(client.nextStream(), "/blocks?16"));
      await flood(client, 2_000, (at) =>
        frame(FRAME.settings, 0, 0, settings([[INITIAL_WINDOW, at % 2 === 0 ? 0 : 65_535]])),
      );
    },
  },
];

/** Does the attack on a connection of its own; fails where the server ends it in another way than is right. */
export async function attack(
  target: FrameTarget,
  { name, codes, settings: given, run }: Attack,
): Promise<FrameClient> {
  const client = await FrameClient.open(target, given);
  await run(client);
  if (codes.length > 0) {
    await client.until(`GOAWAY after ${name}`, () => client.isOver);
    assert(client.goAway !== null, `${name}: the connection was closed without GOAWAY`);
    assert(codes.includes(client.goAway), `${name}: GOAWAY with code ${client.goAway}`);
    await client.until(`the server closes after ${name}`, () => client.isClosed);
  }
  return client;
}
