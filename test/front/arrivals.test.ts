// Connections from their first byte to the engine: over TLS, behind a PROXY header, with and without HTTP/2, and all
// the ways in which clients begin and do not go on. Real sockets; the certificates are made here.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as openSocket, type Socket } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { connect as openTls, createSecureContext, type TLSSocket } from "node:tls";

import { FIRST_BYTES_MEMORY } from "../../src/front/arrivals.ts";
import type { Arrival, Engine } from "../../src/http/engine.ts";
import { ERRORS } from "../../src/http/error.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { DRAIN_NEW_MS, HEAD_TIMEOUT_MS } from "../../src/net/connection-limits.ts";
import { cutConnection } from "../../src/net/cut.ts";
import { readCertificate } from "../../src/tls/certificate.ts";
import { TestAuthority } from "../support/certificates.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { readRecord } from "../support/json.ts";
import { makeScratch } from "../support/scratch.ts";
import { namedServer, offered, helloMessage, records } from "../tls/hello-bytes.ts";
import { bodyOf, request, TlsServer } from "./tls-server.ts";

const AUTHORITY = new TestAuthority("Tests");
const A = AUTHORITY.issue({ names: ["a.example", "www.a.example"] });
const B = AUTHORITY.issue({ names: ["b.example", "*.b.example", "127.0.0.1"] });

/** An engine that keeps what it gets. */
class KeepingEngine implements Engine {
  readonly accepted: { socket: Socket; arrival: Arrival; bytes: Buffer }[] = [];
  readonly refused: string[] = [];

  get size(): number {
    return this.accepted.filter(({ socket }) => !socket.destroyed).length;
  }

  accept(socket: Socket, arrival?: Arrival): void {
    assert(arrival !== undefined);
    const kept = { socket, arrival, bytes: Buffer.alloc(0) };
    this.accepted.push(kept);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => (kept.bytes = Buffer.concat([kept.bytes, chunk])));
  }

  refuse(socket: Socket, error: { readonly code: string }): void {
    this.refused.push(error.code);
    socket.destroy();
  }

  tick(): void {
    // Nothing has a deadline here.
  }

  async drain(): Promise<void> {
    // Its connections stay.
  }

  destroyAll(): void {
    for (const { socket } of this.accepted) socket.destroy();
  }

  closeOldestIdle(): number {
    return 0;
  }
}

