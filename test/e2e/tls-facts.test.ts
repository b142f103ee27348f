// What applications learn of real TLS connections: a client of Node with and without a certificate, both
// engines over Node's TLS, and real workers for WSGI and ASGI.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { once } from "node:events";
import { createServer, type Server as TlsServer } from "node:tls";

import { WebSocket } from "ws";

import { Applications } from "../../src/applications.ts";
import { load } from "../../src/config/load.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { Http2Engine } from "../../src/http2/engine.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";
import { Log } from "../../src/observe/log.ts";
import { Sink } from "../../src/observe/sink.ts";
import { TlsFactsReader } from "../../src/tls/facts.ts";
import { TestAuthority, type Issued } from "../support/certificates.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";
import { text as textFrame } from "../websocket/frames.ts";
import { makeOpenFiles, makeTempFolder } from "../support/temp-files.ts";

const WSGI = `import json

from flask import Flask
from flask_sock import Sock

flask = Flask(__name__)

@Sock(flask).route("/ws")
def echo(ws):
    ws.send("echo " + ws.receive())

def app(environ, start_response):
    if environ["PATH_INFO"] == "/ws":
        return flask(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    names = [name for name in environ if name.startswith("SSL_")]
    names += ["HTTPS", "wsgi.url_scheme", "SERVER_PROTOCOL", "SERVER_PORT"]
    return [json.dumps({name: environ[name] for name in names}).encode()]
`;
const ASGI = `import json

def facts(scope):
    tls = scope["extensions"]["tls"]
    return {"scheme": scope["scheme"], "version": scope["http_version"],
            "tls": {**tls, "client_cert_chain": list(tls["client_cert_chain"])}}

async def app(scope, receive, send):
    text = json.dumps(facts(scope))
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})
`;

const folder = makeScratch(FILE);
const authority = new TestAuthority("Staff");
const host = authority.issue({ names: ["a.example"] });
const zoe = authority.issue({
  subject: "Zo\u00eb",
  names: ["zoe.example"],
  usage: "clientAuth",
});

let applications: Applications;
let server: TlsServer;
let port = 0;
const options = {
  hsts: "max-age=300",
  onExchange: (exchange: Exchange): void => {
    const name = exchange.head.path === "/asgi" ? "asgi" : "wsgi";
    applications.all.find((one) => one.name === name)?.handle(exchange);
  },
};
const [http1, http2] = [new Http1Engine(options), new Http2Engine(options)];

interface Answer {
  readonly said: Readonly<Record<string, unknown>>;
  readonly hsts: string | undefined;
}

function ask(path: string, client: Issued | null): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const certificate = client === null ? {} : { cert: client.cert, key: client.key };
    const to = { port, path, ca: authority.cert, servername: "a.example", agent: false };
    const sent = request({ ...to, ...certificate }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        resolve({ said: readRecord(text), hsts: response.headers["strict-transport-security"] });
      });
    });
    sent.on("error", reject).end();
  });
}

