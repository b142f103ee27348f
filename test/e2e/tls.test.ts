// HTTPS as a user sets it up: one site from typhon.toml with several hosts, by HTTP/1.1 and HTTP/2, with a Flask
// and a FastAPI application, files and WebSockets; certificates that are replaced while it serves; client
// certificates; and what a client gets that speaks plain HTTP.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { WebSocket } from "ws";

import { TestAuthority, type Issued } from "../support/certificates.ts";
import { until, within, PATIENCE_MS } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { askOnce, fieldOf, getOnce } from "../support/raw-client.ts";
import { APPS, makeScratch, requirePython } from "../support/scratch.ts";
import {
  Http2Client,
  openHttp1,
  openTls,
  responseOf,
  type SecureAddress,
} from "../support/secure-client.ts";
import { runTyphon, startTyphon, type Typhon } from "../support/typhon.ts";

const FLASK = `import os, time
from flask import Flask, request, url_for
app = Flask(__name__)

@app.get("/")
def home():
    environ = request.environ
    names = ("SERVER_PROTOCOL", "SSL_CLIENT_S_DN", "SSL_TLS_SNI", "REMOTE_ADDR")
    facts = {name: environ.get(name) for name in names}
    return facts | {"url": url_for("home", _external=True), "isSecure": request.is_secure}

@app.post("/size")
def size():
    return str(len(request.get_data()))

@app.get("/steps")
def steps():
    def made():
        for number in (1, 2):
            yield f"step {number} "
            while not os.path.exists(os.path.join(os.environ["STEPS"], str(number))):
                time.sleep(0.01)
    return made(), {"X-Accel-Buffering": "no"}
`;
const SOCKETS = `async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        await send({"type": "websocket.send", "text": f"{scope['scheme']} {scope['http_version']} {text}"})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["scheme"].encode()})
`;

const folder = makeScratch(FILE);
const authority = new TestAuthority("Servers");
const staff = new TestAuthority("Staff");
const zoe = staff.issue({ subject: "zoe", names: ["zoe.example"], usage: "clientAuth" });
const stranger = authority.issue({ subject: "no", names: ["no.example"], usage: "clientAuth" });

function write(name: string, text: string): void {
  // In one step, as programs that renew certificates do.
  writeFileSync(join(folder, `${name}.draft`), text);
  renameSync(join(folder, `${name}.draft`), join(folder, name));
}

function writePair(name: string, { cert, key }: Issued): void {
  write(`${name}.key`, key);
  write(`${name}.pem`, cert);
}

function writeSite({ certificates = ["a", "b"], extra = "" } = {}): void {
  const tables = certificates.map(
    (name) => `[[certificates]]\ncertfile = "${name}.pem"\nkeyfile = "${name}.key"\n`,
  );
  write(
    "typhon.toml",
    `bind = ["https://127.0.0.1:0", "http://127.0.0.1:0"]
http-redirect = true
health = true
hsts = 300
pid = "typhon.pid"
access-log = "access.log"
python = "${requirePython()}"
workers = 1
env = { STEPS = "${folder}" }
${extra}

${tables.join("\n")}
[[client-certificates]]
host = "staff.example"
ca-certs = "staff.pem"
cert-reqs = "required"

[[client-certificates]]
host = "open.example"
ca-certs = "staff.pem"
cert-reqs = "optional"

[apps.pages]
app = "pages:app"
[apps.api]
app = "asgi_fastapi:app"
dir = "${APPS}"
[apps.sockets]
app = "sockets:app"

[[routes]]
app = "pages"
[[routes]]
path = "/files"
static = "files"
[[routes]]
host = "b.example"
app = "api"
[[routes]]
host = "b.example"
path = "/ws"
app = "sockets"
`,
  );
}

