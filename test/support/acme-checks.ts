// How the authority of the tests checks: signatures of requests, challenges by real connections, and signing
// requests. Written from the RFCs' side of the authority; shares no code with the client but the DER reader.

import assert from "node:assert/strict";
import {
  createHash,
  createHmac,
  createPublicKey,
  verify,
  type JsonWebKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { get, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { isIP } from "node:net";
import { connect } from "node:tls";

import { extensionOf } from "../../src/x509/certificate.ts";
import { readElements, type Element } from "../../src/x509/der.ts";
import { readRecord } from "./json.ts";

/** A refusal, as a problem document tells it. */
export class Refusal extends Error {
  readonly type: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    type: string,
    detail: string,
    status = 400,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.type = type;
    this.status = status;
    this.headers = headers;
  }
}

export interface CheckedJws {
  readonly nonce: string;
  readonly payload: string;
  /** The key, where the request was signed by a key; null: by an account. */
  readonly jwk: JsonWebKey | null;
}

const decode = (text: unknown): string => {
  if (typeof text !== "string" || !/^[\w-]*$/.test(text))
    throw new Refusal("malformed", "not base64url");
  return Buffer.from(text, "base64url").toString();
};

/** Checks a signed request (RFC 8555 §6.2); `keyOf` finds an account's key. */
export function checkJws(
  text: string,
  url: string,
  keyOf: (kid: string) => KeyObject | null,
): CheckedJws {
  const jws = readRecord(text);
  const head = readRecord(decode(jws["protected"]));
  const { alg, nonce, kid, jwk } = head;
  if (alg !== "ES256") throw new Refusal("badSignatureAlgorithm", "ES256 is asked for");
  if (head["url"] !== url) throw new Refusal("unauthorized", "signed for another URL", 401);
  if ((kid === undefined) === (jwk === undefined))
    throw new Refusal("malformed", "either a key or an account signs");
  const given = jwk === undefined ? null : (readRecord(JSON.stringify(jwk)) as JsonWebKey);
  const key = given === null ? keyOf(String(kid)) : createPublicKey({ key: given, format: "jwk" });
  if (key === null) throw new Refusal("accountDoesNotExist", "no such account");
  const signature = Buffer.from(String(jws["signature"]), "base64url");
  const bytes = Buffer.from(`${String(jws["protected"])}.${String(jws["payload"])}`);
  if (!verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signature))
    throw new Refusal("unauthorized", "the signature is wrong", 401);
  return { nonce: String(nonce), payload: decode(jws["payload"]), jwk: given };
}

/** Checks an external account binding (RFC 8555 §7.3.4). */
export function checkBinding(
  binding: unknown,
  url: string,
  jwk: JsonWebKey,
  eab: { readonly kid: string; readonly hmacKey: Buffer },
): void {
  const jws = readRecord(JSON.stringify(binding));
  const head = readRecord(decode(jws["protected"]));
  const mac = createHmac("sha256", eab.hmacKey)
    .update(`${String(jws["protected"])}.${String(jws["payload"])}`)
    .digest("base64url");
  const isRight =
    head["alg"] === "HS256" &&
    head["kid"] === eab.kid &&
    head["url"] === url &&
    jws["signature"] === mac;
  if (!isRight) throw new Refusal("unauthorized", "the external account binding is wrong", 403);
  assert.deepEqual(readRecord(decode(jws["payload"])), jwk);
}

/** RFC 7638. */
export function jwkThumbprint({ crv, kty, x, y }: JsonWebKey): string {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

/** GETs the response of http-01. */
export async function checkHttp(
  name: string,
  token: string,
  authorization: string,
  at: { readonly host: string; readonly port: number },
): Promise<void> {
  const path = `/.well-known/acme-challenge/${token}`;
  const request = get({ ...at, path, headers: { host: name }, agent: false });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", (error) => reject(new Refusal("connection", error.message)));
  });
  let body = "";
  for await (const piece of response) body += String(piece);
  if (response.statusCode !== 200 || body.trimEnd() !== authorization)
    throw new Refusal("unauthorized", `${name}: ${response.statusCode} ${body}`, 403);
}

/** Shakes hands for tls-alpn-01 (RFC 8737, RFC 8738 §6). */
export async function checkTlsAlpn(
  name: string,
  authorization: string,
  at: { readonly host: string; readonly port: number },
): Promise<void> {
  const servername = isIP(name) === 0 ? name : reverseName(name);
  const socket = connect({
    ...at,
    servername,
    ALPNProtocols: ["acme-tls/1"],
    rejectUnauthorized: false,
  });
  try {
    await once(socket, "secureConnect").catch((error: Error) => {
      throw new Refusal("tls", error.message);
    });
    const raw = socket.getPeerCertificate().raw;
    const certificate = new X509Certificate(raw);
    const digest = extensionOf(certificate, "1.3.6.1.5.5.7.1.31")?.toString("hex");
    const wanted = `0420${createHash("sha256").update(authorization).digest("hex")}`;
    const covered = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name);
    const names = certificate.subjectAltName?.split(",").length;
    if (socket.alpnProtocol !== "acme-tls/1" || names !== 1 || covered !== name)
      throw new Refusal("unauthorized", `${name}: ${certificate.subjectAltName}`, 403);
    if (digest !== wanted) throw new Refusal("unauthorized", `${name}: another digest`, 403);
  } finally {
    socket.destroy();
  }
}

function reverseName(address: string): string {
  if (isIP(address) === 4) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const [left = "", right = ""] = address.split("::");
  const groups = (side: string): string[] => (side === "" ? [] : side.split(":"));
  const zeros = 8 - groups(left).length - groups(right).length;
  const all = [...groups(left), ...Array.from({ length: zeros }, () => "0"), ...groups(right)];
  const digits = all.map((group) => group.padStart(4, "0")).join("");
  return `${digits.split("").reverse().join(".")}.ip6.arpa`;
}

/** Checks a signing request → its key and its names as "dns:…" and "ip:" with hexadecimal bytes. */
export function checkCsr(csr: Buffer): {
  readonly spki: Buffer;
  readonly names: readonly string[];
} {
  const [info, , signature] = membersOf(readElements(csr)[0]);
  const [, , spki, attributes] = membersOf(info);
  if (info === undefined || signature === undefined || spki === undefined)
    throw new Refusal("badCSR", "not a signing request");
  const key = createPublicKey({ key: spki.whole, type: "spki", format: "der" });
  if (!verify("sha256", info.whole, key, signature.content.subarray(1)))
    throw new Refusal("badCSR", "the signature is wrong");
  const [, values] = membersOf(membersOf(attributes)[0]);
  const [extensions] = membersOf(values);
  const [alternativeNames] = membersOf(extensions);
  const [list] = membersOf(membersOf(alternativeNames).at(-1));
  const names = membersOf(list).map(({ tag, content }) =>
    tag === 0x82 ? `dns:${content.toString()}` : `ip:${content.toString("hex")}`,
  );
  return { spki: spki.whole, names };
}

function membersOf(element: Element | undefined): readonly Element[] {
  return element === undefined ? [] : readElements(element.content);
}
