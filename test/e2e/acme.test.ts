// Certificates that the command orders and renews by itself, from the small authority of the tests, which checks by
// connecting to the server's ports.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";

import {
  startAuthority,
  type AuthoritySettings,
  type TestAuthority,
} from "../support/acme-authority.ts";
import { until, within, PATIENCE_MS } from "../support/deadline.ts";
import { freePorts } from "../support/free-ports.ts";
import { getOnce } from "../support/raw-client.ts";
import { CHECKOUT, makeScratch } from "../support/scratch.ts";
import { Http2Client, openHttp1, openTls, type SecureAddress } from "../support/secure-client.ts";
import { runTyphon, startTyphon, withDefaults, type Typhon } from "../support/typhon.ts";

const HOST = "site.example";
const HOUR_MS = 3_600_000;
/** The certificate begins an hour before it is issued, and is renewed some seconds after, at two thirds of its life. */
const RENEWED_SOON_MS = HOUR_MS / 2 + 12_000;
/** The user and the group that own nothing (nobody, nogroup). */
const NOBODY = 65_534;

interface World {
  readonly authority: TestAuthority;
  readonly state: string;
  readonly ports: { readonly http: number; readonly https: number };
  /** The words of a command with this authority, folder and ports. */
  readonly words: readonly string[];
}

/** An authority that checks at two ports, and the options of a server there. */
async function makeWorld(
  t: TestContext,
  settings: Partial<AuthoritySettings> = {},
  domains: readonly string[] = [HOST],
): Promise<World> {
  const ports = await freePorts(["http", "https"]);
  const { http, https } = ports;
  const authority = await startAuthority(t, { httpPort: http, tlsPort: https, ...settings });
  const folder = makeScratch(t);
  chmodSync(folder, 0o755);
  const root = join(folder, "root.pem");
  writeFileSync(root, authority.caRoot);
  const state = join(folder, "state");
  const ca = ["--acme-ca", authority.directoryUrl, "--acme-ca-root", root, "--acme-dir", state];
  const binds = ["--bind", `https://127.0.0.1:${https}`, "--bind", `http://127.0.0.1:${http}`];
  const names = domains.flatMap((name) => ["--domain", name]);
  const usual = ["raw:app", "--workers", "1", "--http-redirect", "--health"];
  return { authority, state, ports, words: [...usual, ...names, ...ca, ...binds] };
}

function at(world: World, typhon: Typhon, host = HOST): SecureAddress {
  return { port: typhon.port, host, ca: world.authority.caRoot };
}

