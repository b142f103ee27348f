// What a program is started with: each variable of RFC 3875 §4.1, which fields become variables, and that nothing
// else is there.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  environmentBytes,
  programArguments,
  programVariables,
  type VariableOptions,
} from "../../src/cgi/variables.ts";
import { Exchange, type ConnectionFacts } from "../../src/http/exchange.ts";
import type { RequestHead } from "../../src/http/message.ts";
import { FACTS, MemoryStream } from "../support/memory-engine.ts";
import { CLIENT, tlsFacts } from "../support/tls-facts.ts";

const PLAIN: ConnectionFacts = { ...FACTS, scheme: "http", localPort: 8000 };
const LOCATION = {
  file: "/srv/cgi/a/prog",
  root: "/srv/cgi",
  scriptName: "/cgi-bin/a/prog",
  pathInfo: "/x y",
};
const OPTIONS: VariableOptions = { software: "typhon/1", passesAuthorization: false, env: {} };

function head(changes: Partial<RequestHead> = {}): RequestHead {
  return {
    method: "GET",
    target: "/cgi-bin/a/prog/x%20y?a=b",
    path: "/cgi-bin/a/prog/x%20y",
    query: "a=b",
    version: "1.1",
    names: ["host"],
    values: ["Example.com:8080"],
    fields: 0,
    bodyLength: 0,
    protocol: "",
    ...changes,
  };
}

interface Changes {
  readonly head?: Partial<RequestHead>;
  readonly facts?: Partial<ConnectionFacts>;
  readonly options?: Partial<VariableOptions>;
  readonly user?: string;
  readonly pathInfo?: string;
  readonly bodyBytes?: number;
}

function variables(changes: Changes = {}): Record<string, string> {
  const { pathInfo = LOCATION.pathInfo, bodyBytes = 0 } = changes;
  const facts = { ...PLAIN, ...changes.facts };
  const exchange = new Exchange(head(changes.head), facts, new MemoryStream(() => undefined));
  exchange.requestId = "id-1";
  exchange.user = changes.user ?? "";
  const options = { ...OPTIONS, ...changes.options };
  return programVariables(exchange, { ...LOCATION, pathInfo }, bodyBytes, options);
}

/** Variables of fields, those of each test's request aside. */
function ofFields(fields: readonly (readonly [string, string])[], options = OPTIONS): object {
  const names = fields.map(([name]) => name);
  const values = fields.map(([, value]) => value);
  const all = variables({ head: { names, values }, options });
  const isField = ([name]: readonly [string, string]): boolean =>
    /^(?:HTTP_|CONTENT_TYPE)/.test(name) && name !== "HTTP_X_REQUEST_ID";
  return Object.fromEntries(Object.entries(all).filter(isField));
}

