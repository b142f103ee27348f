// A certificate authority for tests (RFC 8555), inside the process: what Pebble does not do. It checks
// signatures and challenges for real, issues real certificates, and fails on demand: its `settings` may be
// changed at any time.

import assert from "node:assert/strict";
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import type { JsonWebKey } from "node:crypto";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import { isIP } from "node:net";

import { identifierKey, type Identifier } from "../../src/acme/identifier.ts";
import { certificateId } from "../../src/acme/renewal-info.ts";
import { makeCertificate } from "../../src/x509/certificate.ts";
import { toPem } from "../../src/x509/signing.ts";
import {
  checkBinding,
  checkCsr,
  checkHttp,
  checkJws,
  checkTlsAlpn,
  jwkThumbprint,
  Refusal,
} from "./acme-checks.ts";
import { readRecord } from "./json.ts";
import type { Scope } from "./scratch.ts";

const DAY_MS = 86_400_000;

export interface AuthorityRequestLog {
  readonly method: string;
  readonly path: string;
  /** The JSON of a signed request, "" for a read. */
  readonly payload: string;
  readonly userAgent: string;
}

/** A response in place of the authority's own; "drop": the connection ends. */
type Interception =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  | "drop";

export interface AuthoritySettings {
  /** Milliseconds since 1970. */
  now: () => number;
  lifetimeMs: number;
  /** Where http-01 and tls-alpn-01 connect to, for every identifier. */
  host: string;
  httpPort: number;
  tlsPort: number;
  /** TXT records of a name, for dns-01. */
  txtRecords: (name: string) => readonly string[];
  /** Types that are offered. Wildcards get dns-01 only. */
  challengeTypes: readonly string[];
  /** Signed requests that are refused with badNonce, from now on. */
  nonceErrors: number;
  /** Requests to finalize that are refused with orderNotReady, from now on. */
  notReadyErrors: number;
  /** Whether a challenge is pending after a failed check, for another response (RFC 8555 §8.2). */
  keepsPending: boolean;
  /** Looks at an order that show "processing" after it was finalized. */
  processingLooks: number;
  /** Seconds or a date, sent with orders and authorizations; "" for none. */
  retryAfter: string;
  eab: { readonly kid: string; readonly hmacKey: Buffer } | null;
  profiles: Readonly<Record<string, string>>;
  /** Renewal information of a certificate; null: the directory has none. */
  renewal: ((certificate: X509Certificate) => object) | null;
  /** Retry-After of renewal information; "" for none. */
  renewalRetryAfter: string;
  /** Whether a second chain is offered. */
  hasAlternate: boolean;
  /** Looks at each request first; null lets it through. */
  intercept: (request: AuthorityRequestLog) => Interception | null;
  /** Whether the connection ends in place of the response, when the request has been done. */
  loseResponse: (path: string) => boolean;
  /** Changes the body of a response. */
  change: (path: string, body: object | string) => object | string;
}

export interface IssuedRecord {
  readonly certificate: X509Certificate;
  readonly names: readonly string[];
  readonly profile: string;
  readonly replaces: string;
}

interface Account {
  readonly jwk: JsonWebKey;
  contact: unknown;
  status: string;
}

interface Authorization {
  readonly identifier: Identifier;
  readonly isWildcard: boolean;
  status: string;
  readonly challenges: {
    type: string;
    url: string;
    token: string;
    status: string;
    error?: object;
  }[];
}

interface Order {
  status: string;
  readonly identifiers: readonly Identifier[];
  readonly authorizations: readonly string[];
  readonly profile: string;
  readonly replaces: string;
  certificate: string;
  looksLeft: number;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object | string;
}

