// Compression (RFC 7692): what is agreed upon, that messages survive it in both directions, and that a
// small message cannot become a large one. Sections 12 and 13 of the Autobahn list.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, describe, it, type TestContext } from "node:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";

import { WebSocket, type PerMessageDeflateOptions } from "ws";

import { ZLIB_JOBS } from "../../src/net/zlib-stream.ts";
import { parseOffers } from "../../src/websocket/deflate-offers.ts";
import { acceptDeflate } from "../../src/websocket/deflate.ts";
import {
  DEFLATE_TURN_BYTES,
  MAX_EXTENSION_BYTES,
  MAX_EXTENSIONS,
  MAX_MESSAGE_BYTES,
} from "../../src/websocket/limits.ts";
import { until, within } from "../support/deadline.ts";
import { startEchoFront, type EchoFront } from "./echo-front.ts";
import { ANY_WINDOW, binary, FrameClient, more, Opcode, ping, text } from "./frames.ts";

const OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const RSV1 = 4;

let front: EchoFront;
before(async () => {
  front = await startEchoFront();
});
after(() => front.close());

/** What a message becomes on the wire. */
function deflated(bytes: Buffer | string): Buffer {
  return deflateRawSync(bytes, { finishFlush: 2 }).subarray(0, -4);
}

function agree(offers: string): string | null {
  return acceptDeflate(parseOffers(offers) ?? [])?.field ?? null;
}

async function open(context: TestContext, fields = OFFER): Promise<FrameClient> {
  const client = await FrameClient.open(front, fields);
  context.after(() => client.destroy());
  return client;
}

describe("13: what is agreed upon", () => {
  const OURS = "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12";
  for (const [offer, answer] of [
    ["permessage-deflate", OURS],
    ["permessage-deflate; client_max_window_bits", OURS],
    [
      "permessage-deflate; server_max_window_bits=15; client_max_window_bits=10",
      "server_max_window_bits=12; client_max_window_bits=10; " +
        "server_no_context_takeover; client_no_context_takeover",
    ],
    [
      "permessage-deflate; server_max_window_bits=9",
      "server_max_window_bits=9; server_no_context_takeover; client_no_context_takeover",
    ],
    ["permessage-deflate; nonsense, permessage-deflate", OURS],
    ["permessage-deflate; server_max_window_bits=16, permessage-deflate", OURS],
    ["x-webkit-deflate-frame", null],
    ["permessage-deflate; nonsense", null],
    ["permessage-deflate; server_max_window_bits", null],
    ["permessage-deflate; server_no_context_takeover; server_no_context_takeover", null],
  ] as const)
    it(`answers ${offer}`, () => {
      const field = agree(offer);
      if (answer === null) assert.equal(field, null);
      else
        assert.deepEqual(
          field?.split("; ").sort(),
          ["permessage-deflate", ...answer.split("; ")].sort(),
        );
    });

  it("takes values in quotes, and refuses a malformed list (RFC 6455 §9.1)", () => {
    assert.match(agree('permessage-deflate; client_max_window_bits="1\\0"') ?? "", /bits=10$/);
    for (const field of [
      "",
      ",",
      "a b",
      "a;",
      "a; =",
      "a; b=",
      'a; b="',
      'a; b=""',
      "a; b =c",
      'a; b="c,d"',
    ])
      assert.equal(parseOffers(field), null, field);
  });

  it("declines a window with a sign, a fraction or a leading zero", () => {
    for (const bits of ["7", "16", "+9", "09", "9.0", "1e1", "0x9"])
      assert.deepEqual(parseOffers(`permessage-deflate; client_max_window_bits=${bits}`), [], bits);
  });

  it("looks at no offer of a list with very many members or bytes, and does not compress", () => {
    const offer = "permessage-deflate; x";
    const most = Array.from({ length: MAX_EXTENSIONS - 1 }, () => offer).join(",");
    assert.equal(parseOffers(`${most},permessage-deflate`)?.length, 1);
    assert.deepEqual(parseOffers(`${most},${offer},permessage-deflate`), []);
    const parameters = ";a=b".repeat(MAX_EXTENSION_BYTES / 4);
    assert.deepEqual(parseOffers(`permessage-deflate${parameters}`), []);
    // Nothing beyond the limit is read, so nothing there can be malformed.
    assert.deepEqual(parseOffers("=".repeat(MAX_EXTENSION_BYTES + 1)), []);
  });

  it("says nothing of it where it was not offered", async (context) => {
    const client = await open(context, "");
    assert.equal(client.head.fields.get("sec-websocket-extensions"), undefined);
    client.send(text("x", { rsv: RSV1 }));
    assert.equal(await client.readClose(), 1002);
  });
});