describe("the environment of a program", () => {
  it("has the meta-variables of its request, and nothing else", () => {
    assert.deepEqual(variables(), {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      GATEWAY_INTERFACE: "CGI/1.1",
      SERVER_SOFTWARE: "typhon/1",
      SERVER_PROTOCOL: "HTTP/1.1",
      REQUEST_METHOD: "GET",
      REQUEST_URI: "/cgi-bin/a/prog/x%20y?a=b",
      QUERY_STRING: "a=b",
      SCRIPT_NAME: "/cgi-bin/a/prog",
      SCRIPT_FILENAME: "/srv/cgi/a/prog",
      DOCUMENT_ROOT: "/srv/cgi",
      PATH_INFO: "/x y",
      PATH_TRANSLATED: "/srv/cgi/x y",
      SERVER_NAME: "example.com",
      SERVER_PORT: "8000",
      SERVER_ADDR: "192.0.2.2",
      REMOTE_ADDR: "192.0.2.1",
      REMOTE_HOST: "192.0.2.1",
      REMOTE_PORT: "1234",
      REQUEST_SCHEME: "http",
      HTTP_HOST: "Example.com:8080",
      HTTP_X_REQUEST_ID: "id-1",
    });
  });

  it("has no PATH_INFO where the path ends with the program", () => {
    const { PATH_INFO, PATH_TRANSLATED } = variables({ pathInfo: "" });
    assert.deepEqual([PATH_INFO, PATH_TRANSLATED], [undefined, undefined]);
  });

  it("has the length of the body as it was received, declared or not", () => {
    const chunked = { bodyLength: null, names: ["transfer-encoding"], values: ["chunked"] };
    const { CONTENT_LENGTH, HTTP_TRANSFER_ENCODING } = variables({ head: chunked, bodyBytes: 7 });
    assert.deepEqual([CONTENT_LENGTH, HTTP_TRANSFER_ENCODING], ["7", undefined]);
    const empty = { names: ["content-length"], values: ["0"] };
    assert.equal(variables({ head: empty })["CONTENT_LENGTH"], "0");
    assert.equal(variables()["CONTENT_LENGTH"], undefined);
  });

  it("has the user whose password was right", () => {
    const { AUTH_TYPE, REMOTE_USER } = variables({ user: "anna" });
    assert.deepEqual([AUTH_TYPE, REMOTE_USER], ["Basic", "anna"]);
    assert.equal(variables()["AUTH_TYPE"], undefined);
  });

  it("says HTTPS over TLS, and names the client's certificate as mod_ssl does", () => {
    const tls = tlsFacts({ client: CLIENT });
    const secure = variables({ facts: { scheme: "https", tls } });
    const found = Object.entries(secure).filter(([name]) =>
      /^(?:HTTPS$|SSL_|REQUEST_S)/.test(name),
    );
    assert.deepEqual(Object.fromEntries(found), {
      REQUEST_SCHEME: "https",
      HTTPS: "on",
      SSL_PROTOCOL: "TLSv1.3",
      SSL_CIPHER: "TLS_AES_128_GCM_SHA256",
      SSL_CLIENT_VERIFY: "SUCCESS",
      SSL_TLS_SNI: "a.example",
      SSL_CLIENT_CERT: CLIENT.chain[0],
      SSL_CLIENT_S_DN: "CN=Zo\u00c3\u00ab,O=Example",
      SSL_CLIENT_I_DN: "CN=Staff,O=Example",
      SSL_CLIENT_M_SERIAL: "0A3F",
      SSL_CLIENT_V_START: "Jan  1 00:00:00 2026 GMT",
      SSL_CLIENT_V_END: "Jan  1 00:00:00 2027 GMT",
      SSL_CLIENT_SAN_DNS_0: "zoe.example",
      SSL_CLIENT_SAN_Email_0: "zoe@a.example",
    });
    const none = variables({ facts: { scheme: "https", tls: tlsFacts({ serverName: "" }) } });
    assert.deepEqual([none["SSL_CLIENT_VERIFY"], none["SSL_TLS_SNI"]], ["NONE", undefined]);
    // The TLS of a trusted proxy.
    assert.equal(variables({ facts: { scheme: "https" } })["HTTPS"], "on");
  });

  it("names the server by Host, by its address, or on a Unix socket by localhost", () => {
    const nameOf = (host: string, facts: Partial<ConnectionFacts> = {}): string | undefined =>
      variables({ facts, head: host === "" ? { names: [], values: [] } : { values: [host] } })[
        "SERVER_NAME"
      ];
    assert.equal(nameOf("[::1]:80"), "[::1]");
    assert.equal(nameOf(""), "192.0.2.2");
    assert.equal(nameOf("", { localAddress: "2001:db8::1" }), "[2001:db8::1]");
    const unix = { localAddress: "", localPort: 0, remoteAddress: "", remotePort: 0 };
    assert.equal(nameOf("", unix), "localhost");
    const { SERVER_PORT, REMOTE_PORT } = variables({ facts: unix });
    assert.deepEqual([SERVER_PORT, REMOTE_PORT], ["80", ""]);
    assert.equal(variables({ facts: { ...unix, scheme: "https" } })["SERVER_PORT"], "443");
  });

  it("has the fields of the request, repeated ones joined", () => {
    assert.deepEqual(
      ofFields([
        ["accept", "a/b"],
        ["x-a", "1"],
        ["cookie", "a=1"],
        ["content-type", "text/plain"],
        ["x-a", "2"],
        ["cookie", "b=2"],
        ["x-b", "caf\u00e9"],
      ]),
      {
        HTTP_ACCEPT: "a/b",
        HTTP_X_A: "1, 2",
        HTTP_COOKIE: "a=1; b=2",
        CONTENT_TYPE: "text/plain",
        HTTP_X_B: "caf\u00e9",
      },
    );
  });

  it("leaves out fields that would be taken for others, settings, passwords, lengths", () => {
    const wrong = [
      ["x_a", "1"],
      ["proxy", "http://evil"],
      ["authorization", "Basic YTpi"],
      ["proxy-authorization", "Basic YTpi"],
      ["content-length", "3"],
      ["transfer-encoding", "chunked"],
      ["x-request-id", "theirs"],
      ["bash_func_x%%", "() { :; }"],
      ["a.b", "1"],
      ["a'b", "1"],
    ] as const;
    assert.deepEqual(ofFields(wrong), {});
    const passed = ofFields(wrong, { ...OPTIONS, passesAuthorization: true });
    assert.deepEqual(passed, { HTTP_AUTHORIZATION: "Basic YTpi" });
  });

  it("has the operator's variables, which are stronger than the request's", () => {
    const env = { GIT_PROJECT_ROOT: "/srv/git", HTTP_X_ROLE: "guest", PATH: "/opt/bin" };
    const all = variables({ options: { env }, head: { names: ["x-role"], values: ["admin"] } });
    assert.deepEqual({ ...all, ...env }, all);
  });

  it("has no NUL, wherever one comes from", () => {
    const client = { ...CLIENT, subject: "CN=a\0b" };
    const all = variables({ facts: { tls: tlsFacts({ client }) } });
    assert.equal(all["SSL_CLIENT_S_DN"], undefined);
  });

  it("says that a local redirect has led here", () => {
    const stream = new MemoryStream(() => undefined);
    const exchange = new Exchange(head({ method: "POST", bodyLength: 3 }), PLAIN, stream);
    assert(exchange.redirect("/b", "c=d"));
    const all = programVariables(exchange, LOCATION, 0, OPTIONS);
    assert.deepEqual(
      [all["REQUEST_METHOD"], all["REQUEST_URI"], all["QUERY_STRING"], all["CONTENT_LENGTH"]],
      ["GET", "/b?c=d", "c=d", undefined],
    );
    assert.deepEqual(
      [all["REDIRECT_STATUS"], all["REDIRECT_URL"]],
      ["200", "/cgi-bin/a/prog/x%20y"],
    );
  });

  it("has no name or value of a client's but HTTP_… and those of its request", () => {
    const known = new Set([...Object.keys(variables()), "CONTENT_TYPE", "CONTENT_LENGTH"]);
    const fields = fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { maxLength: 8 });
    fc.assert(
      fc.property(fields, (pairs) => {
        const names = pairs.map(([name]) => name.toLowerCase());
        const all = variables({ head: { names, values: pairs.map(([, value]) => value) } });
        for (const [name, value] of Object.entries(all)) {
          assert(known.has(name) || /^HTTP_[A-Z0-9_]+$/.test(name), name);
          assert(!value.includes("\0") && name !== "HTTP_PROXY");
        }
      }),
    );
  });
});

describe("the arguments of a program", () => {
  for (const [query, expected] of [
    ["", []],
    ["a+b%20c", ["a", "b c"]],
    ["caf%C3%A9", ["caf\u00c3\u00a9"]],
    ["a=b", []],
    ["a+b=c", []],
    ["-s", []],
    ["a+-s", []],
    ["%2ds", []],
    ["--scan-path%3D/etc", []],
    ["a%00b", []],
    ["a%zz", ["a%zz"]],
  ] as const)
    it(`of ?${query} are ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(programArguments(head({ query })), expected);
      assert.deepEqual(programArguments(head({ query, method: "POST" })), []);
    });
});

it("counts the bytes of strings with their ends, as the kernel does", () => {
  assert.equal(environmentBytes({ A: "b", CD: "" }, ["x", ""]), 4 + 4 + 2 + 1);
});
