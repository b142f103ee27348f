// The client against an authority in the same process: accounts, orders, challenges by real connections, and
// what an authority may refuse, say wrongly, or not say.

import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { before, test } from "node:test";

import { AcmeError } from "../../src/acme/acme-error.ts";
import { AcmeClient, type AcmeClientOptions } from "../../src/acme/client.ts";
import type { Identifier } from "../../src/acme/identifier.ts";
import { certificateId } from "../../src/acme/renewal-info.ts";
import { makeCsr } from "../../src/x509/csr.ts";
import {
  startAuthority,
  type AuthoritySettings,
  type TestAuthority,
} from "../support/acme-authority.ts";
import { TestResponder } from "../support/acme-responder.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";

const responder = new TestResponder();
const shared: { authority: TestAuthority | null } = { authority: null };
const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

before(async () => {
  await responder.start(FILE);
  shared.authority = await startAuthority(FILE);
});

/** The authority with usual settings, but for those named here. */
function authorityWith(settings: Partial<AuthoritySettings> = {}): TestAuthority {
  const { authority } = shared;
  assert(authority !== null);
  Object.assign(authority.settings, USUAL, {
    httpPort: responder.httpPort,
    tlsPort: responder.tlsPort,
    txtRecords: (name: string) => responder.txtRecords(name),
    ...settings,
  });
  authority.requests.length = 0;
  responder.calls.length = 0;
  responder.kinds = ["http-01", "tls-alpn-01", "dns-01"];
  responder.onPresent = () => {};
  responder.onRemove = () => {};
  return authority;
}

const USUAL: Partial<AuthoritySettings> = {
  challengeTypes: ["http-01", "tls-alpn-01", "dns-01"],
  nonceErrors: 0,
  notReadyErrors: 0,
  keepsPending: false,
  processingLooks: 0,
  retryAfter: "",
  eab: null,
  profiles: {},
  renewal: null,
  renewalRetryAfter: "",
  hasAlternate: false,
  intercept: () => null,
  change: (_path, body) => body,
  loseResponse: () => false,
};

/** A client whose waits take no time, and are noted. */
function makeClient(
  authority: TestAuthority,
  options: Partial<AcmeClientOptions> = {},
  waits: number[] = [],
): AcmeClient {
  let clock = Date.now();
  return new AcmeClient({
    directoryUrl: authority.directoryUrl,
    caRoot: authority.caRoot,
    accountKey: key,
    email: "",
    eab: null,
    userAgent: "typhon-test",
    now: () => clock,
    delay: async (ms) => {
      waits.push(ms);
      clock += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
    ...options,
  });
}

async function readyClient(
  authority: TestAuthority,
  options: Partial<AcmeClientOptions> = {},
  waits: number[] = [],
): Promise<AcmeClient> {
  const client = makeClient(authority, options, waits);
  await client.ensureAccount(null, NEVER);
  return client;
}

const NEVER = new AbortController().signal;
const dns = (value: string): Identifier => ({ type: "dns", value });
const ip = (value: string): Identifier => ({ type: "ip", value });

function makeRequest(...identifiers: readonly Identifier[]) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const csr = makeCsr(
    identifiers.map(({ value }) => value),
    privateKey,
  );
  return { identifiers, csr, profile: "", replaces: "" };
}

/** The error that a promise rejects with. */
async function errorOf(promise: Promise<unknown>): Promise<AcmeError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof AcmeError, `not refused by an AcmeError: ${String(error)}`);
  return error;
}

// Accounts

test("an account is created once and found again, by its key or by its URL", async () => {
  const authority = authorityWith();
  const accountKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const url = await makeClient(authority, { accountKey }).ensureAccount(null, NEVER);
  assert.match(url, /\/accounts\/\d+$/);
  assert.equal(await makeClient(authority, { accountKey }).ensureAccount(null, NEVER), url);
  const count = authority.requests.filter(({ path }) => path === "/account").length;
  assert.equal(await makeClient(authority, { accountKey }).ensureAccount(url, NEVER), url);
  assert.equal(authority.requests.filter(({ path }) => path === "/account").length, count);
  assert(authority.requests.every(({ userAgent }) => userAgent === "typhon-test"));
});