describe("12: compressed messages", () => {
  const modes: readonly (readonly [string, PerMessageDeflateOptions])[] = [
    ["as it likes", {}],
    ["without context", { clientNoContextTakeover: true, serverNoContextTakeover: true }],
    ["with small windows", { clientMaxWindowBits: 9, serverMaxWindowBits: 9 }],
    ["with everything compressed", { threshold: 0 }],
  ];
  for (const [name, perMessageDeflate] of modes)
    it(`come back as they went, of many lengths, to a client that compresses ${name}`, async () => {
      const client = new WebSocket(front.url, { perMessageDeflate });
      await within(5000, once(client, "open"), "it opens");
      assert.equal(client.extensions, "permessage-deflate");
      for (const length of [0, 16, 64, 256, 1024, 4096, 8192, 65_536, 131_072, 1_048_576]) {
        for (const isBinary of [true, false]) {
          const bytes = Buffer.from(
            Array.from({ length }, (_, index) => 32 + ((index * index) % 90)),
          );
          client.send(bytes, { binary: isBinary });
          const [answer, cameBinary] = await within(5000, once(client, "message"), "it comes back");
          assert.ok(bytes.equals(answer));
          assert.equal(cameBinary, isBinary);
        }
      }
      client.close(1000);
      const [code] = await once(client, "close");
      assert.equal(code, 1000);
    });

  it("are sent compressed from 1,024 bytes on", async (context) => {
    const client = await open(context);
    client.send(text("x".repeat(1023)), text("x".repeat(1024)));
    const short = await client.read();
    const long = await client.read();
    assert.deepEqual([short.rsv, short.payload.length], [0, 1023]);
    assert.equal(long.rsv, RSV1);
    assert.ok(long.payload.length < 100);
  });

  it("keep their order among messages and pings that are not compressed, both ways", async (context) => {
    const client = await open(context);
    const words = Array.from({ length: 40 }, (_, index) =>
      index % 3 === 0 ? `large ${index} `.repeat(1000) : `small ${index}`,
    );
    client.send(
      ...words.flatMap((word, index) => [
        index % 2 === 0 ? text(deflated(word), { rsv: RSV1 }) : text(word),
        ping(`p${index}`),
      ]),
    );
    const pongs: string[] = [];
    const messages: string[] = [];
    while (messages.length < words.length || pongs.length < words.length) {
      const { opcode, rsv, payload } = await client.read();
      const bytes = rsv === RSV1 ? inflateRawSync(payload, { finishFlush: 2 }) : payload;
      (opcode === Opcode.PONG ? pongs : messages).push(bytes.toString());
    }
    assert.deepEqual(messages, words);
    assert.deepEqual(
      pongs,
      words.map((_, index) => `p${index}`),
    );
  });

  it("come in fragments, with pings among them", async (context) => {
    const client = await open(context);
    const bytes = deflated("a compressed message in three fragments");
    client.send(
      text(bytes.subarray(0, 5), { fin: false, rsv: RSV1 }),
      ping("p"),
      more(bytes.subarray(5, 20), { fin: false }),
      more(bytes.subarray(20)),
    );
    assert.deepEqual(await client.hear(2), [
      "pong p",
      "text a compressed message in three fragments",
    ]);
  });

  it("are read to the last where a close frame and the end follow at once", async (context) => {
    const client = await open(context);
    const taken: string[] = [];
    const accepted = front.accepted.at(-1);
    assert.ok(accepted !== undefined);
    accepted.take = (bytes) => taken.push(bytes.toString());
    const count = 50;
    for (let index = 0; index < count; index += 1)
      client.send(text(deflated(`message ${index}`), { rsv: RSV1 }));
    client.raw.end();
    await client.raw.readUntilCut();
    assert.equal(taken.length, count);
    assert.deepEqual(accepted.closed, ["1006"]);
  });

  it("are checked for UTF-8 when they are inflated", async (context) => {
    const client = await open(context);
    client.send(text(deflated(Buffer.of(0xff, 0xfe)), { rsv: RSV1 }));
    assert.equal(await client.readClose(), 1007);
  });

  it("are refused where they are no compressed bytes", async (context) => {
    const client = await open(context);
    client.send(binary(Buffer.alloc(100, 0xff), { rsv: RSV1 }));
    assert.equal(await client.readClose(), 1007);
  });

  it("are refused where a small one becomes too large: 1009", async (context) => {
    const client = await open(context);
    const bomb = deflated(Buffer.alloc(MAX_MESSAGE_BYTES + 1));
    assert.ok(bomb.length < 20_000);
    client.send(binary(bomb, { rsv: RSV1 }));
    assert.equal(await client.readClose(), 1009);
    const other = await open(context);
    const half = deflated(Buffer.alloc(MAX_MESSAGE_BYTES / 2 + 1));
    // Two deflate streams behind one another, each flushed.
    other.send(
      binary(Buffer.concat([half, Buffer.of(0, 0, 0xff, 0xff)]), { fin: false, rsv: RSV1 }),
      more(half),
    );
    assert.equal(await other.readClose(), 1009);
  });

  it("may be as large as others, also where compression makes them longer", async (context) => {
    const client = await open(context);
    const noise = randomBytes(MAX_MESSAGE_BYTES);
    const bytes = deflated(noise);
    assert.ok(bytes.length > MAX_MESSAGE_BYTES);
    const accepted = front.accepted.at(-1);
    assert.ok(accepted !== undefined);
    accepted.take = (message) => assert.ok(message.equals(noise));
    client.send(binary(bytes, { rsv: RSV1 }));
    await until("it has come", () => accepted.count === 1 || accepted.closed.length > 0);
    assert.deepEqual(accepted.closed, []);
    // One that is not compressed may not be as long as that.
    client.send(binary(bytes));
    assert.equal(await client.readClose(), 1009);
  });

  it("cannot fill memory while their reader is held", async (context) => {
    const client = await open(context);
    const accepted = front.accepted.at(-1);
    assert.ok(accepted !== undefined);
    let bytesTaken = 0;
    accepted.take = (bytes) => {
      bytesTaken += bytes.length;
      accepted.connection.pause();
    };
    const one = binary(deflated(Buffer.alloc(1_048_576)), { rsv: RSV1 });
    client.send(...Array<Buffer>(60).fill(one));
    await until("the first", () => bytesTaken > 0);
    // Whatever came in the same read is inflated when there is room for it.
    for (let turns = 0; turns < 100; turns += 1) await new Promise(setImmediate);
    assert.equal(bytesTaken, 1_048_576);
  });

  it("small ones as well: those of one read come in turns", async (context) => {
    const client = await open(context);
    const accepted = front.accepted.at(-1);
    assert.ok(accepted !== undefined);
    accepted.take = () => accepted.connection.pause();
    const count = 1000;
    client.send(Buffer.concat(Array<Buffer>(count).fill(text(deflated("x"), { rsv: RSV1 }))));
    await until("the first", () => accepted.count > 0);
    for (let turns = 0; turns < 100; turns += 1) await new Promise(setImmediate);
    assert.ok(accepted.count <= DEFLATE_TURN_BYTES / 1024 + 1, `${accepted.count} came`);
    accepted.take = () => undefined;
    accepted.connection.resume();
    await until("all", () => accepted.count === count);
  });

  it("take of the memory that all share while they are inflated, not behind", async (context) => {
    const memoryBytes = 1_048_576;
    const own = await startEchoFront({ memoryBytes });
    context.after(() => own.close());
    let used = 0;
    let most = 0;
    const { budget } = own;
    const [take, give] = [budget.take.bind(budget), budget.give.bind(budget)];
    budget.take = (bytes) => {
      take(bytes);
      most = Math.max(most, (used += bytes));
    };
    budget.give = (bytes) => {
      give(bytes);
      used -= bytes;
    };
    const client = await FrameClient.open(own, OFFER);
    context.after(() => client.destroy());
    client.send(binary(deflated(Buffer.alloc(MAX_MESSAGE_BYTES)), { rsv: RSV1 }));
    assert.equal(await client.readClose(), 1013);
    assert.ok(most < 2 * memoryBytes, `${most} bytes`);
  });
});