export class TestAuthority {
  readonly settings: AuthoritySettings = {
    now: Date.now,
    lifetimeMs: 90 * DAY_MS,
    host: "127.0.0.1",
    httpPort: 0,
    tlsPort: 0,
    txtRecords: () => [],
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
    loseResponse: () => false,
    change: (_path, body) => body,
  };
  readonly requests: AuthorityRequestLog[] = [];
  readonly issued: IssuedRecord[] = [];
  readonly accounts = new Map<string, Account>();
  /** Signs the certificates that are issued. */
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  /** The authority's root: of the certificates that it issues, and of its own HTTPS. */
  readonly root: X509Certificate = makeRoot(this.#keys, "Test authority");
  readonly #otherRoot: X509Certificate = makeRoot(this.#keys, "Other test authority");
  readonly #nonces = new Set<string>();
  readonly #authorizations = new Map<string, Authorization>();
  readonly #orders = new Map<string, Order>();
  readonly #certificates = new Map<string, string>();
  #base = "";

  get directoryUrl(): string {
    return `${this.#base}/directory`;
  }

  /** PEM of the root that HTTPS to the authority needs. */
  get caRoot(): string {
    return this.root.toString();
  }

  /** Starts on a free port, until the scope ends. */
  async start(scope: Scope, scheme: "https" | "http" = "https"): Promise<void> {
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#serve(request, response);
    };
    const server =
      scheme === "http" ? createHttp(onRequest) : createHttps(this.#ownIdentity(), onRequest);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    scope.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    assert(typeof address === "object" && address !== null);
    this.#base = `${scheme}://127.0.0.1:${address.port}`;
  }

  #ownIdentity() {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const cert = toPem("CERTIFICATE", this.#sign(["127.0.0.1"], publicKey, this.root, Date.now()));
    return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }) };
  }

  #sign(
    names: readonly string[],
    publicKey: Parameters<typeof makeCertificate>[0]["publicKey"],
    issuer: X509Certificate,
    now: number,
  ): Buffer {
    return makeCertificate({
      subject: "",
      names,
      isAuthority: false,
      issuer,
      signingKey: this.#keys.privateKey,
      publicKey,
      notBefore: now - 3_600_000,
      notAfter: now + this.settings.lifetimeMs,
      usages: ["serverAuth"],
      extensions: [],
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      let sent = "";
      for await (const piece of request) sent += String(piece);
      const reply = await this.#reply(request, sent);
      if (reply === "drop" || this.settings.loseResponse(request.url ?? "")) {
        request.socket.destroy();
        return;
      }
      const nonce = randomBytes(16).toString("base64url");
      this.#nonces.add(nonce);
      const body = this.settings.change(request.url ?? "", reply.body);
      const isText = typeof body === "string";
      response.writeHead(reply.status, {
        "replay-nonce": nonce,
        "content-type": isText ? "application/pem-certificate-chain" : "application/json",
        ...reply.headers,
      });
      response.end(isText ? body : JSON.stringify(body));
    } catch (error) {
      // A connection that the client ended, or a fault of the test's own, which its client shall see.
      response.destroy(error instanceof Error ? error : undefined);
    }
  }

  async #reply(request: IncomingMessage, body: string): Promise<Reply | "drop"> {
    const { method = "", url: path = "" } = request;
    const payload = body === "" ? "" : payloadOf(body);
    const log = { method, path, payload, userAgent: request.headers["user-agent"] ?? "" };
    this.requests.push(log);
    const intercepted = this.settings.intercept(log);
    if (intercepted === "drop") return "drop";
    if (intercepted !== null) return { body: "", ...intercepted };
    try {
      if (method !== "POST") return this.#read(path);
      if (request.headers["content-type"] !== "application/jose+json")
        throw new Refusal("malformed", "another content type", 415);
      return await this.#post(path, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.status, headers: error.headers, body: problem(error) };
    }
  }

  #read(path: string): Reply {
    const { profiles, eab, renewal, renewalRetryAfter } = this.settings;
    if (path === "/nonce") return { status: 200, body: "" };
    if (path === "/directory") {
      const resources = {
        newNonce: `${this.#base}/nonce`,
        newAccount: `${this.#base}/account`,
        newOrder: `${this.#base}/order`,
        ...(renewal === null ? {} : { renewalInfo: `${this.#base}/renewal` }),
      };
      const meta = { profiles, externalAccountRequired: eab !== null };
      return { status: 200, body: { ...resources, meta } };
    }
    const id = path.replace(/^\/renewal\//, "");
    const known = this.issued.find(({ certificate }) => certificateId(certificate) === id);
    if (renewal === null || known === undefined)
      throw new Refusal("malformed", "nothing is there", 404);
    return {
      status: 200,
      headers: renewalRetryAfter === "" ? {} : { "retry-after": renewalRetryAfter },
      body: renewal(known.certificate),
    };
  }

  async #post(path: string, body: string): Promise<Reply> {
    const url = this.#base + path;
    const { nonce, payload, jwk } = checkJws(body, url, (kid) => {
      const account = this.accounts.get(kid);
      return account === undefined ? null : createPublicKey({ key: account.jwk, format: "jwk" });
    });
    if (this.settings.nonceErrors > 0 || !this.#nonces.delete(nonce)) {
      this.settings.nonceErrors = Math.max(0, this.settings.nonceErrors - 1);
      throw new Refusal("badNonce", "another nonce, please");
    }
    const members = payload === "" ? {} : readRecord(payload);
    if (path === "/account") return this.#newAccount(members, jwk);
    if (jwk !== null) throw new Refusal("malformed", "an account signs here");
    if (path === "/order") return this.#newOrder(members);
    const [, kind, id = ""] = path.split("/");
    if (kind === "accounts") return this.#changeAccount(url, members);
    if (kind === "orders") return this.#showOrder(url);
    if (kind === "finalize") return this.#finalize(`${this.#base}/orders/${id}`, members);
    if (kind === "authorizations") return this.#showAuthorization(url);
    if (kind === "challenges") return this.#beginCheck(url, body);
    const chain = this.#certificates.get(path);
    if (chain === undefined) throw new Refusal("malformed", "nothing is there", 404);
    const link = `<${this.#base}/directory>;rel="index", <${url}-other>; rel="alternate"`;
    return { status: 200, headers: this.settings.hasAlternate ? { link } : {}, body: chain };
  }

  #newAccount(members: Readonly<Record<string, unknown>>, jwk: JsonWebKey | null): Reply {
    if (jwk === null) throw new Refusal("malformed", "a key signs here");
    for (const [location, account] of this.accounts)
      if (jwkThumbprint(account.jwk) === jwkThumbprint(jwk))
        return { status: 200, headers: { location }, body: account };
    if (members["termsOfServiceAgreed"] !== true)
      throw new Refusal("userActionRequired", "the terms were not agreed to", 403);
    const { eab } = this.settings;
    if (eab !== null) {
      if (members["externalAccountBinding"] === undefined)
        throw new Refusal("externalAccountRequired", "a binding is asked for", 403);
      checkBinding(members["externalAccountBinding"], `${this.#base}/account`, jwk, eab);
    }
    const account = { jwk, contact: members["contact"], status: "valid" };
    const location = `${this.#base}/accounts/${this.accounts.size + 1}`;
    this.accounts.set(location, account);
    return { status: 201, headers: { location }, body: account };
  }

  #changeAccount(url: string, { contact }: Readonly<Record<string, unknown>>): Reply {
    const account = this.accounts.get(url);
    if (account === undefined) throw new Refusal("malformed", "nothing is there", 404);
    if (account.status !== "valid") throw new Refusal("unauthorized", "not a valid account", 403);
    if (contact !== undefined) account.contact = contact;
    return { status: 200, body: account };
  }

  #newOrder(members: Readonly<Record<string, unknown>>): Reply {
    const identifiers = readIdentifiers(members["identifiers"]);
    const profile = textOf(members["profile"]);
    const replaces = textOf(members["replaces"]);
    if (profile !== "" && !(profile in this.settings.profiles))
      throw new Refusal("invalidProfile", "no such profile");
    if (replaces !== "" && this.issued.some((one) => one.replaces === replaces))
      throw new Refusal("alreadyReplaced", "it has a successor", 409);
    if (
      replaces !== "" &&
      !this.issued.some(({ certificate }) => certificateId(certificate) === replaces)
    )
      throw new Refusal("malformed", "no such certificate", 404);
    const id = String(this.#orders.size + 1);
    const url = `${this.#base}/orders/${id}`;
    const authorizations = identifiers.map((one) => this.#authorize(one));
    const order = { status: "pending", identifiers, authorizations, profile, replaces };
    this.#orders.set(url, { ...order, certificate: "", looksLeft: 0 });
    return { status: 201, headers: { location: url }, body: this.#orderBody(url) };
  }

  #authorize(ordered: Identifier): string {
    const url = `${this.#base}/authorizations/${this.#authorizations.size + 1}`;
    const isWildcard = ordered.value.startsWith("*.");
    const types = isWildcard ? ["dns-01"] : this.settings.challengeTypes;
    this.#authorizations.set(url, {
      identifier: { type: ordered.type, value: ordered.value.replace(/^\*\./, "") },
      isWildcard,
      status: "pending",
      challenges: types.map((type) => ({
        type,
        url: url.replace("/authorizations/", "/challenges/") + `/${type}`,
        token: randomBytes(32).toString("base64url"),
        status: "pending",
      })),
    });
    return url;
  }

  #orderBody(url: string): object {
    const order = this.#order(url);
    const states = order.authorizations.map((one) => this.#authorizations.get(one)?.status);
    if (order.status === "pending" && states.includes("invalid")) order.status = "invalid";
    if (order.status === "pending" && states.every((state) => state === "valid"))
      order.status = "ready";
    if (order.status === "processing" && order.looksLeft-- <= 0) order.status = "valid";
    const { certificate, looksLeft, ...shown } = order;
    void looksLeft;
    return {
      ...shown,
      finalize: url.replace("/orders/", "/finalize/"),
      ...(order.status === "valid" ? { certificate } : {}),
    };
  }

  #order(url: string): Order {
    const order = this.#orders.get(url);
    if (order === undefined) throw new Refusal("malformed", "nothing is there", 404);
    return order;
  }

  #showOrder(url: string): Reply {
    return { status: 200, headers: this.#pace(), body: this.#orderBody(url) };
  }

  #pace(): Readonly<Record<string, string>> {
    return this.settings.retryAfter === "" ? {} : { "retry-after": this.settings.retryAfter };
  }

  #showAuthorization(url: string): Reply {
    const authorization = this.#authorizations.get(url);
    if (authorization === undefined) throw new Refusal("malformed", "nothing is there", 404);
    const { isWildcard, ...shown } = authorization;
    const body = isWildcard ? { ...shown, wildcard: true } : shown;
    return { status: 200, headers: this.#pace(), body };
  }

  #beginCheck(url: string, body: string): Reply {
    for (const authorization of this.#authorizations.values())
      for (const challenge of authorization.challenges) {
        if (challenge.url !== url) continue;
        if (challenge.status !== "pending")
          throw new Refusal("malformed", "the challenge is not pending");
        challenge.status = "processing";
        delete challenge.error;
        const kid = String(readRecord(headOf(body))["kid"]);
        const jwk = this.accounts.get(kid)?.jwk ?? {};
        const expected = `${challenge.token}.${jwkThumbprint(jwk)}`;
        void this.#check(authorization, challenge.type, challenge.token, expected).then(
          () => {
            challenge.status = authorization.status = "valid";
            return null;
          },
          (error: unknown) => {
            challenge.error = problem(error);
            if (this.settings.keepsPending) challenge.status = "pending";
            else challenge.status = authorization.status = "invalid";
          },
        );
        return { status: 200, body: challenge };
      }
    throw new Refusal("malformed", "nothing is there", 404);
  }

  async #check(
    { identifier }: Authorization,
    type: string,
    token: string,
    expected: string,
  ): Promise<void> {
    const { host, httpPort, tlsPort, txtRecords } = this.settings;
    const { value } = identifier;
    if (type === "http-01") return checkHttp(value, token, expected, { host, port: httpPort });
    if (type === "tls-alpn-01") return checkTlsAlpn(value, expected, { host, port: tlsPort });
    const wanted = createHash("sha256").update(expected).digest("base64url");
    if (!txtRecords(`_acme-challenge.${value}`).includes(wanted))
      throw new Refusal("dns", `no such TXT record for ${value}`);
  }

  #finalize(url: string, members: Readonly<Record<string, unknown>>): Reply {
    this.#orderBody(url);
    const order = this.#order(url);
    if (order.status !== "ready" || this.settings.notReadyErrors > 0) {
      this.settings.notReadyErrors = Math.max(0, this.settings.notReadyErrors - 1);
      throw new Refusal("orderNotReady", "not ready", 403);
    }
    const { spki, names } = checkCsr(Buffer.from(String(members["csr"]), "base64url"));
    const wanted = order.identifiers.map(identifierKey);
    if (names.toSorted().join() !== wanted.toSorted().join())
      throw new Refusal("badCSR", `other names than ordered: ${names.join()}`);
    const publicKey = createPublicKey({ key: spki, type: "spki", format: "der" });
    const values = order.identifiers.map(({ value }) => value);
    const der = this.#sign(values, publicKey, this.root, this.settings.now());
    const certificate = new X509Certificate(der);
    const path = `/certificates/${this.issued.length + 1}`;
    this.#certificates.set(path, certificate.toString() + this.root.toString());
    this.#certificates.set(`${path}-other`, certificate.toString() + this.#otherRoot.toString());
    const { profile, replaces } = order;
    this.issued.push({ certificate, names: values, profile, replaces });
    order.certificate = this.#base + path;
    order.status = "processing";
    // The response to this request is a look as well.
    order.looksLeft = this.settings.processingLooks + 1;
    return { status: 200, headers: { location: url }, body: this.#orderBody(url) };
  }
}

