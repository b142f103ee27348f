// The ACME client against Pebble, Let's Encrypt's authority for tests (tools/setup-pebble.sh), in strict mode:
// once without delays, and once with its random delays, 30 of 100 nonces refused, authorizations reused, and
// several chains.

import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { networkInterfaces } from "node:os";
import { before, suite, test } from "node:test";

import { AcmeError } from "../../../src/acme/acme-error.ts";
import { AcmeClient, type AcmeClientOptions } from "../../../src/acme/client.ts";
import type { Identifier } from "../../../src/acme/identifier.ts";
import { dnsRecordValue } from "../../../src/acme/proof.ts";
import { certificateId } from "../../../src/acme/renewal-info.ts";
import { makeCsr } from "../../../src/x509/csr.ts";
import { TestResponder } from "../../support/acme-responder.ts";
import { FILE } from "../../support/file-scope.ts";
import { startPebble, type Pebble } from "../../support/pebble.ts";

const MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
const DAY_MS = 86_400_000;
const NEVER = new AbortController().signal;

const HAS_IPV6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

const ENVIRONMENTS = {
  "without delays": {
    PEBBLE_VA_NOSLEEP: "1",
    PEBBLE_WFE_NONCEREJECT: "0",
    PEBBLE_AUTHZREUSE: "0",
  },
  "with delays and refused nonces": {
    PEBBLE_VA_SLEEPTIME: "3",
    PEBBLE_WFE_NONCEREJECT: "30",
    PEBBLE_AUTHZREUSE: "50",
    PEBBLE_ALTERNATE_ROOTS: "2",
    PEBBLE_CHAIN_LENGTH: "2",
  },
};

const dns = (value: string): Identifier => ({ type: "dns", value });
const ip = (value: string): Identifier => ({ type: "ip", value });
const makeKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

function makeRequest(...identifiers: readonly Identifier[]) {
  const names = identifiers.map(({ value }) => value);
  return { identifiers, csr: makeCsr(names, makeKey()), profile: "", replaces: "" };
}