describe("Deflate", () => {
  it("gives back what it was given, around the sizes of zlib's pieces", async () => {
    const sizes = [16_384, 65_536, 131_072].flatMap((size) =>
      Array.from({ length: 40 }, (_, index) => size + index - 30),
    );
    const deflate = acceptDeflate([ANY_WINDOW]);
    assert.ok(deflate !== null);
    for (const size of sizes) {
      const bytes = randomBytes(size);
      const packed = await new Promise<Buffer | null>((resolve) =>
        deflate.deflate(bytes, true, resolve),
      );
      assert.ok(packed !== null);
      const pieces: Buffer[] = [];
      const fault = await new Promise((resolve) =>
        deflate.inflate(packed, true, (piece) => pieces.push(piece), resolve),
      );
      assert.equal(fault, null);
      assert.ok(Buffer.concat(pieces).equals(bytes), `${size} bytes`);
    }
  });

  it("ends what passes through zlib when it is closed, and what waits for that", async () => {
    const all = Array.from({ length: 3 * ZLIB_JOBS }, () => acceptDeflate([ANY_WINDOW]));
    const ends = all.map(
      (deflate) =>
        new Promise<unknown>((resolve) => deflate?.deflate(Buffer.alloc(100_000), true, resolve)),
    );
    for (const deflate of all.slice(1)) deflate?.close();
    const [first, ...others] = await within(5000, Promise.all(ends), "they end");
    assert.ok(Buffer.isBuffer(first));
    assert.deepEqual(new Set(others), new Set([null]));
  });
});