writeFileSync(join(folder, "pages.py"), FLASK);
writeFileSync(join(folder, "sockets.py"), SOCKETS);
write("staff.pem", staff.cert);
mkdirSync(join(folder, "files"));
writeFileSync(join(folder, "files/large.txt"), "line\n".repeat(100_000));
writePair("a", authority.issue({ names: ["a.example"] }));
writePair("b", authority.issue({ names: ["b.example", "staff.example", "open.example"] }));

/** A server that ends the connection, whichever side sees it first. */
const REFUSED = /ECONNRESET|alert|the connection (?:ended|broken)/;

let typhon: Typhon;
/** The address of a host over TLS. */
function at(host: string, more: Partial<SecureAddress> = {}): SecureAddress {
  return { port: typhon.port, host, ca: authority.cert, ...more };
}

async function certificateOf(host: string): Promise<string> {
  const socket = await openTls(at(host), "http/1.1");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

async function reload(): Promise<string> {
  const run = await runTyphon(["reload", "--pid", join(folder, "typhon.pid")]);
  return `${run.code} ${run.stderr}${run.stdout.replace(/^reloaded in \d+ ms\n/, "")}`;
}

before(async () => {
  writeSite();
  typhon = await startTyphon(FILE, [], { cwd: folder, defaults: false });
});

describe("a site over HTTP/1.1 and HTTP/2", () => {
  test("a Flask application knows that the request is secure, and builds such links", async () => {
    const one = await openHttp1(at("a.example"));
    const two = await Http2Client.connect(at("a.example"));
    const first = await one.get("/", "");
    const expected = { SSL_CLIENT_S_DN: null, SSL_TLS_SNI: "a.example", REMOTE_ADDR: "127.0.0.1" };
    assert.deepEqual(readRecord(first.text), {
      ...expected,
      SERVER_PROTOCOL: "HTTP/1.1",
      isSecure: true,
      url: "https://a/",
    });
    const second = await two.ask("/");
    assert.deepEqual(readRecord(second.text), {
      ...expected,
      SERVER_PROTOCOL: "HTTP/2.0",
      isSecure: true,
      url: "https://a.example/",
    });
    assert.equal(fieldOf(first, "strict-transport-security"), "max-age=300");
    assert.equal(second.headers["strict-transport-security"], "max-age=300");
    const sizes = await Promise.all(
      ["x", "y".repeat(300_000), "z".repeat(70_000)].map((body) => two.ask("/size", {}, body)),
    );
    assert.deepEqual(
      sizes.map(({ text }) => text),
      ["1", "300000", "70000"],
    );
    one.destroy();
    two.destroy();
  });

  test("a FastAPI application, files and the health page respond on one connection", async () => {
    const client = await Http2Client.connect(at("b.example"));
    const other = { ":authority": "a.example" };
    const [api, file, range, ready, named, missing] = await Promise.all([
      client.ask("/"),
      client.ask("/files/large.txt", other),
      client.ask("/files/large.txt", { ...other, range: "bytes=0-3" }),
      client.ask("/readyz"),
      client.ask("/readyz/api"),
      client.ask("/files/none", other),
    ]);
    assert.deepEqual([api.status, api.text], [200, '{"hello":"world"}']);
    assert.deepEqual([file.status, file.text.length], [200, 500_000]);
    assert.deepEqual([range.status, range.text], [206, "line"]);
    assert.deepEqual([ready.status, named.status, missing.status], [200, 200, 404]);
    const page = await client.ask("/readyz/nothing");
    assert.equal(page.status, 404);
    client.destroy();
    const one = await openHttp1(at("b.example"));
    assert.equal((await one.get("/readyz")).status, 200);
    one.destroy();
  });

  test("a WebSocket works over HTTP/1.1", async () => {
    const url = `wss://127.0.0.1:${typhon.port}/ws`;
    const headers = { Host: "b.example" };
    const options = { ca: authority.cert, servername: "b.example", headers };
    const socket = new WebSocket(url, [], options);
    socket.on("open", () => socket.send("hello"));
    const [bytes] = await within(PATIENCE_MS, once(socket, "message"), "a message");
    assert.equal(String(bytes), "wss 1.1 hello");
    await once(socket, "close");
  });

  test("a WebSocket works over HTTP/2, beside requests (RFC 8441)", async () => {
    const client = await Http2Client.connect(at("b.example"));
    const stream = client.request("/ws", {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "https",
      "sec-websocket-version": "13",
    });
    const begun = await responseOf(stream);
    assert.equal(begun.headers[":status"], 200);
    assert.equal((await client.ask("/")).status, 200);
    // A text frame whose mask changes nothing (RFC 6455 §5.3).
    stream.write(Buffer.from("\x81\x85\0\0\0\0hello", "latin1"));
    await until("a message", () => begun.text.includes("wss 2 hello"));
    client.destroy();
  });

  test("the access log has the version of HTTP, and a client cannot shape its lines", async () => {
    const client = await Http2Client.connect(at("a.example"));
    await client.ask("/?for=the-log", { "user-agent": 'an "agent"' });
    client.destroy();
    const line =
      /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/\?for=the-log HTTP\/2\.0" 200 \d+ "-" "an \\x22agent\\x22"/m;
    await until("the line", () => line.test(readFileSync(join(folder, "access.log"), "utf8")));
  });
});

describe("a client without TLS", () => {
  test("gets a 400 that says so on a port of TLS", async () => {
    const response = await getOnce(typhon, "/");
    assert.equal(response.status, 400);
    assert.match(response.text, /https:\/\//);
  });

  test("is redirected on the other port, to the port of TLS, but for the health page", async () => {
    const address = { port: typhon.secondPort };
    const host = `a.example:${address.port}`;
    const response = await askOnce(
      address,
      `POST /x?y=1 HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`,
    );
    assert.equal(response.status, 308);
    assert.equal(fieldOf(response, "location"), `https://a.example:${typhon.port}/x?y=1`);
    assert.equal(response.fields.has("strict-transport-security"), false);
    assert.equal((await getOnce(address, "/readyz")).status, 200);
  });
});

describe("client certificates by host", () => {
  test("are required by one host, and told to its application", async () => {
    const client = await Http2Client.connect(at("staff.example", { client: zoe }));
    const { text } = await client.ask("/");
    assert.equal(readRecord(text)["SSL_CLIENT_S_DN"], "CN=zoe");
    // Its connection may not be used for hosts that have another policy (RFC 9110 §15.5.20).
    const other = await client.ask("/", { ":authority": "a.example" });
    assert.equal(other.status, 421);
    assert.equal((await client.ask("/readyz", { ":authority": "a.example" })).status, 200);
    client.destroy();
  });

  test("cannot be left out or replaced by another connection", async () => {
    for (const client of [undefined, stranger]) {
      const address = at("staff.example", client === undefined ? {} : { client });
      // TLS 1.3 refuses after the client's side of the handshake.
      const refused = openHttp1(address).then((one) => one.get("/"));
      await assert.rejects(refused, REFUSED);
    }
    const open = await openHttp1(at("a.example"));
    const request = "GET / HTTP/1.1\r\nHost: staff.example\r\n\r\n";
    assert.equal((await open.ask(request)).status, 421);
    open.destroy();
    const plain = await askOnce({ port: typhon.secondPort }, request);
    assert.equal(plain.status, 308);
  });

  test("are optional for another host", async () => {
    for (const [client, name] of [
      [zoe, "CN=zoe"],
      [undefined, null],
    ] as const) {
      const one = await openHttp1(at("open.example", client && { client }));
      const response = await one.ask("GET / HTTP/1.1\r\nHost: open.example\r\n\r\n");
      assert.equal(readRecord(response.text)["SSL_CLIENT_S_DN"], name);
      one.destroy();
    }
    await assert.rejects(
      openHttp1(at("open.example", { client: stranger })).then((one) => one.get("/")),
      REFUSED,
    );
  });
});

describe("certificates that change on disk", () => {
  test("are used for new connections, while open ones and downloads go on", async () => {
    const kept = await openHttp1(at("a.example"));
    assert.equal((await kept.get("/")).status, 200);
    const busy = await Http2Client.connect(at("a.example"));
    const download = await busy.begin("/steps");
    await until("the first piece", () => download.text === "step 1 ");
    const old = await certificateOf("a.example");
    const from = typhon.output.all.length;
    writePair("a", authority.issue({ names: ["a.example"] }));
    await typhon.output.waitFor(/read anew: .*a\.pem/, from);
    assert.notEqual(await certificateOf("a.example"), old);
    assert.equal((await kept.get("/")).status, 200);
    write("1", "");
    await until("the second piece", () => download.text === "step 1 step 2 ");
    write("2", "");
    assert.equal(await download.end, "step 1 step 2 ");
    assert.equal((await busy.ask("/")).status, 200);
    kept.destroy();
    busy.destroy();
  });

  test("change nothing where they are broken, which is told", async () => {
    const old = await certificateOf("b.example");
    const from = typhon.output.all.length;
    write("b.pem", authority.issue({ names: ["b.example"] }).cert);
    await typhon.output.waitFor(
      /b\.pem.*: the key does not belong to the certificate; the certificate in use stays/,
      from,
    );
    assert.equal(await certificateOf("b.example"), old);
    assert.match(await reload(), /^2 typhon: .*b\.pem.*: the key does not belong/);
    const check = await runTyphon(["check"], { cwd: folder, defaults: false });
    assert.equal(check.code, 2, check.stdout);
    assert.match(check.stderr, /b\.pem.*: the key does not belong to the certificate\n$/);
    writePair("b", authority.issue({ names: ["b.example", "staff.example", "open.example"] }));
    assert.equal(await reload(), "0 ");
    assert.notEqual(await certificateOf("b.example"), old);
  });

  test("are others after a reload with another list, and no restart is asked for", async () => {
    const kept = await openHttp1(at("a.example"));
    writePair("c", authority.issue({ names: ["c.example"] }));
    writePair("d", authority.issue({ names: ["a.example"] }));
    const served = await certificateOf("a.example");
    writeSite({ certificates: ["c", "d", "b"] });
    assert.equal(await reload(), "0 ");
    assert.notEqual(await certificateOf("a.example"), served);
    assert.equal((await kept.get("/")).status, 200);
    kept.destroy();
    // A mistake changes neither the certificates nor the routes.
    const later = await certificateOf("a.example");
    writeSite({ certificates: ["missing"] });
    assert.match(await reload(), /^2 typhon: .*missing\.pem/);
    assert.equal(await certificateOf("a.example"), later);
    writeSite({ certificates: ["c", "d", "b"], extra: 'ciphers = "ECDHE+AESGCM"' });
    assert.equal(await reload(), "0 ciphers: holds after a restart\n");
  });

  test("are named where they cannot be used at the start, with exit code 2", async (t) => {
    const scratch = makeScratch(t);
    for (const [words, expected] of [
      [
        ["--certfile", join(folder, "a.pem"), "--keyfile", join(folder, "b.key")],
        /a\.pem.*key does not belong/,
      ],
      [
        [
          "--certfile",
          join(folder, "a.pem"),
          "--keyfile",
          join(folder, "a.key"),
          "--ciphers",
          "NONE",
        ],
        /--ciphers: OpenSSL refuses the list: no cipher match/,
      ],
    ] as const) {
      const all = [
        "raw:app",
        "--bind",
        "https://127.0.0.1:0",
        "--app-dir",
        APPS,
        "--python",
        requirePython(),
        ...words,
      ];
      const [run, check] = [
        await runTyphon(all),
        await runTyphon(["check", ...all], { cwd: scratch }),
      ];
      assert.deepEqual([run.code, check.code], [2, 2], run.stderr + check.stderr);
      assert.match(run.stderr, expected);
      assert.match(check.stderr, expected);
    }
    assert.equal(existsSync(join(scratch, "typhon.pid")), false);
  });
});
