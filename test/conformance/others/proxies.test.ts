// The configurations of docs/guide/behind-a-proxy.md, in Debian's nginx, Caddy and HAProxy before Typhon: the
// application learns the client, the scheme and the host from the proxy, never from a client, and WebSockets pass.
// Of a block only addresses, paths and certificates are changed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { request } from "node:https";
import { join } from "node:path";
import { test } from "node:test";

import { WebSocket } from "ws";

import { until, within, PATIENCE_MS } from "../../support/deadline.ts";
import { freePorts } from "../../support/free-ports.ts";
import { readBlocks, readPage } from "../../support/guide.ts";
import { makeCertificate, type Certificate } from "../../support/openssl-certificate.ts";
import { Output } from "../../support/output.ts";
import { makeScratch, type Scope } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

const APP = `import json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    host = dict(scope["headers"])[b"host"].decode()
    facts = json.dumps({"client": scope["client"][0], "host": host, "scheme": scope["scheme"]})
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": facts})
        await receive()
        return
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": facts.encode()})
`;

interface Place {
  readonly folder: string;
  readonly certificate: Certificate;
  /** Of the proxy. */
  readonly port: number;
  /** Of Typhon, where it listens on one. */
  readonly inner: number;
}

async function makePlace(scope: Scope): Promise<Place> {
  const folder = makeScratch(scope);
  writeFileSync(join(folder, "app.py"), APP);
  const { proxy, typhon } = await freePorts(["proxy", "typhon"]);
  return { folder, certificate: makeCertificate(scope), port: proxy, inner: typhon };
}

/** The block of the page that has these words, with `changes` made; each must be there to be made. */
function readBlock(words: string, changes: Readonly<Record<string, string>>): string {
  const blocks = readBlocks(readPage("docs/guide/behind-a-proxy.md"));
  let text = blocks.find((block) => block.text.includes(words))?.text ?? "";
  assert.ok(text !== "", words);
  for (const [old, changed] of Object.entries(changes)) {
    assert.ok(text.includes(old), `${old} in:\n${text}`);
    text = text.replace(old, changed);
  }
  return text;
}

/** Starts a proxy and waits until it listens; it ends with the scope. */
async function startProxy(scope: Scope, words: readonly string[], port: number): Promise<void> {
  const [command = "", ...rest] = words;
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  const output = new Output();
  output.collect(child.stdout, "stdout");
  output.collect(child.stderr, "stderr");
  const ended = once(child, "close");
  scope.after(async () => {
    child.kill("SIGTERM");
    await within(PATIENCE_MS, ended, `${command} ends`);
  });
  await until(`${command} listens`, async () => {
    assert.equal(child.exitCode, null, output.all);
    const socket = connect(port, "127.0.0.1");
    const isThere = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return isThere;
  });
}

async function startBehind(scope: Scope, folder: string, args: readonly string[]): Promise<void> {
  await startTyphon(scope, ["app:app", "--app-dir", folder, "--workers", "1", ...args]);
}

const ON_SOCKET = (folder: string): string[] => {
  const bind = ["--bind", `unix:${join(folder, "typhon.sock")}`, "--bind", "127.0.0.1:0"];
  return [...bind, "--forwarded-allow-ips", "unix"];
};

/** What the application knows of a request that lies about its host and its scheme. */
async function ask({ certificate, port }: Place): Promise<unknown> {
  const sent = request({
    host: "localhost",
    port,
    ca: readFileSync(certificate.authority),
    headers: {
      "X-Forwarded-Host": "evil.example",
      "X-Forwarded-Proto": "gopher",
      Forwarded: "host=evil.example;proto=gopher",
    },
  });
  sent.end();
  const [response]: unknown[] = await within(PATIENCE_MS, once(sent, "response"), "a response");
  assert.ok(response instanceof IncomingMessage);
  assert.equal(response.statusCode, 200);
  response.setEncoding("utf8");
  return JSON.parse((await response.toArray()).join(""));
}

/** What it knows of a WebSocket. */
async function openSocket({ certificate, port }: Place): Promise<unknown> {
  const ca = readFileSync(certificate.authority);
  const socket = new WebSocket(`wss://localhost:${port}/`, { ca });
  const [message] = await within(PATIENCE_MS, once(socket, "message"), "a message");
  socket.close();
  return JSON.parse(String(message));
}