test("an account that the authority does not know is created again", async () => {
  const authority = authorityWith();
  const lost = authority.directoryUrl.replace("directory", "accounts/999");
  const url = await makeClient(authority).ensureAccount(lost, NEVER);
  assert.notEqual(url, lost);
});

test("a changed address is told to the authority", async () => {
  const authority = authorityWith();
  const accountKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const first = makeClient(authority, { accountKey, email: "one@example.com" });
  const url = await first.ensureAccount(null, NEVER);
  const contact = (): unknown => authority.accounts.get(url)?.contact;
  assert.deepEqual(contact(), ["mailto:one@example.com"]);
  await makeClient(authority, { accountKey, email: "two@example.com" }).ensureAccount(url, NEVER);
  assert.deepEqual(contact(), ["mailto:two@example.com"]);
  const found = makeClient(authority, { accountKey, email: "three@example.com" });
  await found.ensureAccount(null, NEVER);
  assert.deepEqual(contact(), ["mailto:three@example.com"]);
});

test("a deactivated account is an error that does not pass", async () => {
  const authority = authorityWith();
  const accountKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const url = await makeClient(authority, { accountKey }).ensureAccount(null, NEVER);
  const account = authority.accounts.get(url);
  assert(account !== undefined);
  account.status = "deactivated";
  for (const known of [url, null]) {
    const error = await errorOf(makeClient(authority, { accountKey }).ensureAccount(known, NEVER));
    assert.equal(error.type, "unauthorized");
    assert.equal(error.isRetryable, false);
  }
});

test("an external account is bound by its key; without one the error says so", async () => {
  const eab = { kid: "kid-1", hmacKey: Buffer.alloc(32, 5) };
  const authority = authorityWith({ eab });
  const accountKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const without = await errorOf(makeClient(authority, { accountKey }).ensureAccount(null, NEVER));
  assert.equal(without.type, "externalAccountRequired");
  assert.equal(without.isRetryable, false);
  const wrong = { kid: "kid-1", hmacKey: Buffer.alloc(32, 6) };
  const refused = makeClient(authority, { accountKey, eab: wrong });
  assert.equal((await errorOf(refused.ensureAccount(null, NEVER))).type, "unauthorized");
  await makeClient(authority, { accountKey, eab }).ensureAccount(null, NEVER);
});

// Orders

test("a certificate for names is issued by http-01", async () => {
  const authority = authorityWith({ processingLooks: 2 });
  const client = await readyClient(authority);
  const request = makeRequest(dns("example.com"), dns("www.example.com"));
  const { chain, alternates } = await client.order(request, responder, NEVER);
  const leaf = new X509Certificate(chain);
  assert.equal(leaf.subjectAltName, "DNS:example.com, DNS:www.example.com");
  assert(leaf.verify(authority.root.publicKey));
  assert.equal(chain.match(/BEGIN/g)?.length, 2);
  assert.deepEqual(alternates, []);
  assert.deepEqual(responder.calls, [
    "present http-01 example.com",
    "present http-01 www.example.com",
    "remove http-01 example.com",
    "remove http-01 www.example.com",
  ]);
  assert.equal(responder.presented.size, 0);
});

test("a certificate for addresses is issued by tls-alpn-01 (RFC 8738)", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  responder.kinds = ["tls-alpn-01"];
  const request = makeRequest(ip("192.0.2.7"), ip("2001:db8::7"), dns("example.com"));
  const { chain } = await client.order(request, responder, NEVER);
  const leaf = new X509Certificate(chain);
  assert.equal(leaf.checkIP("2001:db8::7"), "2001:db8::7");
  assert.equal(responder.calls.filter((call) => call.startsWith("present tls-alpn-01")).length, 3);
});