async function fingerprintOf(address: SecureAddress): Promise<string> {
  const socket = await openTls(address, "http/1.1");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

test("a first start orders by http-01; a second one has the certificate from the folder", async (t) => {
  const world = await makeWorld(t, { challengeTypes: ["http-01"] });
  const { authority, state, words } = world;
  const check = await runTyphon(["check", ...withDefaults(words)]);
  assert.equal(check.code, 0, check.stderr);
  assert.throws(() => statSync(state), /ENOENT/, "typhon check has made the folder");
  const first = await startTyphon(t, words);
  const log = first.output;
  assert.match(log.all, /INFO {2}site\.example: no certificate yet; it is being ordered/);
  await log.waitFor(
    /INFO {2}site\.example: certificate ordered from https:\S+, until \d{4}-\d\d-\d\d; to be renewed \d{4}-\d\d-\d\d \d\d:\d\d UTC/,
  );
  const two = await Http2Client.connect(at(world, first));
  assert.equal((await two.ask("/environ")).status, 200);
  two.destroy();
  const redirected = await getOnce({ port: world.ports.http }, "/environ");
  assert.equal(redirected.status, 308);
  const unknown = await getOnce({ port: world.ports.http }, "/.well-known/acme-challenge/none");
  assert.equal(unknown.status, 404);
  assert.equal(statSync(state).mode & 0o777, 0o700);
  const served = await fingerprintOf(at(world, first));
  await first.stop();
  assert.doesNotMatch(log.all, /WARN|ERROR/);

  // Also while the authority is away.
  authority.settings.intercept = () => "drop";
  const second = await startTyphon(t, words);
  assert.equal(await fingerprintOf(at(world, second)), served);
  assert.match(second.output.all, /INFO {2}site\.example: certificate until \d{4}-\d\d-\d\d/);
  assert.doesNotMatch(second.output.all, /being ordered/);
  assert.equal(authority.issued.length, 1);
  // No challenge is left behind.
  assert.deepEqual(readdirSync(join(state, "challenges")), []);
});

test("tls-alpn-01 needs no other port than that of TLS", async (t) => {
  const domains = [HOST, "www.site.example"];
  const world = await makeWorld(t, { challengeTypes: ["tls-alpn-01"] }, domains);
  const words = world.words.slice(0, -2);
  const typhon = await startTyphon(t, words);
  await until("both certificates", () => world.authority.issued.length === 2);
  for (const host of domains) {
    await typhon.output.waitFor(new RegExp(` ${host}: certificate ordered`));
    const one = await openHttp1(at(world, typhon, host));
    assert.equal((await one.get("/environ")).status, 200);
    one.destroy();
  }
});

test("an authority that is away is told, and the server serves what it can", async (t) => {
  const world = await makeWorld(t, { intercept: () => "drop" });
  const typhon = await startTyphon(t, world.words);
  const line =
    /WARN\w* +site\.example: no certificate from https:\S+: [^\n]+; next try \d{4}-\d\d-\d\d \d\d:\d\d UTC, the name has no certificate until then/;
  await typhon.output.waitFor(line);
  assert.equal((await getOnce({ port: world.ports.http }, "/readyz")).status, 200);
  await assert.rejects(openTls(at(world, typhon), "http/1.1"));
});

test("a renewal reaches new connections, and open ones go on", async (t) => {
  const world = await makeWorld(t, { lifetimeMs: RENEWED_SOON_MS });
  const typhon = await startTyphon(t, world.words);
  await typhon.output.waitFor(/certificate ordered/);
  const kept = await openHttp1(at(world, typhon));
  const busy = await Http2Client.connect(at(world, typhon));
  const old = await fingerprintOf(at(world, typhon));
  world.authority.settings.lifetimeMs = 2160 * HOUR_MS;
  await typhon.output.waitFor(/INFO {2}site\.example: certificate renewed/, 0, 2 * PATIENCE_MS);
  assert.notEqual(await fingerprintOf(at(world, typhon)), old);
  assert.equal((await kept.get("/environ")).status, 200);
  assert.equal((await busy.ask("/environ")).status, 200);
  kept.destroy();
  busy.destroy();
});

test("two servers with one folder order once", async (t) => {
  // The order lasts some seconds, in which the other server starts.
  const world = await makeWorld(t, { processingLooks: 3, retryAfter: "1" });
  const one = await startTyphon(t, world.words);
  const others = ["--bind", "https://127.0.0.1:0", "--bind", "http://127.0.0.1:0"];
  const two = await startTyphon(t, [...world.words.slice(0, -4), ...others]);
  for (const typhon of [one, two])
    await typhon.output.waitFor(/certificate (?:ordered from|until)/, 0, 2 * PATIENCE_MS);
  assert.equal(await fingerprintOf(at(world, one)), await fingerprintOf(at(world, two)));
  assert.equal(world.authority.issued.length, 1);
});

test("a reload adds a domain of typhon.toml and takes one away", async (t) => {
  const world = await makeWorld(t);
  const { authority, state, ports } = world;
  const cwd = makeScratch(t);
  writeFileSync(join(cwd, "root.pem"), authority.caRoot);
  writeFileSync(join(cwd, "index.html"), "");
  const write = (...domains: string[]): void =>
    writeFileSync(
      join(cwd, "typhon.toml"),
      `bind = ["https://127.0.0.1:${ports.https}", "http://127.0.0.1:${ports.http}"]
domain = ${JSON.stringify(domains)}
acme-ca = "${authority.directoryUrl}"
acme-ca-root = "root.pem"
acme-dir = "${state}"
pid = "typhon.pid"
[[routes]]
respond = 204
`,
    );
  const reload = async (): Promise<void> => {
    const run = await runTyphon(["reload", "--pid", join(cwd, "typhon.pid")]);
    assert.deepEqual([run.code, run.stderr], [0, ""]);
    // Nothing holds only after a restart.
    assert.match(run.stdout, /^reloaded in \d+ ms\n$/);
  };
  write(HOST);
  const typhon = await startTyphon(t, [], { cwd, defaults: false });
  await typhon.output.waitFor(/site\.example: certificate ordered/);
  const kept = await openHttp1(at(world, typhon));
  const served = await fingerprintOf(at(world, typhon));
  write("new.example", HOST);
  await reload();
  await typhon.output.waitFor(/new\.example: certificate ordered/);
  const { port } = typhon;
  await openTls(at(world, typhon, "new.example"), "http/1.1").then((one) => one.destroy());
  assert.equal(await fingerprintOf(at(world, typhon)), served);
  // The default, for clients that name no host, is that of the first domain, though it came last.
  const anyone = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await within(PATIENCE_MS, once(anyone, "secureConnect"), "a handshake without a name");
  assert.equal(anyone.getPeerCertificate().subjectaltname, "DNS:new.example");
  anyone.destroy();
  assert.equal(authority.issued.length, 2);
  write("new.example");
  await reload();
  await assert.rejects(openTls(at(world, typhon), "http/1.1"), /altnames/);
  assert.equal((await kept.ask(`GET / HTTP/1.1\r\nHost: ${HOST}:${port}\r\n\r\n`)).status, 204);
  kept.destroy();
});

test("a folder that others may write to is refused, and a long order does not hold up the end", async (t) => {
  const world = await makeWorld(t, { processingLooks: Number.MAX_SAFE_INTEGER });
  mkdirSync(world.state, { mode: 0o777 });
  chmodSync(world.state, 0o777);
  const refused = await runTyphon(withDefaults(world.words));
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^typhon: other users may write to \S+, [^\n]*: chmod 700 \S+\n$/);
  chmodSync(world.state, 0o700);
  const typhon = await startTyphon(t, [...world.words, "--graceful-timeout", "1"]);
  await until("the order", () => world.authority.issued.length === 1);
  await typhon.stop();
});