before(async () => {
  writeFileSync(join(folder, "wsgi.py"), WSGI);
  writeFileSync(join(folder, "asgi.py"), ASGI);
  const loaded = ["wsgi", "asgi"].map((name) => {
    const words = [`${name}:app`, "--python", requirePython(), "--workers", "1"];
    return { ...load(words, process.env, folder), name };
  });
  const [first] = loaded;
  assert(first !== undefined);
  const all = loaded.flatMap(({ applications: [one], name }) => (one ? [{ ...one, name }] : []));
  const log = new Log(new Sink(join(folder, "log")), { level: "info", format: "text" });
  const openFiles = makeOpenFiles();
  applications = new Applications(
    { ...first, applications: all },
    {
      log,
      folder: makeTempFolder(folder),
      openFiles,
      budget: new MemoryBudget(67_108_864),
      isTrustedProxy: () => false,
    },
  );
  await applications.start();
  const reader = new TlsFactsReader();
  const ALPNProtocols = ["h2", "http/1.1"];
  const policy = {
    requestCert: true,
    rejectUnauthorized: false,
    ca: authority.cert,
    ALPNProtocols,
  };
  server = createServer({ cert: host.cert, key: host.key, ...policy }, (socket) => {
    const tls = reader.read(socket, String(socket.servername), "");
    const engine = socket.alpnProtocol === "h2" ? http2 : http1;
    engine.accept(socket, { scheme: "https", tls, peers: null });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  port = address.port;
});

after(async () => {
  server.close();
  http1.destroyAll();
  http2.destroyAll();
  await applications.stop(1000, Promise.resolve());
});

const EXTENSION = {
  server_cert: null,
  client_cert_error: null,
  tls_version: 0x0304,
  cipher_suite: 0x1302,
};

describe("over TLS", () => {
  test("a WSGI application has the names of mod_ssl, and responses have HSTS", async () => {
    const { said, hsts } = await ask("/wsgi", null);
    assert.deepEqual(said, {
      SSL_PROTOCOL: "TLSv1.3",
      SSL_CIPHER: "TLS_AES_256_GCM_SHA384",
      SSL_TLS_SNI: "a.example",
      SSL_CLIENT_VERIFY: "NONE",
      HTTPS: "on",
      "wsgi.url_scheme": "https",
      SERVER_PROTOCOL: "HTTP/1.1",
      SERVER_PORT: String(port),
    });
    assert.equal(hsts, "max-age=300");
  });

  test("a WSGI application knows the client by its certificate", async () => {
    const { said } = await ask("/wsgi", zoe);
    assert.partialDeepStrictEqual(said, {
      SSL_CLIENT_VERIFY: "SUCCESS",
      SSL_CLIENT_CERT: zoe.cert,
      // UTF-8 bytes, each a character (PEP 3333).
      SSL_CLIENT_S_DN: "CN=Zo\u00c3\u00ab",
      SSL_CLIENT_I_DN: "CN=Staff",
      SSL_CLIENT_SAN_DNS_0: "zoe.example",
    });
    assert.match(String(said["SSL_CLIENT_M_SERIAL"]), /^[0-9A-F]+$/);
    assert.match(
      String(said["SSL_CLIENT_V_END"]),
      /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT$/,
    );
    assert.equal((await ask("/wsgi", null)).said["SSL_CLIENT_VERIFY"], "NONE");
  });

  test("an ASGI application has the TLS extension", async () => {
    const none = { ...EXTENSION, client_cert_chain: [], client_cert_name: null };
    const { said } = await ask("/asgi", null);
    assert.deepEqual(said, { scheme: "https", version: "1.1", tls: none });
  });

  test("an ASGI application knows the client by its certificate, by HTTP and by WebSocket", async () => {
    const { said } = await ask("/asgi", zoe);
    assert.partialDeepStrictEqual(said["tls"], { client_cert_name: "CN=Zo\u00eb" });
    const client = new WebSocket(`wss://127.0.0.1:${port}/asgi`, [], {
      cert: zoe.cert,
      key: zoe.key,
      rejectUnauthorized: false,
    });
    const text = await new Promise<string>((resolve, reject) => {
      client.on("message", (bytes: Buffer) => resolve(bytes.toString()));
      client.on("error", reject);
    });
    assert.partialDeepStrictEqual(readRecord(text), {
      scheme: "wss",
      tls: { ...EXTENSION, client_cert_name: "CN=Zo\u00eb" },
    });
    client.terminate();
  });
});

describe("by HTTP/2", () => {
  let session: ClientHttp2Session;

  before(async () => {
    const certificate = { ca: authority.cert, cert: zoe.cert, key: zoe.key };
    session = connect(`https://127.0.0.1:${port}`, { ...certificate, servername: "a.example" });
    await once(session, "remoteSettings");
  });
  after(() => session.destroy());

  async function read(
    stream: ClientHttp2Stream,
    until: (bytes: Buffer) => boolean,
  ): Promise<Buffer> {
    let all: Buffer = Buffer.alloc(0);
    for await (const chunk of stream) {
      all = Buffer.concat([all, chunk]);
      if (until(all)) break;
    }
    return all;
  }

  async function get(path: string): Promise<Readonly<Record<string, unknown>>> {
    return readRecord((await read(session.request({ ":path": path }), () => false)).toString());
  }

  /** Sends a message to a WebSocket, and returns the first one from it. */
  async function talk(path: string): Promise<string> {
    const stream = session.request(
      {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":path": path,
        "sec-websocket-version": "13",
      },
      { endStream: false },
    );
    const [head]: unknown[] = await once(stream, "response");
    assert.partialDeepStrictEqual(head, {
      ":status": 200,
      "strict-transport-security": "max-age=300",
    });
    stream.write(textFrame("hi"));
    const frameLength = (bytes: Buffer): number =>
      bytes[1] === 126 ? 4 + bytes.readUInt16BE(2) : 2 + (bytes[1] ?? 0);
    const bytes = await read(stream, (all) => all.length >= 4 && all.length >= frameLength(all));
    return bytes.subarray(bytes[1] === 126 ? 4 : 2, frameLength(bytes)).toString();
  }

  test("a WSGI application has HTTP/2.0 and the names of mod_ssl", async () => {
    const said = await get("/wsgi");
    const expected = {
      SERVER_PROTOCOL: "HTTP/2.0",
      HTTPS: "on",
      SSL_CLIENT_S_DN: "CN=Zo\u00c3\u00ab",
    };
    assert.partialDeepStrictEqual(said, expected);
  });

  test("an ASGI application has the version 2 and the TLS extension", async () => {
    const tls = { ...EXTENSION, client_cert_name: "CN=Zo\u00eb" };
    assert.partialDeepStrictEqual(await get("/asgi"), { scheme: "https", version: "2", tls });
  });

  test("a WebSocket of an ASGI application (RFC 8441)", async () => {
    const said = readRecord(await talk("/asgi"));
    assert.partialDeepStrictEqual(said, { scheme: "wss", version: "2", tls: EXTENSION });
  });

  test("a WebSocket of Flask-Sock, whose handshake is translated", async () => {
    assert.equal(await talk("/ws"), "echo hi");
  });
});
