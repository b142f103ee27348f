// What a site does with a request before and beside its routes: pages of the server itself, the redirect to https,
// and hosts that ask for client certificates. Applications are handlers of the test.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import type { Configuration, RouteConfiguration } from "../src/config/configuration.ts";
import { load } from "../src/config/load.ts";
import type { Handler } from "../src/http/exchange.ts";
import { responseHead } from "../src/http/response-head.ts";
import { isValidHost } from "../src/http/target.ts";
import type { TlsFacts } from "../src/http/tls-facts.ts";
import { OpenFiles } from "../src/net/open-files.ts";
import { CacheMemory } from "../src/handlers/static/file-cache.ts";
import { TrustedProxies } from "../src/routing/trusted-proxies.ts";
import { Site, type SiteContext } from "../src/site.ts";
import { FACTS, MemoryEngine, type MemoryRequest } from "./support/memory-engine.ts";
import { CLIENT, tlsFacts } from "./support/tls-facts.ts";

const LOADED = load(["app:app", "--health"], process.env, "/");
const OK = responseHead(200, "OK", []);
type Tls = NonNullable<Configuration["tls"]>;

function route(host: string, path: string, application: string): RouteConfiguration {
  const [usual] = LOADED.routes;
  assert(usual !== undefined);
  return { ...usual, host, path, target: { kind: "application", application } };
}

interface SiteOptions {
  /** Routes of applications; each application is named as its route's host and path. */
  readonly routes?: readonly (readonly [host: string, path: string])[];
  readonly names?: readonly string[];
  readonly ready?: readonly string[];
  readonly tls?: Partial<Tls>;
  readonly health?: boolean;
  readonly httpsPort?: number;
  readonly tokens?: Readonly<Record<string, string>> | null;
}

/** Tells the outcome of a request as "STATUS text" or "STATUS location". */
type Ask = (path: string, request?: AskOptions) => Promise<string>;
interface AskOptions extends Partial<MemoryRequest> {
  readonly host?: string;
  readonly scheme?: "http" | "https";
  readonly tls?: TlsFacts | null;
  readonly localPort?: number;
}

async function open(options: SiteOptions = {}): Promise<Ask> {
  const { routes = [["", ""]], health = true, tokens = null } = options;
  const { names = routes.map(([host, path]) => host + path), ready = names } = options;
  const [usual] = LOADED.applications;
  assert(usual !== undefined);
  const tls: Tls = {
    certificates: [],
    internal: false,
    acme: null,
    stateDir: "/",
    clients: [],
    ciphers: "",
    hstsSeconds: 0,
    redirect: false,
    ...options.tls,
  };
  const configuration = {
    applications: names.map((name) => ({ ...usual, name })),
    routes: routes.map(([host, path]) => route(host, path, host + path)),
    process: { ...LOADED.process, health },
    tls: options.tls === undefined ? null : tls,
  };
  const handlers = names.map((name): [string, Handler] => {
    return [name, { handle: (exchange) => exchange.respond(OK, Buffer.from(`app ${name}`)) }];
  });
  const context: SiteContext = {
    applications: new Map(handlers),
    isReady: (name) => name === null || ready.includes(name),
    programs: null,
    reloads: null,
    keyAuthorizationOf: tokens && (async (token) => await Promise.resolve(tokens[token] ?? null)),
    httpsPort: () => options.httpsPort ?? 443,
    fileMemory: new CacheMemory(),
    openFiles: new OpenFiles({ workers: 1, connections: () => 0, closeIdle: () => 0 }),
    onUnreadable: () => assert.fail("a file cannot be read"),
    onFailure: (text) => assert.fail(text),
  };
  const site = await Site.open(configuration, context);
  const proxies = new TrustedProxies(["192.0.2.1"], () => "id");
  const engine = new MemoryEngine((exchange) => {
    assert.equal(proxies.identify(exchange), null);
    site.handle(exchange);
  });
  return async (path, { host = "a.example", scheme = "http", ...more } = {}) => {
    const { tls: agreed = null, localPort = 80, method = "GET", fields = [] } = more;
    const hosts = host === "" ? [] : ([["host", host]] as const);
    const request = { method, path, fields: [...hosts, ...fields], bodyLength: 0 };
    const facts = { ...FACTS, scheme, tls: agreed, localPort };
    const stream = engine.request({ ...request, protocol: more.protocol ?? "" }, facts);
    // A challenge is looked up.
    await new Promise(setImmediate);
    assert.equal(stream.state, "whole");
    const location = stream.fields.find(([name]) => name === "Location")?.[1];
    return `${stream.status} ${location ?? Buffer.concat(stream.chunks).toString()}`.trim();
  };
}

