// Which requests are handshakes, which are refused, and what accepts one. Pure, and once over a socket.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { HeadParser } from "../../src/http1/head-parser.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { ResponseFault } from "../../src/http/response-head.ts";
import {
  acceptanceHead,
  acceptKey,
  readHandshake,
  type Handshake,
} from "../../src/websocket/handshake.ts";
import { MAX_SUBPROTOCOLS } from "../../src/websocket/limits.ts";
import { fieldOf, RawClient } from "../support/raw-client.ts";
import { startEchoFront } from "./echo-front.ts";
import { FrameClient, HANDSHAKE, KEY } from "./frames.ts";

function headOf(fields: string, line = "GET /ws HTTP/1.1"): RequestHead {
  const head = new HeadParser().parse(`${line}\r\nHost: a\r\n${fields}\r\n`, 0);
  assert.ok(head !== null);
  return head;
}

/** The handshake without one of its fields, or with another value. */
function changed(name: string, value: string | null): string {
  const line = value === null ? "" : `${name}: ${value}\r\n`;
  return HANDSHAKE.replace(new RegExp(`^${name}: .*\r\n`, "m"), line);
}

function handshakeOf(fields: string): Handshake {
  const read = readHandshake(headOf(fields));
  assert.ok(read?.kind === "handshake");
  return read;
}

const acceptance = { subprotocol: "", extensions: "", fields: [] };

describe("readHandshake", () => {
  it("reads key, subprotocols and offers", () => {
    const { key, subprotocols, deflateOffers } = handshakeOf(
      `${HANDSHAKE}Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: x\r\n` +
        "Sec-WebSocket-Extensions: a, permessage-deflate; client_max_window_bits\r\n" +
        'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="10"\r\n',
    );
    assert.equal(key, KEY);
    assert.deepEqual(subprotocols, ["chat", "superchat", "x"]);
    assert.equal(deflateOffers.length, 2);
  });

  it("takes names in any case and lists with others", () => {
    handshakeOf(changed("Upgrade", "foo, WebSocket"));
    handshakeOf(changed("Connection", "keep-alive, UPGRADE"));
  });

  for (const [why, head] of [
    ["no Upgrade", headOf(changed("Upgrade", null))],
    ["another Upgrade", headOf(changed("Upgrade", "h2c"))],
    ["no Connection", headOf(changed("Connection", null))],
    ["another Connection", headOf(changed("Connection", "keep-alive"))],
    ["HTTP/1.0", headOf(HANDSHAKE, "GET /ws HTTP/1.0")],
  ] as const)
    it(`is not meant where there is ${why} (RFC 9110 §7.8)`, () => {
      assert.equal(readHandshake(head), null);
    });

  for (const [why, fields, code] of [
    ["no version", changed("Sec-WebSocket-Version", null), "WEBSOCKET_VERSION"],
    ["another version", changed("Sec-WebSocket-Version", "8"), "WEBSOCKET_VERSION"],
    ["no key", changed("Sec-WebSocket-Key", null), "WEBSOCKET_KEY"],
    ["a short key", changed("Sec-WebSocket-Key", "c2hvcnQ="), "WEBSOCKET_KEY"],
    ["a key that is no base64", changed("Sec-WebSocket-Key", "!".repeat(24)), "WEBSOCKET_KEY"],
    ["a body", `${HANDSHAKE}Content-Length: 1\r\n`, "WEBSOCKET_BODY"],
    ["a chunked body", `${HANDSHAKE}Transfer-Encoding: chunked\r\n`, "WEBSOCKET_BODY"],
    [
      "a subprotocol that is no token",
      `${HANDSHAKE}Sec-WebSocket-Protocol: a b\r\n`,
      "WEBSOCKET_LIST",
    ],
    [
      "very many subprotocols",
      `${HANDSHAKE}Sec-WebSocket-Protocol: ${"a,".repeat(MAX_SUBPROTOCOLS)}\r\n`,
      "WEBSOCKET_LIST",
    ],
    [
      "extensions of another grammar",
      `${HANDSHAKE}Sec-WebSocket-Extensions: a; =\r\n`,
      "WEBSOCKET_LIST",
    ],
  ] as const)
    it(`is refused with ${why}: ${code}`, () => {
      const read = readHandshake(headOf(fields));
      assert.ok(read?.kind === "refusal");
      assert.equal(read.error.code, code);
    });

  it("is refused with another method: WEBSOCKET_METHOD", () => {
    const read = readHandshake(headOf(HANDSHAKE, "POST /ws HTTP/1.1"));
    assert.ok(read?.kind === "refusal");
    assert.equal(read.error.code, "WEBSOCKET_METHOD");
  });
});

