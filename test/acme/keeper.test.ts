// The keeper against an authority that checks for real, with a clock that the tests move.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { StateFolder } from "../../src/acme/state-folder.ts";
import { certificateId } from "../../src/acme/renewal-info.ts";
import { KeeperOptionsError } from "../../src/acme/keeper.ts";
import { until } from "../support/deadline.ts";
import {
  idle,
  issuerOf,
  KeeperWorld,
  makeTime,
  passUntil,
  type TestKeeper,
} from "../support/keeper-world.ts";
import { CHECKOUT, makeScratch, type Scope } from "../support/scratch.ts";
import type { AuthoritySettings, TestAuthority } from "../support/acme-authority.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

async function setUp(scope: Scope, settings: Partial<AuthoritySettings> = {}) {
  const world = await KeeperWorld.start(scope);
  const time = makeTime();
  return { world, time, authority: await world.authority(time, settings) };
}

/** What an authority answers while it is out of order. */
function outage(status: number, type: string, headers: Readonly<Record<string, string>> = {}) {
  const body = JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: "no" });
  return () => ({ status, headers, body });
}

function orders(authority: TestAuthority): number {
  return authority.requests.filter(({ path }) => path === "/order").length;
}

function fileOf({ folder }: TestKeeper, ending: string): string {
  const name = readdirSync(join(folder, "certificates")).find((one) => one.endsWith(ending));
  return join(folder, "certificates", name ?? "");
}

test("the first certificate is there when start() resolves, and comes from the folder afterwards", async (t) => {
  const { world, time, authority } = await setUp(t);
  const one = await world.keeper(authority, time);
  assert.equal(one.files.length, 0);
  await one.keeper.start();
  const [files] = one.files;
  assert(files !== undefined, JSON.stringify(one.events));
  const leaf = new X509Certificate(files.chainPem);
  assert.equal(leaf.checkHost("example.com"), "example.com");
  assert(leaf.checkPrivateKey(createPrivateKey(files.keyPem)));
  assert.equal(files.notAfter, leaf.validToDate.getTime());
  assert.deepEqual(
    one.events.map(({ kind }) => kind),
    ["ordered"],
  );
  await one.keeper.stop();

  // A second start, while the authority is away; the name is spelled in another way.
  authority.settings.intercept = () => "drop";
  const again = await world.keeper(authority, time, { names: [["Example.COM"]] });
  assert.deepEqual(again.files, [{ ...files, names: ["Example.COM"] }]);
  await again.keeper.start();
  assert.deepEqual(
    again.events.map(({ kind }) => kind),
    ["loaded"],
  );
  const [status] = again.keeper.status();
  assert.deepEqual(
    { ...status, nextOrderAt: 0 },
    {
      names: ["Example.COM"],
      notAfter: files.notAfter,
      isValid: true,
      issuer: authority.directoryUrl,
      nextOrderAt: 0,
      failures: 0,
      reason: "",
    },
  );
});

test("all that is written is readable by its user alone, and no challenge or lock is left", async (t) => {
  const { world, time, authority } = await setUp(t);
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  await idle(one);
  const names = readdirSync(world.folder, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => statSync(join(world.folder, name)).isFile());
  assert.deepEqual(
    files.map((name) => name.replaceAll(/[0-9a-f]{16}/g, "#")),
    ["accounts/#.json", "certificates/example.com-#.json", "certificates/example.com-#.pem"],
  );
  for (const name of files) assert.equal(statSync(join(world.folder, name)).mode & 0o777, 0o600);
});