test("--user: the folder, its files and the renewals are that user's", async (t) => {
  const system = "/usr/bin/python3";
  const readable = [join(CHECKOUT, "python/typhon_worker/main.py"), system].every(
    (path) => spawnSync("test", ["-r", path], { uid: NOBODY, gid: NOBODY }).status === 0,
  );
  if (!readable) {
    t.diagnostic("left out: it needs root, and a checkout and a Python that every user may read");
    return;
  }
  const world = await makeWorld(t, { lifetimeMs: RENEWED_SOON_MS });
  const apps = makeScratch(t);
  chmodSync(apps, 0o755);
  writeFileSync(
    join(apps, "raw.py"),
    'def app(environ, start_response):\n    start_response("204 No Content", [])\n    return []\n',
  );
  const words = [...world.words, "--user", "nobody", "--app-dir", apps, "--python", system];
  mkdirSync(world.state, { mode: 0o700 });
  const refused = await runTyphon(words);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /^typhon: --acme-dir [^\n]* this user may make or write to/);
  chownSync(world.state, NOBODY, NOBODY);
  const typhon = await startTyphon(t, words, { defaults: false });
  await typhon.output.waitFor(/certificate ordered/);
  await typhon.output.waitFor(/certificate renewed/, 0, 2 * PATIENCE_MS);
  for (const name of readdirSync(world.state, { recursive: true, encoding: "utf8" }))
    assert.equal(statSync(join(world.state, name)).uid, NOBODY, name);
  const one = await openHttp1(at(world, typhon));
  assert.equal((await one.get("/")).status, 204);
  one.destroy();
});