/** Starts an authority over HTTPS with settings of its own. */
export async function startAuthority(
  scope: Scope,
  settings: Partial<AuthoritySettings> = {},
): Promise<TestAuthority> {
  const authority = new TestAuthority();
  Object.assign(authority.settings, settings);
  await authority.start(scope);
  return authority;
}

function makeRoot(
  { privateKey, publicKey }: ReturnType<typeof generateP256>,
  subject: string,
): X509Certificate {
  const now = Date.now();
  return new X509Certificate(
    makeCertificate({
      subject,
      names: [],
      isAuthority: true,
      issuer: null,
      signingKey: privateKey,
      publicKey,
      notBefore: now - DAY_MS,
      notAfter: now + 3650 * DAY_MS,
      usages: [],
      extensions: [],
    }),
  );
}

function generateP256() {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function problem(error: unknown): object {
  const type = error instanceof Refusal ? error.type : "serverInternal";
  const detail = error instanceof Error ? error.message : String(error);
  return { type: `urn:ietf:params:acme:error:${type}`, detail };
}

function readIdentifiers(value: unknown): readonly Identifier[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new Refusal("malformed", "an order without identifiers");
  return value.map((one: unknown) => {
    const { type, value: name } = readRecord(JSON.stringify(one));
    const isAddress = isIP(String(name)) !== 0;
    if ((type !== "dns" && type !== "ip") || isAddress !== (type === "ip"))
      throw new Refusal("unsupportedIdentifier", String(name));
    return { type, value: String(name) };
  });
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function headOf(body: string): string {
  return Buffer.from(String(readRecord(body)["protected"]), "base64url").toString();
}

function payloadOf(body: string): string {
  return Buffer.from(String(readRecord(body)["payload"]), "base64url").toString();
}