test("each type of challenge gives a certificate: names, an address, a wildcard by the hook", async (t) => {
  const { world, time, authority } = await setUp(t);
  const records = join(makeScratch(t), "records");
  mkdirSync(records);
  const hook = join(makeScratch(t), "hook");
  const script = `[ $1 = present ] && touch "${records}/$3=$4" || rm "${records}/$3=$4"`;
  writeFileSync(hook, `#!/bin/sh\n${script}\n`);
  chmodSync(hook, 0o755);
  authority.settings.txtRecords = (name) =>
    readdirSync(records)
      .filter((one) => one.startsWith(`${name}=`))
      .map((one) => one.slice(name.length + 1));
  const names = [
    ["a.example", "b.example"],
    ["127.0.0.1"],
    ["::1"],
    ["example.com", "*.example.com"],
  ];
  const one = await world.keeper(authority, time, {
    names,
    dnsHook: hook,
    ports: { http: true, https: true },
  });
  await one.keeper.start();
  const got = one.files.map(({ chainPem }) => String(new X509Certificate(chainPem).subjectAltName));
  assert.deepEqual(got.sort(), [
    "DNS:a.example, DNS:b.example",
    "DNS:example.com, DNS:*.example.com",
    "IP Address:0:0:0:0:0:0:0:1",
    "IP Address:127.0.0.1",
  ]);
  assert.deepEqual(readdirSync(records), []);
  assert.equal(authority.accounts.size, 1);
  // tls-alpn-01 alone.
  const two = await world.keeper(authority, time, {
    names: [["c.example"], ["127.0.0.2"], ["2001:db8::1"]],
    ports: { http: false, https: true },
  });
  await two.keeper.start();
  assert.equal(two.files.length, 3, JSON.stringify(two.events));
});

test("a hook program that fails is told, and the order tried again", async (t) => {
  const { world, time, authority } = await setUp(t);
  const hook = join(makeScratch(t), "hook");
  writeFileSync(hook, "#!/bin/sh\necho no such zone >&2\nexit 7\n");
  chmodSync(hook, 0o755);
  const one = await world.keeper(authority, time, { names: [["*.example.com"]], dnsHook: hook });
  await one.keeper.start();
  const [left, failed] = one.events;
  assert(left?.kind === "left" && failed?.kind === "failed");
  assert.match(failed.reason, /present example\.com: exit code 7: no such zone$/);
  assert.equal(failed.notAfter, null);
  assert.equal(failed.retryAt - time.now(), 1.125 * MINUTE);
});

test("a thousand certificates are looked at with 16 descriptors", async (t) => {
  const { world, time, authority } = await setUp(t);
  const folder = await StateFolder.open(world.folder, time.now());
  const names = Array.from({ length: 1000 }, (_, at) => [`a${at}.example`]);
  for (const one of names) writeFileSync(folder.certificate(one).pem, "nothing");
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, descriptors())), 1);
  const one = await world.keeper(authority, time, { names });
  clearInterval(timer);
  assert.equal(one.events.filter(({ kind }) => kind === "damaged").length, 1000);
  assert(most > before && most <= before + 16 + 4, `${before} descriptors, then ${most}`);
});

test("names that cannot be proved are refused before anything is done", async (t) => {
  const { world, time, authority } = await setUp(t);
  await assert.rejects(
    world.keeper(authority, time, { names: [["*.example.com"]] }),
    (error: unknown) => error instanceof KeeperOptionsError && /dns-hook/.test(error.message),
  );
  assert(!existsSync(world.folder));
});

for (const days of [6, 45, 90])
  test(`a certificate of ${days} days is renewed after two thirds of them, with a new key`, async (t) => {
    const { world, time, authority } = await setUp(t, { lifetimeMs: days * DAY });
    const one = await world.keeper(authority, time);
    await one.keeper.start();
    const begun = time.now();
    const renewed = await passUntil(one, "renewed", { ms: days * DAY, stepMs: (days * DAY) / 60 });
    const took = time.now() - begun;
    assert(Math.abs(took - (days * DAY * 2) / 3) < (days * DAY) / 30, `${took / DAY} days`);
    const [old, fresh] = one.files;
    assert(old !== undefined && fresh !== undefined && renewed.notAfter === fresh.notAfter);
    assert.notEqual(fresh.keyPem, old.keyPem);
    assert.equal(authority.issued.length, 2);
    assert.equal(authority.accounts.size, 1);
  });