test("a wildcard and its name are proved by two TXT records of one name", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  responder.kinds = ["dns-01"];
  const request = makeRequest(dns("*.example.com"), dns("example.com"));
  const { chain } = await client.order(request, responder, NEVER);
  assert.equal(new X509Certificate(chain).checkHost("any.example.com"), "*.example.com");
  assert.equal(responder.calls.filter((call) => call === "present dns-01 example.com").length, 2);
});

test("other chains are offered to the caller; a broken one costs nothing", async () => {
  const authority = authorityWith({ hasAlternate: true });
  const client = await readyClient(authority);
  const good = await client.order(makeRequest(dns("example.com")), responder, NEVER);
  assert.equal(good.alternates.length, 1);
  assert.notEqual(good.alternates[0], good.chain);
  authority.settings.intercept = ({ path }) =>
    path.endsWith("-other") ? { status: 200, body: "no chain" } : null;
  const other = await client.order(makeRequest(dns("example.com")), responder, NEVER);
  assert.deepEqual(other.alternates, []);
});

test("a failed check names each identifier that failed, and every challenge is removed", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  responder.onPresent = ({ identifier }) => {
    if (identifier.value !== "good.example.com") authority.settings.httpPort = 1;
  };
  const request = makeRequest(dns("one.example.com"), dns("two.example.com"));
  const error = await errorOf(client.order(request, responder, NEVER));
  assert.equal(error.type, "challengeFailed");
  assert.equal(error.isRetryable, true);
  assert.deepEqual(
    error.subproblems.map(({ type, identifier }) => [type, identifier?.value]),
    [
      ["connection", "one.example.com"],
      ["connection", "two.example.com"],
    ],
  );
  assert.match(error.message, /one\.example\.com: connection: .*ECONNREFUSED/);
  assert.equal(responder.presented.size, 0);
});

test("a check that failed is asked for again where the challenge stays pending, three times in all", async () => {
  const authority = authorityWith({ keepsPending: true, httpPort: 1 });
  const waits: number[] = [];
  const client = await readyClient(authority, {}, waits);
  const checks = (): number =>
    authority.requests.filter(({ path }) => path.startsWith("/challenges")).length;
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "challengeFailed");
  assert.match(error.message, /example\.com: connection: .*ECONNREFUSED/);
  assert.equal(checks(), 3);
  assert.deepEqual(
    waits.filter((ms) => ms >= 5000),
    [5000, 10_000],
  );
  authority.settings.intercept = ({ path }) => {
    if (path.startsWith("/challenges") && checks() === 6)
      authority.settings.httpPort = responder.httpPort;
    return null;
  };
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
  assert.equal(checks(), 6);
});

test("a check that never ends is told as such", async () => {
  const authority = authorityWith({
    change: (path, body) =>
      path.startsWith("/authorizations/")
        ? { ...readRecord(JSON.stringify(body)), status: "pending" }
        : body,
  });
  const client = await readyClient(authority);
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.match(
    error.message,
    /challengeFailed: .*; example\.com: timeout: the authorization is pending/,
  );
});

test("a responder that fails ends the order with its own error, and what was begun is removed", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  responder.onPresent = ({ identifier }) => {
    if (identifier.value === "two.example.com") throw new Error("the hook failed");
  };
  const names = ["one.example.com", "two.example.com", "three.example.com"].map(dns);
  await assert.rejects(client.order(makeRequest(...names), responder, NEVER), /the hook failed/);
  assert.deepEqual(
    responder.calls.filter((call) => call.startsWith("remove")),
    ["remove http-01 one.example.com", "remove http-01 two.example.com"],
  );
});

test("a challenge that cannot be removed does not cost the certificate", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  responder.onRemove = () => {
    throw new Error("the hook failed");
  };
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
});

test("an identifier without a possible challenge is an error that does not pass", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  responder.kinds = ["http-01"];
  const error = await errorOf(client.order(makeRequest(dns("*.example.com")), responder, NEVER));
  assert.equal(error.type, "noChallenge");
  assert.equal(error.isRetryable, false);
  assert.match(error.detail, /\*\.example\.com: the authority offers dns-01; possible here: none/);
});