describe("/livez and /readyz", () => {
  it("tell whether the server runs and its application serves", async () => {
    const [ready, starting] = [await open(), await open({ ready: [] })];
    for (const ask of [ready, starting]) assert.equal(await ask("/livez"), "200 ok");
    assert.equal(await ready("/readyz"), "200 ok");
    assert.equal(await starting("/readyz"), "503 not ready");
  });

  it("are for every host, before its routes, and for GET and HEAD", async () => {
    const ask = await open({ routes: [["b.example", ""]], names: ["b.example"] });
    assert.equal(await ask("/readyz", { host: "" }), "200 ok");
    assert.equal(await ask("/readyz", { host: "b.example" }), "200 ok");
    assert.equal(await ask("/livez", { method: "HEAD" }), "200");
    assert.equal(await ask("/livez", { method: "POST", host: "b.example" }), "200 app b.example");
    assert.equal(await ask("/livez/x", { host: "b.example" }), "200 app b.example");
    assert.match(await ask("/x"), /HOST_UNKNOWN/);
  });

  it("are the applications' without --health", async () => {
    const ask = await open({ health: false });
    for (const path of ["/livez", "/readyz", "/readyz/app"])
      assert.equal(await ask(path), "200 app");
  });

  const names = ["/shop", "blog.example", ""];
  const routes = [
    ["", "/shop"],
    ["blog.example", ""],
    ["", ""],
  ] as const;

  it("tell of the application of every host and path, whatever the others do", async () => {
    for (const ready of [[""], ["/shop", "blog.example", ""]])
      assert.equal(await (await open({ names, routes, ready }))("/readyz"), "200 ok");
    const without = await open({ names, routes, ready: ["/shop", "blog.example"] });
    assert.equal(await without("/readyz"), "503 not ready");
  });

  it("tell of the first application where none is for every host and path", async () => {
    const some = { names: ["/shop", "blog.example"], routes: routes.slice(0, 2) };
    assert.equal(await (await open({ ...some, ready: ["/shop"] }))("/readyz"), "200 ok");
    assert.equal(
      await (
        await open({ ...some, ready: ["blog.example"] })
      )("/readyz"),
      "503 not ready",
    );
  });

  it("tell of each application by its name", async () => {
    const ask = await open({ names, routes, ready: ["blog.example"] });
    assert.equal(await ask("/readyz/shop"), "503 not ready");
    for (const path of [
      "/readyz/blog.example",
      "/readyz//blog%2eexample",
      "/x/../readyz/blog.example",
    ])
      assert.equal(await ask(path), "200 ok", path);
    for (const path of [
      "/readyz/",
      "/readyz/blog",
      "/readyz/blog.example/x",
      "/readyz/BLOG.example",
    ])
      assert.match(await ask(path), /^404 .*NOT_FOUND/s, path);
  });

  it("find a name beyond ASCII by its encoded path", async () => {
    const ask = await open({ names: ["/caf\u00e9"], routes: [["", "/caf\u00e9"]] });
    assert.equal(await ask("/readyz/caf%C3%A9"), "200 ok");
  });

  it("say that a site of files is ready", async () => {
    assert.equal(await (await open({ routes: [], names: [] }))("/readyz"), "200 ok");
  });
});