test("the authority's window decides, is asked for as it says, and the old certificate is named", async (t) => {
  const { world, time, authority } = await setUp(t);
  const began = time.now();
  const iso = (at: number): string => new Date(at).toISOString();
  let window = { start: began + 20 * DAY, end: began + 22 * DAY };
  authority.settings.renewalRetryAfter = String(6 * 3600);
  authority.settings.renewal = () => ({
    suggestedWindow: { start: iso(window.start), end: iso(window.end) },
    explanationURL: "https://ca.example/why",
  });
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  const first = await passUntil(one, "moved", { ms: HOUR });
  assert(Math.abs(first.renewAt - (began + 21 * DAY)) < 1000);
  // The window moves: a revocation is to come.
  window = { start: began + 2 * DAY, end: began + 3 * DAY };
  const moved = await passUntil(one, "moved", { ms: DAY, stepMs: 10 * MINUTE });
  assert(Math.abs(moved.renewAt - (began + 2.5 * DAY)) < 1000);
  assert.equal(moved.explanationUrl, "https://ca.example/why");
  const asked = authority.requests.filter(({ path }) => path.startsWith("/renewal/")).length;
  assert.equal(asked, 2);
  await passUntil(one, "renewed", { ms: 3 * DAY, stepMs: 10 * MINUTE });
  assert(time.now() >= began + 2.5 * DAY && time.now() < began + 2.6 * DAY);
});

test("a renewal names the certificate that it replaces (RFC 9773 §5)", async (t) => {
  const { world, time, authority } = await setUp(t);
  const began = time.now();
  authority.settings.renewal = () => ({
    suggestedWindow: {
      start: new Date(began - 2 * DAY).toISOString(),
      end: new Date(began - DAY).toISOString(),
    },
  });
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  // The window is over: now, but not in the first hours of a certificate.
  await passUntil(one, "renewed", { ms: DAY, stepMs: 10 * MINUTE });
  assert(time.now() - began > 5.9 * HOUR && time.now() - began < 7 * HOUR);
  const [first, second] = authority.issued;
  assert(first !== undefined);
  assert.equal(second?.replaces, certificateId(first.certificate));
});

test("bad renewal information changes nothing, and is asked for again later", async (t) => {
  const { world, time, authority } = await setUp(t, { lifetimeMs: 6 * DAY });
  for (const answer of [{}, { suggestedWindow: { start: "x", end: "y" } }]) {
    authority.settings.renewal = () => answer;
    authority.requests.length = 0;
    const names = [[`a${authority.issued.length}.example`]];
    const one = await world.keeper(authority, time, { names });
    await one.keeper.start();
    await passUntil(one, "renewed", { ms: 5 * DAY, stepMs: HOUR });
    const asked = authority.requests.filter(({ path }) => path.startsWith("/renewal/")).length;
    assert(asked >= 10 && asked <= 20, `${asked} questions in 4 days`);
    await one.keeper.stop();
  }
});

test("failures back off within five tries an hour, are told, and keep the old certificate", async (t) => {
  const { world, time, authority } = await setUp(t, { lifetimeMs: 6 * DAY });
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  authority.settings.intercept = outage(403, "unauthorized");
  const first = await passUntil(one, "failed", { ms: 5 * DAY, stepMs: HOUR });
  assert.match(first.reason, /unauthorized: no/);
  assert.equal(first.notAfter, one.files[0]?.notAfter);
  const begins = [time.now()];
  for (let count = 0; count < 9; count += 1) {
    await passUntil(one, "failed", { ms: 7 * HOUR });
    begins.push(time.now());
  }
  for (const begin of begins)
    assert(begins.filter((at) => at >= begin && at < begin + HOUR).length <= 5);
  assert(begins.length === 10 && (begins[9] ?? 0) - (begins[0] ?? 0) < 12 * HOUR);
  assert.equal(one.files.length, 1);
  const [status] = one.keeper.status();
  assert(status?.isValid === true && status.failures === 10 && status.reason !== "");
  // The authority is back.
  authority.settings.intercept = () => null;
  await passUntil(one, "renewed", { ms: 7 * HOUR });
  assert.equal(one.keeper.status()[0]?.failures, 0);
});