for (const [name, environment] of Object.entries(ENVIRONMENTS))
  suite(`Pebble ${name}`, () => {
    const responder = new TestResponder();
    const running: { pebble: Pebble | null } = { pebble: null };
    const accountKey = makeKey();

    before(async () => {
      await responder.start(FILE, HAS_IPV6 ? "::" : "127.0.0.1");
      const { httpPort, tlsPort } = responder;
      const macKeys = { "kid-1": MAC_KEY };
      const pebble = await startPebble(FILE, { httpPort, tlsPort, environment, macKeys });
      running.pebble = pebble;
      responder.onPresent = async ({ type, identifier, keyAuthorization }) => {
        if (type !== "dns-01") return;
        const record = `_acme-challenge.${identifier.value}`;
        await pebble.setTxt(record, dnsRecordValue(keyAuthorization));
      };
      responder.onRemove = async ({ type, identifier }) => {
        if (type === "dns-01") await pebble.clearTxt(`_acme-challenge.${identifier.value}`);
      };
    });

    function makeClient(options: Partial<AcmeClientOptions> = {}): AcmeClient {
      const { pebble } = running;
      assert(pebble !== null);
      return new AcmeClient({
        directoryUrl: pebble.directoryUrl,
        caRoot: pebble.caRoot,
        accountKey,
        email: "admin@example.com",
        eab: { kid: "kid-1", hmacKey: Buffer.from(MAC_KEY, "base64url") },
        userAgent: "typhon-test",
        ...options,
      });
    }

    async function readyClient(): Promise<AcmeClient> {
      const client = makeClient();
      await client.ensureAccount(null, NEVER);
      return client;
    }

    test("an account is bound, created once, found by its key and by its URL", async () => {
      const url = await makeClient().ensureAccount(null, NEVER);
      assert.equal(await makeClient().ensureAccount(null, NEVER), url);
      assert.equal(await makeClient().ensureAccount(url, NEVER), url);
      const other = makeClient({ accountKey: makeKey() });
      assert.notEqual(await other.ensureAccount(url, NEVER), url, "another key, another account");
      const unbound = makeClient({ accountKey: makeKey(), eab: null });
      await assert.rejects(unbound.ensureAccount(null, NEVER), /externalAccountRequired/);
      const wrong = { kid: "kid-1", hmacKey: Buffer.alloc(32) };
      const badly = makeClient({ accountKey: makeKey(), eab: wrong });
      await assert.rejects(badly.ensureAccount(null, NEVER), AcmeError);
    });

    for (const kind of ["http-01", "tls-alpn-01", "dns-01"] as const)
      test(`names are certified by ${kind}`, async () => {
        const client = await readyClient();
        responder.kinds = [kind];
        const request = makeRequest(dns(`a.${kind}.example.com`), dns(`b.${kind}.example.com`));
        const { chain, alternates } = await client.order(request, responder, NEVER);
        const leaf = new X509Certificate(chain);
        assert.equal(leaf.checkHost(`b.${kind}.example.com`), `b.${kind}.example.com`);
        assert.equal(alternates.length, "PEBBLE_ALTERNATE_ROOTS" in environment ? 2 : 0);
        assert.equal(responder.presented.size, 0);
      });

    for (const kind of ["http-01", "tls-alpn-01"] as const)
      test(`addresses are certified by ${kind} (RFC 8738)`, async () => {
        const client = await readyClient();
        responder.kinds = [kind];
        for (const address of HAS_IPV6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]) {
          const { chain } = await client.order(makeRequest(ip(address)), responder, NEVER);
          assert.equal(new X509Certificate(chain).checkIP(address), address);
        }
      });

    test("a wildcard and its name are certified by dns-01", async () => {
      const client = await readyClient();
      responder.kinds = ["dns-01"];
      const request = makeRequest(dns("*.wild.example.com"), dns("wild.example.com"));
      const { chain } = await client.order(request, responder, NEVER);
      assert.notEqual(new X509Certificate(chain).checkHost("any.wild.example.com"), undefined);
    });

    test("a profile decides the lifetime", async () => {
      const client = await readyClient();
      responder.kinds = ["http-01"];
      assert.deepEqual([...(await client.profiles(NEVER)).keys()].sort(), [
        "default",
        "shortlived",
      ]);
      const request = { ...makeRequest(dns("short.example.com")), profile: "shortlived" };
      const { chain } = await client.order(request, responder, NEVER);
      const { validFromDate, validToDate } = new X509Certificate(chain);
      const days = (validToDate.getTime() - validFromDate.getTime()) / DAY_MS;
      assert(days > 5.9 && days < 6.1, String(days));
    });

    test("renewal information names a window; a renewal names what it replaces, once", async () => {
      const client = await readyClient();
      responder.kinds = ["http-01"];
      const { chain } = await client.order(makeRequest(dns("ari.example.com")), responder, NEVER);
      const first = new X509Certificate(chain);
      const window = await client.renewalInfo(first, NEVER);
      assert(window !== null && window.start < window.end);
      assert(window.start > first.validFromDate.getTime());
      assert(window.end < first.validToDate.getTime());
      const replaces = certificateId(first);
      const renewal = { ...makeRequest(dns("ari.example.com")), replaces };
      await client.order(renewal, responder, NEVER);
      // The second successor is refused by alreadyReplaced, and ordered without the name.
      const again = { ...makeRequest(dns("ari.example.com")), replaces };
      await client.order(again, responder, NEVER);
    });

    test("a refused name and a failed check say which name and why", async () => {
      const client = await readyClient();
      responder.kinds = ["http-01"];
      const blocked = makeRequest(dns("blocked.example"));
      await assert.rejects(client.order(blocked, responder, NEVER), (error) => {
        assert(error instanceof AcmeError);
        assert.equal(error.type, "rejectedIdentifier");
        return !error.isRetryable;
      });
      const { onPresent } = responder;
      responder.onPresent = () => {
        throw new Error("not presented");
      };
      const failing = client.order(makeRequest(dns("fail.example.com")), responder, NEVER);
      await assert.rejects(failing, /not presented/);
      responder.onPresent = onPresent;
      const mute = new TestResponder();
      mute.kinds = ["http-01"];
      const unheard = client.order(makeRequest(dns("mute.example.com")), mute, NEVER);
      await assert.rejects(unheard, (error) => {
        assert(error instanceof AcmeError);
        assert.match(error.message, /^challengeFailed: .*; mute\.example\.com: unauthorized: /);
        return error.isRetryable;
      });
    });
  });