describe("challenges of certificate authorities", () => {
  const token = "t".repeat(43);
  const path = `/.well-known/acme-challenge/${token}`;
  const tokens = { [token]: `${token}.thumb` };

  it("are responded to for every host, also where http is redirected", async () => {
    const routes = [["b.example", ""]] as const;
    const ask = await open({ routes, tokens, tls: { redirect: true } });
    assert.equal(await ask(path), `200 ${token}.thumb`);
    assert.equal(await ask(path, { scheme: "https", host: "b.example" }), `200 ${token}.thumb`);
  });

  it("are 404 where the token is unknown, or is none", async () => {
    const ask = await open({ tokens });
    const folder = "/.well-known/acme-challenge";
    for (const wrong of [
      `${path}x`,
      `${path}/x`,
      folder,
      `${folder}/`,
      `${folder}/a%00`,
      `${folder}/..%2fx`,
    ])
      assert.match(await ask(wrong), /^(?:404 .*NOT_FOUND|200 app$)/s, wrong);
    assert.match(await ask(`${path}x`), /^404/);
  });

  it("are the routes' where no certificate is ordered, and are not redirected", async () => {
    assert.equal(await (await open())(path), "200 app");
    const ask = await open({ tls: { redirect: true } });
    assert.equal(await ask(path), "200 app");
    assert.equal(await ask(`${path}/../../x`), `308 https://a.example${path}/../../x`);
    assert.match(await ask("/.well-known/acme-challenges"), /^308/);
  });
});

describe("the redirect to https", () => {
  const tls = { redirect: true };

  it("keeps host, path and query as they were sent", async () => {
    const ask = await open({ tls });
    assert.equal(await ask("/"), "308 https://a.example/");
    assert.equal(await ask("/a%20b//../c?x=%2F&y"), "308 https://a.example/a%20b//../c?x=%2F&y");
    assert.equal(await ask("//evil.example/"), "308 https://a.example//evil.example/");
    assert.equal(await ask("/", { host: "[2001:db8::1]:80" }), "308 https://[2001:db8::1]/");
    assert.equal(await ask("/", { method: "POST" }), "308 https://a.example/");
  });

  it("names the port of TLS, unless the client's port is a mapped one", async () => {
    const ask = await open({ tls, httpsPort: 8443 });
    const local = { localPort: 8080 };
    assert.equal(await ask("/", { ...local, host: "a:8080" }), "308 https://a:8443/");
    assert.equal(await ask("/"), "308 https://a.example:8443/");
    // A container's port 8080 is the machine's port 80.
    assert.equal(await ask("/", { ...local, host: "a" }), "308 https://a/");
    assert.equal(await ask("/", { ...local, host: "a:" }), "308 https://a/");
    assert.equal(await ask("/", { host: "a", localPort: 0 }), "308 https://a/");
  });

  it("is not for requests over TLS, or over the TLS of a trusted proxy", async () => {
    const ask = await open({ tls });
    assert.equal(await ask("/", { scheme: "https", tls: tlsFacts() }), "200 app");
    const said = (proto: string): MemoryRequest["fields"] => [
      ["x-forwarded-for", "203.0.113.9"],
      ["x-forwarded-proto", proto],
      ["x-forwarded-host", "shop.example"],
    ];
    assert.equal(await ask("/", { fields: said("https") }), "200 app");
    assert.equal(await ask("/x", { fields: said("http") }), "308 https://shop.example/x");
    // The proxy speaks TLS with this server, and its client does not.
    const reEncrypted = { scheme: "https", tls: tlsFacts(), localPort: 443 } as const;
    assert.equal(
      await ask("/x", { ...reEncrypted, fields: said("http") }),
      "308 https://shop.example/x",
    );
  });

  it("is not for health checks, unknown hosts and unknown paths", async () => {
    const ask = await open({ tls, routes: [["a.example", "/app"]] });
    assert.equal(await ask("/livez"), "200 ok");
    assert.match(await ask("/", { host: "evil.example" }), /^421 .*HOST_UNKNOWN/s);
    assert.match(await ask("/"), /^404 /);
    assert.equal(await ask("/app/x"), "308 https://a.example/app/x");
  });

  it("is 400 for a request that names no host", async () => {
    assert.match(await (await open({ tls }))("/", { host: "" }), /^400 .*HOST_MISSING/s);
  });

  it("encodes every byte that a Location may not hold", async () => {
    const location = await (await open({ tls }))('/\u00e9"<>\\^`{|}');
    assert.equal(location, "308 https://a.example/%E9%22%3C%3E%5C%5E%60%7B%7C%7D");
  });

  it("leads to the host of the request, whatever the request's bytes are", async () => {
    const ask = await open({ tls });
    const text = (letters: string): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom(...letters.split("")), maxLength: 12 });
    const hosts = text("ab.-_~%4f:[]@/?#\\ \u00e9,;=!'").filter(isValidHost);
    const property = fc.asyncProperty(hosts, text('/a.%2F?#\\@:\u00e9 "<'), async (host, rest) => {
      const answer = await ask(`/${rest}`, { host });
      if (answer.startsWith("404")) return;
      const [, authority = ""] = /^308 https:\/\/([^/?#\\@\s]+)\/[!-~]*$/.exec(answer) ?? [];
      assert(authority !== "" && authority.startsWith(host.replace(/:\d*$/, "")), answer);
    });
    await fc.assert(property, { numRuns: 500 });
  });

  it("happens only where it is asked for", async () => {
    assert.equal(await (await open({ tls: {} }))("/"), "200 app");
  });
});