test("an abort ends an order with its reason and removes what was presented", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  const controller = new AbortController();
  const reason = new Error("the server stops");
  responder.onPresent = () => controller.abort(reason);
  const order = client.order(makeRequest(dns("example.com")), responder, controller.signal);
  await assert.rejects(order, (error) => error === reason);
  assert.equal(responder.presented.size, 0);
  const account = client.ensureAccount(null, controller.signal);
  await assert.rejects(account, (error) => error === reason);
});

test("an order with no identifier, or with more than 100, is refused here", async () => {
  const client = await readyClient(authorityWith());
  await assert.rejects(client.order(makeRequest(), responder, NEVER), RangeError);
  const many = Array.from({ length: 101 }, (_, index) => dns(`n${index}.example.com`));
  const request = { ...makeRequest(dns("example.com")), identifiers: many };
  await assert.rejects(client.order(request, responder, NEVER), RangeError);
});

// Nonces, waits and tries

test("a refused nonce is replaced, up to ten tries of a request", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  authority.settings.nonceErrors = 9;
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
  authority.settings.nonceErrors = 10;
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "badNonce");
  assert.equal(error.isRetryable, true);
});

test("Retry-After in seconds and as a date decides when the client looks again", async () => {
  for (const [retryAfter, wanted] of [
    ["7", 7000],
    [() => new Date(Date.now() + 20_000).toUTCString(), 20_000],
    ["900", 30_000],
    ["soon", 1000],
  ] as const) {
    const authority = authorityWith({
      processingLooks: 1,
      retryAfter: typeof retryAfter === "string" ? retryAfter : retryAfter(),
    });
    const waits: number[] = [];
    const client = await readyClient(authority, { now: Date.now }, waits);
    await client.order(makeRequest(dns("example.com")), responder, NEVER);
    const [first = 0] = waits;
    assert(first <= wanted && first > wanted - 2000, `${String(retryAfter)}: ${waits.join()}`);
  }
});

test("an order that never becomes valid ends within a bound", async () => {
  const authority = authorityWith({ processingLooks: Number.MAX_SAFE_INTEGER });
  const waits: number[] = [];
  const client = await readyClient(authority, {}, waits);
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "timeout");
  assert.equal(error.isRetryable, true);
  const total = waits.reduce((sum, ms) => sum + ms, 0);
  assert(total >= 600_000 && total < 700_000, String(total));
});

test("an order that is not ready yet is finalized again", async () => {
  const authority = authorityWith({ notReadyErrors: 2 });
  const client = await readyClient(authority);
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
  authority.settings.notReadyErrors = 3;
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "orderNotReady");
});

test("a read that fails is tried four times, a change once", async () => {
  const authority = authorityWith();
  const waits: number[] = [];
  const client = await readyClient(authority, {}, waits);
  let failures = 3;
  authority.settings.intercept = ({ path }) => {
    if (!path.startsWith("/authorizations") || failures === 0) return null;
    failures -= 1;
    return failures === 1 ? "drop" : { status: 500, body: "<html>" };
  };
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
  assert.deepEqual(waits.slice(0, 3), [1000, 2000, 4000]);

  authority.settings.intercept = ({ path }) => (path === "/order" ? { status: 500 } : null);
  authority.requests.length = 0;
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "malformedResponse");
  assert.equal(error.status, 500);
  assert.equal(authority.requests.filter(({ path }) => path === "/order").length, 1);
});

test("a request whose response is lost costs no certificate", async () => {
  const authority = authorityWith({ processingLooks: 1 });
  const client = await readyClient(authority);
  for (const lost of ["/challenges", "/finalize", "/authorizations", "/certificates"]) {
    authority.settings.loseResponse = (path) => {
      if (!path.startsWith(lost)) return false;
      authority.settings.loseResponse = () => false;
      return true;
    };
    const issued = authority.issued.length;
    await client.order(makeRequest(dns("example.com")), responder, NEVER);
    assert.equal(authority.issued.length, issued + 1, lost);
  }
  const accountKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  let losses = 1;
  authority.settings.loseResponse = (path) => path === "/account" && losses-- > 0;
  const count = authority.accounts.size;
  await makeClient(authority, { accountKey }).ensureAccount(null, NEVER);
  assert.equal(authority.accounts.size, count + 1);
});