test("a server that is started again and again keeps to the tries of the hour", async (t) => {
  const { world, time, authority } = await setUp(t);
  authority.settings.challengeTypes = [];
  let waiting = 0;
  for (let count = 0; count < 8; count += 1) {
    const one = await world.keeper(authority, time);
    await one.keeper.start();
    await one.keeper.stop();
    time.shift(MINUTE);
    const [event] = one.events;
    assert(event?.kind === "failed" || event?.kind === "waiting", "silent");
    assert.match(event.reason, /noChallenge/);
    if (event.kind === "waiting") waiting += 1;
  }
  assert(waiting >= 3, `${waiting} starts had to wait`);
  assert(orders(authority) >= 2 && orders(authority) <= 5, `${orders(authority)} orders`);
});

test("Retry-After of a rate limit is honoured", async (t) => {
  const { world, time, authority } = await setUp(t);
  authority.settings.intercept = ({ path }) =>
    path === "/order" ? outage(429, "rateLimited", { "retry-after": "10800" })() : null;
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  const [failed] = one.events;
  assert(failed?.kind === "failed");
  assert.equal(failed.retryAt, time.now() + 3 * HOUR);
  authority.settings.intercept = () => null;
  const began = time.now();
  await passUntil(one, "ordered", { ms: 4 * HOUR });
  assert(time.now() - began >= 3 * HOUR);
});

test("the second issuer helps after three failures, and the first one has the next renewal", async (t) => {
  const { world, time, authority } = await setUp(t, { lifetimeMs: 6 * DAY });
  const second = await world.authority(time, { lifetimeMs: 6 * DAY });
  authority.settings.intercept = () => "drop";
  const issuers = [issuerOf(authority), issuerOf(second)];
  const one = await world.keeper(authority, time, { issuers });
  await one.keeper.start();
  const ordered = await passUntil(one, "ordered", { ms: HOUR });
  assert.equal(ordered.issuer, second.directoryUrl);
  assert.equal(one.events.filter(({ kind }) => kind === "failed").length, 3);
  authority.settings.intercept = () => null;
  const renewed = await passUntil(one, "renewed", { ms: 6 * DAY, stepMs: HOUR });
  assert.equal(renewed.issuer, authority.directoryUrl);
});

test("another authority in the options is asked at once: a staging certificate does not stay", async (t) => {
  const { world, time, authority } = await setUp(t);
  const staging = await world.authority(time);
  const one = await world.keeper(staging, time);
  await one.keeper.start();
  await one.keeper.stop();
  const two = await world.keeper(authority, time);
  await two.keeper.start();
  await until("the certificate is ordered", () => authority.issued.length === 1);
  assert.equal(staging.issued.length, 1);
});

test("two keepers with one folder make one order, and both have its certificate", async (t) => {
  const { world, time, authority } = await setUp(t);
  const gate = Promise.withResolvers<void>();
  world.gate = gate.promise;
  const one = await world.keeper(authority, time);
  const two = await world.keeper(authority, makeTime());
  const started = one.keeper.start();
  await until("an order is checked", () =>
    authority.requests.some(({ path }) => path.startsWith("/challenges/")),
  );
  const other = two.keeper.start();
  const locked = await until("it is locked", () =>
    two.events.find(({ kind }) => kind === "locked"),
  );
  assert(locked.kind === "locked" && /^process \d+ on /.test(locked.holder));
  // The authority reaches the other machine, which responds from the folder.
  assert.equal(world.reachable.at(-1), two.keeper);
  gate.resolve();
  await Promise.all([started, other]);
  assert.deepEqual(two.files, one.files);
  assert.equal(orders(authority), 1);
  assert.equal(authority.accounts.size, 1);
  assert(two.events.some(({ kind }) => kind === "adopted"));

  // And so with the renewal: whoever is first.
  const begun = time.now();
  await passUntil(one, "renewed", { ms: 90 * DAY, stepMs: DAY });
  two.time.shift(time.now() - begun);
  await passUntil(two, "adopted", { ms: HOUR });
  assert.equal(two.files.at(-1)?.chainPem, one.files.at(-1)?.chainPem);
  assert.equal(orders(authority), 2);
});

