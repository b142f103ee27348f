// Which client certificates a host asks for, and which requests may be served on which connection.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ERRORS, type HttpError } from "../../src/http/error.ts";
import { ClientPolicies, type ClientPolicy } from "../../src/routing/client-policies.ts";
import { CLIENT, tlsFacts } from "../support/tls-facts.ts";

function policy(host: string, mode: ClientPolicy["mode"], caCerts = ""): ClientPolicy {
  return { host, mode, caCerts };
}

const STAFF = policy("staff.example", "required", "/staff.pem");
const PARTNERS = policy("*.partners.example", "optional", "/partners.pem");
const policies = new ClientPolicies([
  STAFF,
  PARTNERS,
  policy("open.partners.example", "none"),
  policy("*.staff.example", "required", "/staff.pem"),
  policy("boss.staff.example", "required", "/boss.pem"),
]);

/** What a request for `host` gets on a connection whose hello names `serverName`; null: no TLS. */
function refusal(host: string, serverName: string | null, from = policies): HttpError | null {
  if (serverName === null) return from.refusal(host, null);
  const { host: clientPolicy, mode } = from.of(serverName);
  const client = mode === "required" ? CLIENT : null;
  return from.refusal(host, tlsFacts({ serverName, clientPolicy, client }));
}

describe("the policy of a host", () => {
  for (const [name, expected] of [
    ["staff.example", STAFF.caCerts],
    ["STAFF.example.", STAFF.caCerts],
    ["a.partners.example", PARTNERS.caCerts],
    ["a.b.partners.example", PARTNERS.caCerts],
    ["open.partners.example", ""],
    ["partners.example", ""],
    ["boss.staff.example", "/boss.pem"],
    ["clerk.staff.example", STAFF.caCerts],
    ["badstaff.example", ""],
    ["other.example", ""],
    ["", ""],
  ] as const)
    it(`of ${name || "no name"} is ${expected || "none"}`, () => {
      assert.equal(policies.of(name).caCerts, expected);
    });

  it("is one object for hosts that ask for the same", () => {
    assert.equal(policies.of("staff.example"), policies.of("clerk.staff.example"));
    assert.equal(policies.of("open.partners.example"), policies.of("other.example"));
    assert.equal(policies.of("open.partners.example").host, "");
    assert.notEqual(policies.of("staff.example"), policies.of("boss.staff.example"));
  });

  it("is that of every host where a host has none of its own", () => {
    const every = new ClientPolicies([
      policy("", "required", "/ca.pem"),
      policy("a.example", "none"),
    ]);
    assert.deepEqual(every.of("b.example"), policy("", "required", "/ca.pem"));
    assert.deepEqual(every.of(""), policy("", "required", "/ca.pem"));
    assert.equal(every.of("a.example").mode, "none");
  });
});

describe("a request", () => {
  it("may name another host than the handshake, if both ask for the same", () => {
    for (const [host, serverName] of [
      ["other.example", ""],
      ["192.0.2.1", "other.example"],
      ["", "other.example"],
      ["open.partners.example", "other.example"],
      ["clerk.staff.example", "staff.example"],
      ["x.partners.example", "y.partners.example"],
    ] as const)
      assert.equal(refusal(host, serverName), null, `${host} on ${serverName}`);
  });

  it("is misdirected where the two hosts ask for different certificates (RFC 9110 §15.5.20)", () => {
    const hosts = ["staff.example", "boss.staff.example", "x.partners.example", "other.example"];
    for (const host of hosts)
      for (const serverName of [...hosts, ""]) {
        const isSame = policies.of(host) === policies.of(serverName);
        const expected = isSame ? null : ERRORS.HOST_CERTIFICATE;
        assert.equal(refusal(host, serverName), expected, `${host} on ${serverName}`);
      }
    assert.equal(ERRORS.HOST_CERTIFICATE.status, 421);
  });

  it("may come on a connection whose policy is named by any host that asks for the same", () => {
    for (const clientPolicy of ["staff.example", "*.staff.example"])
      assert.equal(
        policies.refusal("staff.example", tlsFacts({ clientPolicy, client: CLIENT })),
        null,
      );
    for (const clientPolicy of ["", "open.partners.example"])
      assert.equal(policies.refusal("other.example", tlsFacts({ clientPolicy })), null);
  });

  it("is refused on a connection whose policy is gone since a reload", () => {
    const facts = tlsFacts({ clientPolicy: "gone.example" });
    assert.equal(policies.refusal("other.example", facts), ERRORS.HOST_CERTIFICATE);
  });

  it("is refused on a connection without a certificate where one is required since a reload", () => {
    const facts = tlsFacts({ serverName: "staff.example", clientPolicy: "staff.example" });
    assert.equal(policies.refusal("staff.example", facts), ERRORS.HOST_CERTIFICATE);
  });

  it("without TLS cannot reach a host that requires a certificate", () => {
    assert.equal(refusal("staff.example", null), ERRORS.HOST_WITHOUT_TLS);
    assert.equal(refusal("x.partners.example", null), null);
    assert.equal(refusal("other.example", null), null);
  });

  it("may come on every connection where no host asks for certificates", () => {
    const open = new ClientPolicies([policy("a.example", "none"), policy("", "none")]);
    assert.equal(open.refusal("a.example", tlsFacts({ clientPolicy: "another" })), null);
  });
});