test("a finalize request that never arrives is sent again", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  let losses = 2;
  authority.settings.intercept = ({ path }) =>
    path.startsWith("/finalize") && losses-- > 0 ? "drop" : null;
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
});

test("an authority that is away is asked four times in all", async () => {
  const authority = authorityWith();
  const waits: number[] = [];
  const client = await readyClient(authority, {}, waits);
  authority.requests.length = 0;
  authority.settings.intercept = () => "drop";
  assert.equal((await errorOf(client.ensureAccount(null, NEVER))).type, "connection");
  // The kept nonce is used up by the first try; each further one asks for a nonce first.
  const paths = authority.requests.map(({ path }) => path);
  assert.deepEqual(paths, ["/account", "/nonce", "/nonce", "/nonce"]);
  assert.deepEqual(waits, [1000, 2000, 4000]);
});

test("orders at the same time share nonces and the account", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  const count = authority.issued.length;
  const names = Array.from({ length: 12 }, (_, index) => dns(`n${index}.example.com`));
  await Promise.all(names.map((name) => client.order(makeRequest(name), responder, NEVER)));
  assert.equal(authority.issued.length, count + 12);
});

test("a look at the account during an order leaves the order alone", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  const lost = authority.directoryUrl.replace("directory", "accounts/999");
  const order = client.order(makeRequest(dns("example.com")), responder, NEVER);
  await Promise.all([order, client.ensureAccount(lost, NEVER)]);
});

test("an order without an account is told as such", async () => {
  const client = makeClient(authorityWith());
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "accountDoesNotExist");
});

test("an order has half an hour in all", async (t) => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  responder.onPresent = () => t.mock.timers.tick(1_800_000);
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "timeout");
  assert.match(error.detail, /an order of more than 1800000 ms/);
  assert.equal(responder.presented.size, 0);
});

test("a rate limit is waited for where it is short, and told where it is long", async () => {
  const authority = authorityWith();
  const waits: number[] = [];
  const client = await readyClient(authority, {}, waits);
  let seconds = "5";
  let refusals = 1;
  authority.settings.intercept = ({ path }) => {
    if (path !== "/order" || refusals === 0) return null;
    refusals -= 1;
    const type = "urn:ietf:params:acme:error:rateLimited";
    const body = JSON.stringify({ type, detail: "too many" });
    return { status: 429, headers: { "retry-after": seconds }, body };
  };
  await client.order(makeRequest(dns("example.com")), responder, NEVER);
  assert.equal(waits[0], 5000);
  seconds = "3600";
  refusals = 1;
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "rateLimited");
  assert.equal(error.retryAfterMs, 3_600_000);
  assert.equal(error.isRetryable, true);
});

// Profiles and renewal