describe("a host that requires client certificates", () => {
  const clients = [{ host: "staff.example", mode: "required", caCerts: "/ca.pem" }] as const;
  const made = (clientPolicy: string): AskOptions => {
    const client = clientPolicy === "staff.example" ? CLIENT : null;
    return { scheme: "https", tls: tlsFacts({ clientPolicy, client }) };
  };

  it("is reached on connections that were made for it alone", async () => {
    const ask = await open({ tls: { clients } });
    const staff = { host: "STAFF.example.:443" };
    assert.equal(await ask("/", { ...made("staff.example"), ...staff }), "200 app");
    assert.match(await ask("/", { ...made(""), ...staff }), /^421 .*HOST_CERTIFICATE/s);
    assert.match(await ask("/", { ...made("staff.example") }), /^421 .*HOST_CERTIFICATE/s);
    assert.equal(await ask("/", made("")), "200 app");
  });

  it("is not reached without TLS, nor by the word of a trusted proxy", async () => {
    const ask = await open({ tls: { clients } });
    const staff = { host: "staff.example" };
    assert.match(await ask("/", staff), /^421 .*HOST_WITHOUT_TLS/s);
    const fields = [
      ["x-forwarded-for", "203.0.113.9"],
      ["x-forwarded-proto", "https"],
    ] as const;
    assert.match(await ask("/", { ...staff, fields }), /^421 .*HOST_WITHOUT_TLS/s);
    // The proxy names the host that routes are chosen by.
    const named = [...fields, ["x-forwarded-host", "staff.example"]] as const;
    assert.match(await ask("/", { fields: named }), /^421 .*HOST_WITHOUT_TLS/s);
  });

  it("redirects to https first", async () => {
    const ask = await open({ tls: { clients, redirect: true } });
    assert.equal(await ask("/", { host: "staff.example" }), "308 https://staff.example/");
  });

  it("leaves health checks alone", async () => {
    const every = [{ host: "", mode: "required", caCerts: "/ca.pem" }] as const;
    const ask = await open({ tls: { clients: every } });
    assert.equal(await ask("/livez"), "200 ok");
    assert.match(await ask("/"), /HOST_WITHOUT_TLS/);
    const client = tlsFacts({ client: CLIENT });
    assert.equal(await ask("/", { scheme: "https", tls: client }), "200 app");
  });
});