async function plainClient(port: number): Promise<Socket> {
  const socket = openSocket({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** All that the server sends until it closes. */
async function receive(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  socket.on("end", () => socket.end());
  if (!socket.closed) await within(PATIENCE_MS, once(socket, "close"), "the connection is closed");
  return text;
}

describe("a connection over TLS", () => {
  it("reaches the engine with what the handshake has agreed", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const socket = await server.connect({ servername: "A.example", ALPNProtocols: ["http/1.1"] });
    assert.equal(socket.alpnProtocol, "http/1.1");
    const body = bodyOf(await request(socket));
    assert.deepEqual(readRecord(body), {
      scheme: "https",
      tls: {
        version: "TLSv1.3",
        versionCode: 0x0304,
        cipher: "TLS_AES_256_GCM_SHA384",
        cipherCode: 0x1302,
        serverName: "a.example",
        clientPolicy: "",
        client: null,
      },
      peerAddress: "127.0.0.1",
      localAddress: "127.0.0.1",
    });
    assert.equal(server.arrivals.failed, 0);
  });

  it("reaches the engine with its addresses, which are known no more once it is reset", async (t) => {
    const http1 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http1 } });
    await server.connect();
    const { arrival } = await until("it is accepted", () => http1.accepted[0]);
    assert.equal(arrival.peers?.remoteAddress, "127.0.0.1");
    assert.equal(arrival.peers.localPort, server.port);
  });

  it("is the socket that reads into the shared buffer, on this version of Node", async (t) => {
    const http1 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http1 } });
    await server.connect();
    const { socket } = await until("it is accepted", () => http1.accepted[0]);
    assert.equal(socket.constructor.name, "HandleTlsSocket");
  });

  it("has the certificate of its server name, of its address, or the default", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B] });
    const names: string[] = [];
    for (const servername of [
      "b.example",
      "x.b.example",
      "x.y.b.example",
      "www.a.example",
      "c.example",
      "",
    ]) {
      const socket = await server.connect({ servername });
      names.push(socket.getPeerX509Certificate()?.subjectAltName?.split(",")[0] ?? "");
      socket.destroy();
    }
    const [a, b] = ["DNS:a.example", "DNS:b.example"];
    assert.deepEqual(names, [b, b, a, a, a, b]);
  });

  it("keeps the certificate that it began with when another takes its place", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const before = await server.connect({ servername: "a.example" });
    const renewed = AUTHORITY.issue({ names: ["a.example"] });
    server.store.setFiles([readCertificate(renewed)]);
    const after = await server.connect({ servername: "a.example" });
    const pems = [before, after].map((one) => one.getPeerX509Certificate()?.toString());
    assert.deepEqual(pems, [A.cert, renewed.cert]);
    assert.throws(
      () => server.store.setFiles([readCertificate({ ...renewed, key: A.key })]),
      /does not belong/,
    );
    for (const socket of [before, after]) assert.match(await request(socket), /^HTTP\/1\.1 200 OK/);
  });

  it("speaks HTTP/2 where the client offers it and the server has it", async (t) => {
    const http2 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http2 } });
    const both = await server.connect({ ALPNProtocols: ["http/1.1", "h2"] });
    assert.equal(both.alpnProtocol, "h2");
    await until("the engine of HTTP/2 has it", () => http2.accepted[0]);
    const old = await server.connect({ ALPNProtocols: ["http/1.1"] });
    assert.equal(old.alpnProtocol, "http/1.1");
    assert.match(await request(await server.connect()), /^HTTP\/1\.1 200 /);
    await assert.rejects(server.connect({ ALPNProtocols: ["spdy/3"] }), /no application protocol/);
    assert.match(await server.failure(), /ALPN|APPLICATION_PROTOCOL/);
  });

  it("may begin byte by byte", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const below = await plainClient(server.port);
    const socket = openTls({ socket: byteByByte(below), rejectUnauthorized: false });
    await within(PATIENCE_MS, once(socket, "secureConnect"), "the handshake");
    assert.match(await request(socket), /^HTTP\/1\.1 200 /);
  });

  it("carries large responses and requests whole", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A], onExchange: echoLength });
    const socket = await server.connect();
    const size = 3_000_000;
    let length = 0;
    socket.on("data", (bytes: Buffer) => (length += bytes.length));
    socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`,
    );
    socket.write(Buffer.alloc(size, "x"));
    await within(PATIENCE_MS, once(socket, "close"), "the response ends");
    assert(length > size, `${length}`);
  });

  it("ends when bytes arrive that are no record of its session", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const below = await plainClient(server.port);
    const socket = openTls({ socket: below, rejectUnauthorized: false }).on(
      "error",
      () => undefined,
    );
    await within(PATIENCE_MS, once(socket, "secureConnect"), "the handshake");
    below.write(Buffer.from([0x17, 3, 3, 0, 20, ...Buffer.alloc(20, 1)]));
    await until("it is closed", () => server.arrivals.size === 0);
  });

  it("ends with a reset where a response is cut, without the end of TLS", async (t) => {
    const http1 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http1 } });
    const below = await plainClient(server.port);
    const errors: string[] = [];
    const socket = openTls({ socket: below, rejectUnauthorized: false }).on(
      "error",
      (error: Error) => errors.push(error.message),
    );
    await within(PATIENCE_MS, once(socket, "secureConnect"), "the handshake");
    const kept = await until("it is accepted", () => http1.accepted[0]);
    let hasEnded = false;
    socket.on("end", () => (hasEnded = true)).resume();
    kept.socket.write("HTTP/1.1 200 OK\r\n\r\nthe beginning");
    cutConnection(kept.socket);
    await within(PATIENCE_MS, once(below, "close"), "it is closed");
    assert.deepEqual([errors, hasEnded], [["read ECONNRESET"], false]);
    await until("the server has closed it", () => kept.socket.closed);
  });

  it("is served on a Unix socket as well, where a cut is a close", async (t) => {
    const path = join(makeScratch(t), "tls.sock");
    const http1 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], path, arrivals: { http1 } });
    const socket = openTls({ path, rejectUnauthorized: false })
      .on("error", () => undefined)
      .resume();
    await within(PATIENCE_MS, once(socket, "secureConnect"), "the handshake");
    const kept = await until("it is accepted", () => http1.accepted[0]);
    cutConnection(kept.socket);
    await within(PATIENCE_MS, once(socket, "close"), "it is closed");
    assert.equal(server.arrivals.failed, 0);
  });

  it("is served by Node's own socket where its handle is not as expected", async (t) => {
    const kept = new KeepingEngine();
    const onSocket = (socket: Socket): void => {
      Object.assign(Reflect.get(socket, "_handle"), { useUserBuffer: undefined });
    };
    const own = await TlsServer.start(t, {
      certificates: [A],
      onSocket,
      arrivals: { http1: kept },
    });
    const socket = await own.connect({ servername: "a.example" });
    const { socket: accepted } = await until("it is accepted", () => kept.accepted[0]);
    assert.equal(accepted.constructor.name, "WrappingTlsSocket");
    const errors: string[] = [];
    socket.on("error", (error: Error) => errors.push(error.message)).resume();
    cutConnection(accepted);
    await until("it is cut", () => socket.closed);
    assert.deepEqual(errors, ["read ECONNRESET"]);

    const server = await TlsServer.start(t, {
      certificates: [A],
      onSocket,
      onExchange: echoLength,
    });
    const client = await server.connect();
    client.write(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n",
    );
    client.write(Buffer.alloc(300_000));
    const response = await request(client);
    assert.match(response, /^HTTP\/1\.1 200 OK\r\n/);
    assert(response.endsWith("y".repeat(300_000)));
  });

  it("may name a host with a final dot or an address, which choose the default", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B] });
    for (const name of ["b.example.", "192.0.2.1", "é"]) {
      const hello = records(helloMessage([namedServer(name)]));
      const socket = await plainClient(server.port);
      socket.write(hello);
      // This hello has no key share, so OpenSSL refuses the handshake.
      assert.match(await receive(socket), /^\x15\x03/);
    }
    const dotted = await server.connect({ servername: "b.example." });
    assert.match(await request(dotted), /"serverName":""/);
  });

  it("is one of many that come together, and all are served", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const responses = await Promise.all(
      Array.from({ length: 200 }, async () => await request(await server.connect())),
    );
    assert(responses.every((text) => text.startsWith("HTTP/1.1 200 OK")));
    assert.equal(server.arrivals.failed, 0);
  });

  it("gets an error of the server after its handshake where it is refused", async (t) => {
    const http1 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http1 } });
    const original = server.arrivals.accept.bind(server.arrivals);
    assert(typeof original === "function");
    server.arrivals.accept = (socket, arrival) =>
      server.arrivals.refuse(socket, ERRORS.NO_DESCRIPTORS, arrival);
    await server.connect();
    await until("it is refused", () => http1.refused[0]);
    assert.deepEqual(http1.refused, ["NO_DESCRIPTORS"]);
  });
});

describe("a connection that does not begin as it should", () => {
  it("gets a 400 in plain HTTP where it speaks plain HTTP on a TLS port", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const socket = await plainClient(server.port);
    socket.end("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = await receive(socket);
    assert.match(response, /^HTTP\/1\.1 400 /);
    assert.match(response, /This port speaks TLS: the URL must begin with https:/);
    assert.match(response, /^Connection: close\r$/m);
  });

  it("is closed when its time is over: silent, slow, or silent in the handshake", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const hello = records(helloMessage([namedServer("a.example"), offered(["http/1.1"])]));
    const silent = await plainClient(server.port);
    const slow = await plainClient(server.port);
    slow.write(hello.subarray(0, 40));
    const stopped = openTls({ socket: firstOnly(await plainClient(server.port)) });
    stopped.on("error", () => undefined);
    await until("all are accepted", () => server.arrivals.size === 3);
    server.ahead = HEAD_TIMEOUT_MS - 2000;
    await until("the clock has ticked", () => true);
    assert.equal(server.failures.length, 0);
    server.ahead = HEAD_TIMEOUT_MS + 1000;
    await Promise.all([receive(silent), receive(slow)]);
    await server.failure(3);
    assert.deepEqual(
      server.failures.map(({ reason }) => reason),
      ["timeout", "timeout", "timeout"],
    );
    assert.equal(server.arrivals.size, 0);
  });

  it("is forgotten when it ends early, at any byte", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const hello = records(helloMessage([namedServer("a.example")]));
    const ends = [0, 1, 5, 40, hello.length - 1, hello.length];
    for (const end of ends) {
      const ended = await plainClient(server.port);
      ended.end(hello.subarray(0, end));
      const reset = await plainClient(server.port);
      reset.write(hello.subarray(0, Math.max(1, end)), () => reset.resetAndDestroy());
      await receive(ended);
    }
    await until("none is left", () => server.arrivals.size === 0);
    await server.failure(2 * ends.length);
    assert.match(await request(await server.connect()), /^HTTP\/1\.1 200 /);
    assert.deepEqual(server.faults, []);
  });

  it("is refused with TLS 1.0 and 1.1, and with ciphers that nobody should use", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    for (const version of ["TLSv1", "TLSv1.1"] as const)
      await assert.rejects(
        server.connect({ minVersion: "TLSv1", maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" }),
        /protocol version|ECONNRESET/,
      );
    for (const ciphers of ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
      await assert.rejects(server.connect({ maxVersion: "TLSv1.2", ciphers }), /handshake failure/);
    assert.equal(server.faults.length, 0);
  });

  it("is closed where there is no certificate", async (t) => {
    const server = await TlsServer.start(t, { certificates: [] });
    await assert.rejects(server.connect(), /disconnected|ECONNRESET|socket hang up/);
    assert.equal(await server.failure(), "no certificate");
  });

  it("ends alone where a callback throws", async (t) => {
    const http1 = new KeepingEngine();
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http1 } });
    const quiet = await server.connect();
    await until("it is accepted", () => http1.accepted[0]);
    http1.accept = () => {
      throw new Error("a fault of ours");
    };
    const second = openTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    second.on("error", () => undefined).resume();
    await within(PATIENCE_MS, once(second, "close"), "the second one is closed");
    await until("it is told", () => server.faults[0]);
    assert.equal(quiet.destroyed, false);
    assert.equal(server.arrivals.size, 1);
  });
});

describe("a server that stops or runs out of descriptors", () => {
  it("lets a handshake that is quick finish, and closes the others after a second", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const silent = await plainClient(server.port);
    const idle = await server.connect();
    await until("both are accepted", () => server.arrivals.size === 2);
    const drained = server.arrivals.drain();
    const text = await request(idle);
    assert.match(text, /^Connection: close\r$/m);
    server.ahead = DRAIN_NEW_MS;
    await receive(silent);
    await within(PATIENCE_MS, drained, "none is left");
    assert.equal(server.arrivals.size, 0);
  });

  it("closes the connections that have been slow to begin before idle ones", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const idle = await server.connect();
    idle.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await within(PATIENCE_MS, once(idle, "data"), "it responds");
    const silent = await plainClient(server.port);
    await until("both are accepted", () => server.arrivals.size === 2);
    assert.equal(server.arrivals.closeOldestIdle(1), 1);
    await within(PATIENCE_MS, once(idle.resume(), "close"), "the idle one is closed: it is older");
    server.ahead = 2000;
    server.arrivals.tick();
    assert.equal(server.arrivals.closeOldestIdle(5), 1);
    await receive(silent);
  });

  it("keeps few first bytes of all connections together", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A] });
    const begin = records(helloMessage(null)).subarray(0, 5);
    begin.writeUInt16BE(16_384, 3);
    const piece = Buffer.concat([begin, Buffer.from([1, 0, 0x3f, 0]), Buffer.alloc(16_000)]);
    const count = Math.ceil(FIRST_BYTES_MEMORY / piece.length) + 1;
    const clients = await Promise.all(
      Array.from({ length: count }, async () => {
        const socket = await plainClient(server.port);
        socket.write(piece);
        return socket;
      }),
    );
    assert.equal(await server.failure(), "too many first bytes");
    assert(server.arrivals.size > count / 2);
    for (const socket of clients) socket.destroy();
    await until("none is left", () => server.arrivals.size === 0);
  });
});

describe("the challenge of ACME by ALPN", () => {
  it("is a handshake under its own certificate, and nothing follows", async (t) => {
    const http1 = new KeepingEngine();
    const { cert: certPem, key: keyPem } = AUTHORITY.issue({ names: ["new.example"] });
    const challenges = new Map([["new.example", { certPem, keyPem }]]);
    const server = await TlsServer.start(t, { certificates: [A], arrivals: { http1 }, challenges });
    const options = { servername: "new.example", ALPNProtocols: ["acme-tls/1"] };
    const socket = await server.connect(options);
    assert.equal(socket.alpnProtocol, "acme-tls/1");
    assert.equal(socket.getPeerX509Certificate()?.subjectAltName, "DNS:new.example");
    await within(PATIENCE_MS, once(socket.resume(), "close"), "it is closed");
    assert.equal(http1.accepted.length, 0);
    await assert.rejects(server.connect({ ...options, servername: "a.example" }));
    challenges.clear();
    await assert.rejects(server.connect(options));
    await until("none is left", () => server.arrivals.size === 0);
  });
});

describe("first bytes without TLS", () => {
  const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  it("choose HTTP/2 by its preface, in any split, where it is allowed", async (t) => {
    const http2 = new KeepingEngine();
    const server = await TlsServer.start(t, {
      certificates: [],
      scheme: "http",
      arrivals: { http2, hasH2c: true },
    });
    for (let end = 1; end <= PREFACE.length; end += 1) {
      const socket = await plainClient(server.port);
      socket.write(PREFACE.slice(0, end));
      if (end < PREFACE.length)
        await until("the piece has come", () => server.arrivals.size > http2.size);
      socket.write(`${PREFACE.slice(end)}frames`);
      const kept = await until("HTTP/2 has it", () => http2.accepted[end - 1]);
      await until("with all bytes", () => kept.bytes.toString() === `${PREFACE}frames`);
    }
    for (const pieces of [["GET / HTTP/1.1\r\nHost: a\r\n\r\n"], ["P", "OST / HTTP/1.0\r\n\r\n"]]) {
      const socket = await plainClient(server.port);
      for (const piece of pieces) await new Promise((done) => socket.write(piece, done));
      const [bytes] = await within(PATIENCE_MS, once(socket, "data"), "HTTP/1.1 responds");
      assert.match(String(bytes), /^HTTP\/1\.1 200 OK/);
      socket.destroy();
    }
  });

  it("go to HTTP/1.1 where HTTP/2 is not allowed", async (t) => {
    const server = await TlsServer.start(t, { certificates: [], scheme: "http" });
    const socket = await plainClient(server.port);
    socket.write(PREFACE);
    assert.match(await receive(socket), /^HTTP\/1\.1 400 /);
  });

  it("may be a PROXY header of a trusted proxy, before HTTP and before TLS", async (t) => {
    const line = "PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\n";
    const trusted = { mayBeProxy: (address: string): boolean => address === "127.0.0.1" };
    const plain = await TlsServer.start(t, { certificates: [], scheme: "http", arrivals: trusted });
    for (const split of [0, 3, line.length]) {
      const socket = await plainClient(plain.port);
      const bytes = `${line}GET / HTTP/1.0\r\n\r\n`;
      if (split > 0) await new Promise((done) => socket.write(bytes.slice(0, split), done));
      socket.write(bytes.slice(split));
      assert.match(
        await receive(socket),
        /"peerAddress":"192.0.2.7","localAddress":"198.51.100.1"/,
      );
    }
    const none = await plainClient(plain.port);
    none.write("GET / HTTP/1.0\r\n\r\n");
    assert.equal(await receive(none), "");
    assert.equal(await plain.failure(), "PROXY header missing");
    const invalid = await plainClient(plain.port);
    invalid.write("PROXY TCP4 me you 1 2\r\nGET / HTTP/1.0\r\n\r\n");
    assert.equal(await receive(invalid), "");
    assert.equal(await plain.failure(2), "PROXY header invalid");

    const secure = await TlsServer.start(t, { certificates: [A], arrivals: trusted });
    const below = await plainClient(secure.port);
    below.write(line);
    const socket = openTls({ socket: below, rejectUnauthorized: false });
    await within(PATIENCE_MS, once(socket, "secureConnect"), "the handshake");
    assert.match(await request(socket), /"peerAddress":"192.0.2.7"/);
  });

  it("are no PROXY header where the address is not trusted", async (t) => {
    const arrivals = { mayBeProxy: () => false };
    const server = await TlsServer.start(t, { certificates: [], scheme: "http", arrivals });
    const socket = await plainClient(server.port);
    socket.write("PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\nGET / HTTP/1.0\r\n\r\n");
    assert.match(await receive(socket), /^HTTP\/1\.1 400 /);
  });
});

describe("client certificates", () => {
  const people = new TestAuthority("People");
  const anna = people.issue({ subject: "anna", names: ["anna.example"], usage: "clientAuth" });
  const stranger = new TestAuthority("Others").issue({
    names: ["eve.example"],
    usage: "clientAuth",
  });
  const clients = [
    { host: "b.example", mode: "required", caCerts: people.cert },
    { host: "*.b.example", mode: "optional", caCerts: people.cert },
  ] as const;

  it("are asked for by some hosts only, and told with their names", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B], clients });
    const known = await server.connect({ servername: "b.example", cert: anna.cert, key: anna.key });
    const text = await request(known);
    const { tls } = readRecord(bodyOf(text));
    const { chain, ...client } = readRecord(
      JSON.stringify(readRecord(JSON.stringify(tls))["client"]),
    );
    assert.match(text, /"clientPolicy":"b.example"/);
    assert.match(String(chain), /^-----BEGIN CERTIFICATE-----/);
    const { subject, issuer, alternativeNames } = client;
    assert.deepEqual(
      [subject, issuer, alternativeNames],
      ["CN=anna", "CN=People", ["DNS:anna.example"]],
    );
    const nobody = await server.connect({ servername: "x.b.example" });
    assert.match(await request(nobody), /"clientPolicy":"\*\.b\.example","client":null/);
    const elsewhere = await server.connect({
      servername: "a.example",
      cert: anna.cert,
      key: anna.key,
    });
    assert.match(await request(elsewhere), /"clientPolicy":"","client":null/);
  });

  it("of another authority, and missing ones where they are required, end the connection", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B], clients });
    const cases = [
      { servername: "b.example" },
      { servername: "b.example", cert: stranger.cert, key: stranger.key },
      { servername: "x.b.example", cert: stranger.cert, key: stranger.key },
    ];
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const)
      for (const options of cases) {
        const before = server.failures.length;
        const text = await server
          .connect({ ...options, maxVersion })
          .then(async (socket) => {
            socket.on("error", () => undefined);
            return await request(socket).catch(() => "");
          })
          .catch(() => "");
        assert.equal(text, "", `${maxVersion} ${JSON.stringify(options)}`);
        await server.failure(before + 1);
      }
    assert.equal(server.arrivals.size, 0);
  });

  it("are never carried to another connection by a resumed session", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B], clients });
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const secureContext = createSecureContext({ ...anna, maxVersion, passphrase: undefined });
      const first = await server.connect({ servername: "b.example", secureContext });
      let session: Buffer | undefined = first.getSession();
      first.on("session", (one: Buffer) => (session = one));
      await request(first);
      assert(session !== undefined);
      for (const servername of ["b.example", "x.b.example", "a.example"]) {
        const again: TLSSocket | null = await server
          .connect({ servername, session, maxVersion })
          .catch(() => null);
        if (again === null) continue;
        again.on("error", () => undefined);
        assert.equal(again.isSessionReused(), false, `${maxVersion} ${servername}`);
        const text = await request(again).catch(() => "");
        assert.doesNotMatch(text, /anna/);
      }
    }
  });
});

describe("sessions without client certificates", () => {
  it("are resumed by tickets for the same certificate, and not after their key is replaced", async (t) => {
    const server = await TlsServer.start(t, { certificates: [A, B] });
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const first = await server.connect({ servername: "a.example", maxVersion });
      let session: Buffer | undefined = first.getSession();
      first.on("session", (one: Buffer) => (session = one));
      await request(first);
      assert(session !== undefined);
      const again = await server.connect({ servername: "a.example", session, maxVersion });
      assert.equal(again.isSessionReused(), true, maxVersion);
      assert.match(await request(again), /"serverName":"a.example"/);
      const sibling = await server.connect({ servername: "www.a.example", session, maxVersion });
      assert.match(await request(sibling), /"serverName":"www.a.example"/, maxVersion);
      server.ahead += 13 * 3_600_000;
      server.arrivals.tick();
      const late = await server.connect({ servername: "a.example", session, maxVersion });
      assert.equal(late.isSessionReused(), false, maxVersion);
      late.destroy();
      const other = await server.connect({ servername: "b.example", session, maxVersion });
      assert.equal(other.isSessionReused(), false, maxVersion);
      assert.match(await request(other), /"serverName":"b.example"/);
    }
  });
});

/** What a client writes goes through `send`, which writes it to the socket. */
function through(socket: Socket, send: (chunk: Buffer, done: () => void) => void): Duplex {
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => send(chunk, done),
    final: (done) => {
      socket.end();
      done();
    },
  });
  socket.on("data", (bytes) => duplex.push(bytes)).on("end", () => duplex.push(null));
  return duplex;
}

/** Sends one byte after the other. */
function byteByByte(socket: Socket): Duplex {
  return through(socket, (chunk, done) => {
    const rest = [...chunk];
    const next = (): void => {
      const byte = rest.shift();
      if (byte === undefined) done();
      else socket.write(Buffer.from([byte]), () => setImmediate(next));
    };
    next();
  });
}

/** Sends the first piece, the ClientHello, and nothing more. */
function firstOnly(socket: Socket): Duplex {
  let isFirst = true;
  return through(socket, (chunk, done) => {
    if (isFirst) socket.write(chunk);
    isFirst = false;
    done();
  });
}

/** Receives a body, and responds with as many bytes. */
function echoLength(exchange: Exchange): void {
  let length = 0;
  exchange.receive({
    onBody: (chunk) => (length += chunk.length),
    onBodyEnd: () => exchange.respond(responseHead(200, "OK", []), Buffer.alloc(length, "y")),
  });
}