test("damaged files are told and made anew, and end nothing", async (t) => {
  const { world, time, authority } = await setUp(t);
  const first = await world.keeper(authority, time);
  await first.keeper.start();
  await first.keeper.stop();
  const good = readFileSync(fileOf(first, ".pem"), "utf8");
  const [key = ""] = good.split("-----BEGIN CERTIFICATE");
  const damages: readonly (readonly [string, string, RegExp])[] = [
    [".pem", "", /contains no certificate/],
    [".pem", good.slice(0, -300), /cut off/],
    [".pem", good.slice(key.length), /private key cannot be read/],
    [".pem", good.replaceAll(/[A-Za-z0-9]{20}/g, "A".repeat(20)), /cannot be read|contains no/],
    [".json", "{", /not a record/],
    [".json", "[]", /not a record/],
  ];
  for (const [ending, text, reason] of damages) {
    const issued = authority.issued.length;
    time.shift(2 * HOUR);
    writeFileSync(fileOf(first, ending), text);
    const one = await world.keeper(authority, time);
    const told = one.events.find(({ kind }) => kind === "damaged");
    assert(told?.kind === "damaged", `not told: ${text.slice(0, 40)}`);
    assert.match(told.reason, reason);
    await one.keeper.start();
    await until("a new one is there", () => authority.issued.length > issued);
    await idle(one);
    assert(one.keeper.status()[0]?.isValid === true);
    await one.keeper.stop();
  }
});

test("a damaged account is kept aside, and a new one made", async (t) => {
  const { world, time, authority } = await setUp(t);
  const first = await world.keeper(authority, time);
  await first.keeper.start();
  await first.keeper.stop();
  const accounts = join(world.folder, "accounts");
  const [name = ""] = readdirSync(accounts);
  writeFileSync(join(accounts, name), "{}");
  rmSync(fileOf(first, ".pem"));
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  assert.equal(authority.accounts.size, 2);
  assert.deepEqual(readdirSync(accounts).sort(), [name, `${name}.damaged`]);
  assert.deepEqual(one.events.map(({ kind }) => kind).sort(), ["damaged", "ordered"]);
});

test("a damaged file while the server runs changes nothing in use", async (t) => {
  const { world, time, authority } = await setUp(t);
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  writeFileSync(fileOf(one, ".pem"), "nothing");
  const told = await passUntil(one, "damaged", { ms: HOUR });
  assert.match(told.reason, /no certificate/);
  assert.equal(one.files.length, 1);
  assert(one.keeper.status()[0]?.isValid === true);
});

test("a folder that cannot be written to costs no certificate: it is used, and written later", async (t) => {
  const { world, time, authority } = await setUp(t);
  const one = await world.keeper(authority, time, {
    // The folder goes away between the order and the write.
    onCertificate: () => rmSync(join(world.folder, "certificates"), { recursive: true }),
  });
  await one.keeper.start();
  assert.equal(one.files.length, 1);
  assert.deepEqual(one.events.map(({ kind }) => kind).sort(), ["ordered", "unsaved", "unsaved"]);
  mkdirSync(join(world.folder, "certificates"), { mode: 0o700 });
  await idle(one);
  await time.advance(MINUTE);
  await until("it is written", () => existsSync(fileOf(one, ".pem")) && fileOf(one, ".pem") !== "");
  await idle(one);
  assert.equal(orders(authority), 1);
  assert.match(readFileSync(fileOf(one, ".pem"), "utf8"), /BEGIN PRIVATE KEY[^]*BEGIN CERTIFICATE/);
});

test("an expired certificate serves until its successor comes", async (t) => {
  const { world, time, authority } = await setUp(t, { lifetimeMs: 6 * DAY });
  const first = await world.keeper(authority, time);
  await first.keeper.start();
  await first.keeper.stop();
  time.shift(30 * DAY);
  const one = await world.keeper(authority, time);
  assert.equal(one.files.length, 1);
  assert(one.keeper.status()[0]?.isValid === false);
  await one.keeper.start();
  assert.equal(one.files.length, 2);
});