describe("a handshake in HTTP/2 (RFC 8441 §5)", () => {
  /** An extended CONNECT: no Upgrade, Connection, Host and key, and a body without a known length. */
  function connectHead(fields: Readonly<Record<string, string>>): RequestHead {
    const names = Object.keys(fields);
    const values = Object.values(fields);
    return {
      ...headOf(HANDSHAKE),
      method: "CONNECT",
      version: "2",
      names,
      values,
      bodyLength: null,
    };
  }
  const FIELDS = {
    "sec-websocket-version": "13",
    "sec-websocket-protocol": "a, b",
    "sec-websocket-extensions": "permessage-deflate",
  };

  it("needs no key, and is accepted by 200 without Sec-WebSocket-Accept", () => {
    const read = readHandshake(connectHead(FIELDS));
    assert.ok(read?.kind === "handshake");
    assert.equal(read.key, null);
    assert.deepEqual(read.subprotocols, ["a", "b"]);
    assert.equal(read.deflateOffers.length, 1);
    const head = acceptanceHead(read, { ...acceptance, subprotocol: "b", fields: [["X-A", "1"]] });
    assert.equal(head.status, 200);
    assert.deepEqual(head.names, ["Sec-WebSocket-Protocol", "X-A"]);
    assert.deepEqual(head.values, ["b", "1"]);
  });

  for (const [why, changes, code] of [
    ["another version", { "sec-websocket-version": "8" }, "WEBSOCKET_VERSION"],
    ["a malformed list", { "sec-websocket-protocol": "a b" }, "WEBSOCKET_LIST"],
    ["malformed extensions", { "sec-websocket-extensions": "" }, "WEBSOCKET_LIST"],
  ] as const)
    it(`is refused with ${why}: ${code}`, () => {
      const read = readHandshake(connectHead({ ...FIELDS, ...changes }));
      assert.ok(read?.kind === "refusal");
      assert.equal(read.error.code, code);
    });

  it("lets the application add no field of the server's", () => {
    const read = readHandshake(connectHead(FIELDS));
    assert.ok(read?.kind === "handshake");
    const fields = [["Sec-WebSocket-Accept", "x"]] as const;
    assert.throws(() => acceptanceHead(read, { ...acceptance, fields }), ResponseFault);
  });
});

describe("acceptanceHead", () => {
  const fieldsOf = (head: ReturnType<typeof acceptanceHead>): (string | undefined)[][] =>
    head.names.map((name, index) => [name, head.values[index]]);

  it("answers the key as RFC 6455 §1.3 does", () => {
    assert.equal(acceptKey(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert.deepEqual(fieldsOf(acceptanceHead(handshakeOf(HANDSHAKE), acceptance)), [
      ["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
    ]);
  });

  it("says the subprotocol, extensions and the application's fields", () => {
    const handshake = handshakeOf(`${HANDSHAKE}Sec-WebSocket-Protocol: a, b\r\n`);
    const head = acceptanceHead(handshake, {
      subprotocol: "b",
      extensions: "permessage-deflate",
      fields: [["Set-Cookie", "x=1"]],
    });
    assert.deepEqual(fieldsOf(head).slice(1), [
      ["Sec-WebSocket-Protocol", "b"],
      ["Sec-WebSocket-Extensions", "permessage-deflate"],
      ["Set-Cookie", "x=1"],
    ]);
  });

  it("refuses a subprotocol that the client did not name", () => {
    const wrong = { ...acceptance, subprotocol: "c" };
    assert.throws(() => acceptanceHead(handshakeOf(HANDSHAKE), wrong), ResponseFault);
  });

  for (const [name, value] of [
    ["Connection", "close"],
    ["Upgrade", "h2c"],
    ["Sec-WebSocket-Accept", "x"],
    ["sec-websocket-protocol", "x"],
    ["Content-Length", "0"],
    ["X-A", "a\r\nb: c"],
    ["X A", "a"],
  ] as const)
    it(`refuses ${name} of an application, or what splits the head: ${JSON.stringify(value)}`, () => {
      const fields = [[name, value]] as const;
      assert.throws(
        () => acceptanceHead(handshakeOf(HANDSHAKE), { ...acceptance, fields }),
        ResponseFault,
      );
    });
});

describe("over a socket", () => {
  it("answers 101 with the request's id, and leaves the books when the socket closes", async (context) => {
    const front = await startEchoFront();
    context.after(() => front.close());
    const client = await FrameClient.open(front);
    assert.equal(client.head.reason, "Switching Protocols");
    assert.equal(fieldOf(client.head, "upgrade"), "websocket");
    assert.equal(fieldOf(client.head, "connection"), "Upgrade");
    assert.equal(fieldOf(client.head, "x-request-id"), "id-1");
    assert.equal(client.head.fields.get("content-length"), undefined);
    assert.equal(front.connections.size, 1);
    const drained = front.connections.drain();
    assert.equal(front.connections.closeOldestIdle(1), 0);
    client.destroy();
    await drained;
    assert.equal(front.finished[0]?.status, 101);
    assert.equal(front.accepted[0]?.closed[0], "1006");
  });

  it("answers another version with 426 and what it speaks", async (context) => {
    const front = await startEchoFront();
    context.after(() => front.close());
    const client = await RawClient.connect(front);
    context.after(() => client.destroy());
    const answer = await client.get("/ws", changed("Sec-WebSocket-Version", "12"));
    assert.equal(answer.status, 426);
    assert.equal(fieldOf(answer, "sec-websocket-version"), "13");
    assert.equal(fieldOf(answer, "upgrade"), "websocket");
  });
});