test("an order names a profile of the directory, and no other", async () => {
  const authority = authorityWith({ profiles: { shortlived: "six days", classic: "ninety" } });
  const client = await readyClient(authority);
  assert.deepEqual(
    [...(await client.profiles(NEVER))],
    [
      ["shortlived", "six days"],
      ["classic", "ninety"],
    ],
  );
  const request = { ...makeRequest(dns("example.com")), profile: "shortlived" };
  await client.order(request, responder, NEVER);
  assert.equal(authority.issued.at(-1)?.profile, "shortlived");
  const error = await errorOf(client.order({ ...request, profile: "other" }, responder, NEVER));
  assert.equal(error.type, "invalidProfile");
  assert.match(error.detail, /the authority's profiles: shortlived, classic/);
});

test("a renewal names what it replaces; where that is refused, the order goes without", async () => {
  const authority = authorityWith({ renewal: () => ({}) });
  const client = await readyClient(authority);
  const first = await client.order(makeRequest(dns("example.com")), responder, NEVER);
  const replaces = certificateId(new X509Certificate(first.chain));
  const order = async (id: string): Promise<string | undefined> => {
    await client.order({ ...makeRequest(dns("example.com")), replaces: id }, responder, NEVER);
    return authority.issued.at(-1)?.replaces;
  };
  assert.equal(await order(replaces), replaces);
  assert.equal(await order(replaces), "", "alreadyReplaced");
  assert.equal(await order("AAAA.BBBB"), "", "not this authority's");
  const withoutInfo = authorityWith();
  await (
    await readyClient(withoutInfo)
  ).order({ ...makeRequest(dns("example.com")), replaces }, responder, NEVER);
  const sent = withoutInfo.requests.find(({ path }) => path === "/order");
  assert.equal(readRecord(sent?.payload ?? "")["replaces"], undefined);
});

test("renewal information is a window, and when to ask again", async () => {
  const start = "2026-03-01T00:00:00Z";
  const end = "2026-03-02T00:00:00Z";
  const explanationURL = "https://ca.example/why\n";
  const authority = authorityWith({
    renewal: () => ({ suggestedWindow: { start, end }, explanationURL }),
    renewalRetryAfter: "21600",
  });
  const client = await readyClient(authority);
  const { chain } = await client.order(makeRequest(dns("example.com")), responder, NEVER);
  const certificate = new X509Certificate(chain);
  const ask = () => client.renewalInfo(certificate, NEVER);
  assert.deepEqual(await ask(), {
    start: Date.parse(start),
    end: Date.parse(end),
    retryAfterMs: 21_600_000,
    explanationUrl: "https://ca.example/why?",
  });
  const askAfter = async (field: string): Promise<number | undefined> => {
    authority.settings.renewalRetryAfter = field;
    return (await ask())?.retryAfterMs;
  };
  assert.equal(await askAfter("1"), 60_000);
  assert.equal(await askAfter("99999999"), 86_400_000);
  assert.equal(await askAfter(""), 21_600_000);
  for (const suggestedWindow of [undefined, { start: end, end: start }, { start: "x", end }]) {
    authority.settings.renewal = () => ({ suggestedWindow });
    assert.equal((await errorOf(ask())).type, "malformedResponse");
  }
});

test("an authority without renewal information has none", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  const { chain } = await client.order(makeRequest(dns("example.com")), responder, NEVER);
  assert.equal(await client.renewalInfo(new X509Certificate(chain), NEVER), null);
});

// What an authority says wrongly

const DIRECTORIES = {
  "no JSON": { status: 200, body: "<html>" },
  "an array": { status: 200, body: "[]" },
  "no resources": { status: 200, body: "{}" },
  "a redirect": { status: 302, headers: { location: "https://other.example/" } },
  "a body of 2 MiB": { status: 200, body: " ".repeat(2 ** 21) },
  "plain HTTP": {
    status: 200,
    body: '{"newNonce":"http://ca.example/","newAccount":"http://ca.example/","newOrder":"x"}',
  },
  "a file": {
    status: 200,
    body: '{"newNonce":"file:///etc/passwd","newAccount":"data:,","newOrder":"x"}',
  },
};
for (const [name, reply] of Object.entries(DIRECTORIES))
  test(`a directory that is ${name} is refused`, async () => {
    const authority = authorityWith({
      intercept: ({ path }) => (path === "/directory" ? reply : null),
    });
    const error = await errorOf(makeClient(authority).ensureAccount(null, NEVER));
    assert.equal(error.type, "malformedResponse");
    assert.equal(error.isRetryable, true);
  });

/** Responses at a path with other members → the type that an order fails with. */
const BODIES: Readonly<
  Record<string, readonly [path: string, members: object | string, type?: string]>