test("a clock that jumps ends no renewal: forward it comes early, back the pause is over", async (t) => {
  const { world, time, authority } = await setUp(t, { lifetimeMs: 6 * DAY });
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  time.shift(400 * DAY);
  await passUntil(one, "renewed", { ms: HOUR });
  time.shift(-400 * DAY);
  // Now the certificate in use begins in the future, as it seems.
  await passUntil(one, "renewed", { ms: 2 * HOUR });
  assert(one.keeper.status()[0]?.isValid === true);
  authority.settings.intercept = outage(403, "unauthorized");
  time.shift(5 * DAY);
  const failed = await passUntil(one, "failed", { ms: HOUR });
  assert(failed.retryAt > time.now());
  authority.settings.intercept = () => null;
  time.shift(-200 * DAY);
  await passUntil(one, "renewed", { ms: HOUR });
});

test("an authority whose certificate is not valid here is told, and nothing is replaced", async (t) => {
  const { world, time, authority } = await setUp(t);
  authority.settings.now = () => time.now() + 30 * DAY;
  const one = await world.keeper(authority, time);
  await one.keeper.start();
  const [failed] = one.events;
  assert(failed?.kind === "failed");
  assert.match(failed.reason, /is this machine's clock right\?/);
  assert.deepEqual(one.files, []);
});

test("a callback that throws ends neither the order nor the keeper", async (t) => {
  const { world, time, authority } = await setUp(t);
  const one = await world.keeper(authority, time, {
    onCertificate: () => {
      throw new Error("no\nroom");
    },
  });
  await one.keeper.start();
  assert.deepEqual(
    one.events.map(({ kind }) => kind),
    ["unused", "ordered"],
  );
  assert(one.events[0]?.kind === "unused" && one.events[0].reason === "no?room");
});

test("stop() in the middle of an order removes its challenge and its lock", async (t) => {
  const { world, time, authority } = await setUp(t);
  const gate = Promise.withResolvers<void>();
  world.gate = gate.promise;
  const one = await world.keeper(authority, time);
  const started = one.keeper.start();
  await until("an order is checked", () =>
    authority.requests.some(({ path }) => path.startsWith("/challenges/")),
  );
  await one.keeper.stop();
  await started;
  gate.resolve();
  for (const name of ["challenges", "locks"])
    assert.deepEqual(readdirSync(join(world.folder, name)), []);
  assert.deepEqual(one.events, []);
});

test("a second type of challenge is tried where the first one fails", async (t) => {
  const { world, time, authority } = await setUp(t);
  authority.settings.httpPort = 1;
  const one = await world.keeper(authority, time, { ports: { http: true, https: true } });
  await one.keeper.start();
  assert.equal(one.events[0]?.kind, "failed");
  await passUntil(one, "ordered", { ms: HOUR });
});

test("a process that is killed in the middle of an order holds no other one back", async (t) => {
  const { world, time, authority } = await setUp(t);
  const gate = Promise.withResolvers<void>();
  world.gate = gate.promise;
  const { directoryUrl, caRoot } = authority;
  const options = { folder: world.folder, directoryUrl, caRoot, names: "example.com" };
  const script = join(CHECKOUT, "test/support/keep.ts");
  const child = spawn(process.execPath, [script, JSON.stringify(options)]);
  t.after(() => child.kill("SIGKILL"));
  await until("the other process orders", () =>
    authority.requests.some(({ path }) => path.startsWith("/challenges/")),
  );
  const one = await world.keeper(authority, time);
  const started = one.keeper.start();
  await until("it is locked", () => one.events.some(({ kind }) => kind === "locked"));
  child.kill("SIGKILL");
  await once(child, "exit");
  gate.resolve();
  await started;
  assert.deepEqual(
    one.events.map(({ kind }) => kind),
    ["locked", "ordered"],
  );
  assert.equal(authority.accounts.size, 1);
});