async function judge(place: Place, host: RegExp): Promise<void> {
  const facts = { client: "127.0.0.1", scheme: "https" };
  const { host: seen, ...rest } = Object(await ask(place));
  assert.match(String(seen), host);
  assert.deepEqual(rest, facts);
  const { host: _, ...ofSocket } = Object(await openSocket(place));
  assert.deepEqual(ofSocket, { ...facts, scheme: "wss" });
}

test("nginx on a Unix socket", async (t) => {
  const place = await makePlace(t);
  const { folder, certificate, port } = place;
  const block = readBlock("upstream app", {
    "/run/myapp/typhon.sock": join(folder, "typhon.sock"),
    "listen 443 ssl;": `listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certificate.certfile};
    ssl_certificate_key ${certificate.keyfile};`,
    "server_name example.com;": "server_name localhost;",
  });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  const main = `daemon off; master_process off; pid ${join(folder, "pid")}; error_log stderr; events {}`;
  writeFileSync(
    join(folder, "nginx.conf"),
    `${main}\nhttp {\naccess_log off;\n${temporary.join("\n")}\n${block}}\n`,
  );
  await startBehind(t, folder, ON_SOCKET(folder));
  await startProxy(t, ["/usr/sbin/nginx", "-c", join(folder, "nginx.conf")], port);
  await judge(place, /^localhost$/);
});

test("Caddy on a Unix socket", async (t) => {
  const place = await makePlace(t);
  const { folder, certificate, port } = place;
  const block = readBlock("reverse_proxy unix//", {
    "/run/myapp/typhon.sock": join(folder, "typhon.sock"),
    "example.com {": `https://localhost:${port} {\n    tls ${certificate.certfile} ${certificate.keyfile}`,
  });
  const file = join(folder, "Caddyfile");
  writeFileSync(file, `{\n    admin off\n    auto_https disable_redirects\n}\n${block}`);
  await startBehind(t, folder, ON_SOCKET(folder));
  const words = ["caddy", "run", "--config", file, "--adapter", "caddyfile"];
  await startProxy(t, words, port);
  await judge(place, new RegExp(`^localhost:${port}$`));
});

test("HAProxy by HTTP, with health checks", async (t) => {
  const place = await makePlace(t);
  const { folder, port, inner } = place;
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, readHaproxy(place));
  await startBehind(t, folder, ["--bind", `127.0.0.1:${inner}`, "--health"]);
  await startProxy(t, ["haproxy", "-db", "-f", file], port);
  await judge(place, new RegExp(`^localhost:${port}$`));
});

test("HAProxy by TCP, with the PROXY protocol: TLS ends in Typhon", async (t) => {
  const place = await makePlace(t);
  const { folder, certificate, port, inner } = place;
  const tcp = readBlock("frontend tcp", {
    "bind :443": `bind 127.0.0.1:${port}`,
    "10.0.0.7:443": `127.0.0.1:${inner}`,
  });
  const [defaults = ""] = readHaproxy(place).split("frontend");
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, defaults + tcp);
  const tls = ["--certfile", certificate.certfile, "--keyfile", certificate.keyfile];
  const bind = ["--bind", `https://127.0.0.1:${inner}`];
  const trust = ["--proxy-protocol", "--forwarded-allow-ips", "127.0.0.1"];
  await startBehind(t, folder, [...bind, ...tls, ...trust]);
  await startProxy(t, ["haproxy", "-db", "-f", file], port);
  const { client } = Object(await openSocket(place));
  assert.equal(client, "127.0.0.1");
});

function readHaproxy({ folder, certificate, port, inner }: Place): string {
  const both = [certificate.certfile, certificate.keyfile].map((path) => readFileSync(path));
  const pem = join(folder, "both.pem");
  writeFileSync(pem, Buffer.concat(both));
  return readBlock("frontend https", {
    "bind :443 ssl crt /etc/haproxy/example.pem": `bind 127.0.0.1:${port} ssl crt ${pem}`,
    "127.0.0.1:8000": `127.0.0.1:${inner}`,
  });
}