> = {
  "an order without authorizations": ["/order", { authorizations: undefined }],
  "an order with 101 authorizations": ["/order", { authorizations: Array(101).fill("") }],
  "an authorization elsewhere": ["/order", { authorizations: ["http://ca.example/1"] }],
  "an authorization for another name": [
    "/authorizations",
    { identifier: { type: "dns", value: "../evil\n.example" } },
  ],
  "an authorization that is no object": ["/authorizations", "<html>"],
  "a token that is a path": [
    "/authorizations",
    { challenges: [{ type: "http-01", url: "", token: "../../../../etc/passwd/" }] },
  ],
  "a token that is guessed": [
    "/authorizations",
    { challenges: [{ type: "http-01", url: "", token: "short" }] },
  ],
  "no challenge": ["/authorizations", { challenges: "x" }, "noChallenge"],
  "an order with another status": ["/orders", { status: "lost" }, "orderInvalid"],
  "an order that is invalid": [
    "/orders",
    { status: "invalid", error: { type: "urn:ietf:params:acme:error:caa", detail: "CAA" } },
    "caa",
  ],
  "a chain that is none": [
    "/certificates",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
  ],
  "a chain without certificates": ["/certificates", ""],
};
for (const [name, [at, members, type = "malformedResponse"]] of Object.entries(BODIES))
  test(`${name} ends the order`, async () => {
    const authority = authorityWith();
    const client = await readyClient(authority);
    authority.settings.change = (path, body) =>
      path === at || path.startsWith(`${at}/`)
        ? typeof members === "string"
          ? members
          : { ...readRecord(JSON.stringify(body)), ...members }
        : body;
    const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
    assert.equal(error.type, type);
    assert.doesNotMatch(error.message, /[\r\n]/);
    assert.equal(responder.presented.size, 0);
  });

test("a certificate for another key is not taken", async () => {
  const authority = authorityWith();
  const client = await readyClient(authority);
  const earlier = await client.order(makeRequest(dns("example.com")), responder, NEVER);
  authority.settings.change = (path, body) =>
    path.startsWith("/certificates") ? earlier.chain : body;
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.detail, "a certificate for another key");
});

test("a problem document is told in one printable line of bounded length", async () => {
  const detail = `line\r\n\u001b[31mred\u2028\u202e${"x".repeat(5000)}`;
  const type = "urn:ietf:params:acme:error:rejectedIdentifier";
  const subproblems = Array.from({ length: 200 }, () => ({
    type,
    detail: "no\n",
    identifier: { type: "dns", value: "a\nb" },
  }));
  const authority = authorityWith({
    intercept: ({ path }) =>
      path === "/order"
        ? { status: 403, body: JSON.stringify({ type, detail, subproblems }) }
        : null,
  });
  const client = await readyClient(authority);
  const error = await errorOf(client.order(makeRequest(dns("example.com")), responder, NEVER));
  assert.equal(error.type, "rejectedIdentifier");
  assert.equal(error.isRetryable, false);
  assert.doesNotMatch(error.message, /[\p{C}\p{Zl}]/u);
  assert(error.message.length < 1000, error.message);
  assert.equal(error.subproblems.length, 100);
  assert.match(error.message, /; a\?b: rejectedIdentifier: no\?; .*and 95 more$/);
});

test("an authority that cannot be reached is told with its address", async () => {
  const authority = authorityWith();
  const unreachable = { directoryUrl: "https://127.0.0.1:1/directory" };
  const error = await errorOf(makeClient(authority, unreachable).ensureAccount(null, NEVER));
  assert.equal(error.type, "connection");
  assert.match(error.message, /127\.0\.0\.1:1.*ECONNREFUSED/);
});

test("a root that is not the authority's own is not trusted", async () => {
  const authority = authorityWith();
  const error = await errorOf(makeClient(authority, { caRoot: null }).ensureAccount(null, NEVER));
  assert.equal(error.type, "connection");
  const told =
    /its certificate is not trusted \(\w+\); a private authority's own root has to be given \(--acme-ca-root\)$/;
  assert.match(error.message, told);
  assert.equal(authority.requests.length, 0);
});
