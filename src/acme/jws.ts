// The signatures of ACME's requests: flattened JWS (RFC 7515) by keys on P-256, and external account
// binding (RFC 8555 §6.2, §7.3.4). Pure.

import { createHash, createHmac, createPublicKey, sign, type KeyObject } from "node:crypto";

export interface PublicJwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

/** The public half of an account's key. Throws TypeError for a key that is not on P-256. */
export function publicJwk(key: KeyObject): PublicJwk {
  const { kty, crv, x, y } = createPublicKey(key).export({ format: "jwk" });
  if (kty !== "EC" || crv !== "P-256" || typeof x !== "string" || typeof y !== "string")
    throw new TypeError("an account's key is on P-256");
  return { crv, kty, x, y };
}

/** The name of a key in key authorizations (RFC 7638): its members in the order of their names. */
export function thumbprint({ crv, kty, x, y }: PublicJwk): string {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

export interface ProtectedHeader {
  readonly url: string;
  readonly nonce: string;
  /** The account's URL; null: the key itself, for an account that has no URL yet. */
  readonly accountUrl: string | null;
}

/** Signs a request's body; a payload of "" reads a resource (RFC 8555 §6.3). */
export function signRequest(payload: string, header: ProtectedHeader, key: KeyObject): string {
  const { url, nonce, accountUrl } = header;
  const who = accountUrl === null ? { jwk: publicJwk(key) } : { kid: accountUrl };
  const head = encode(JSON.stringify({ alg: "ES256", ...who, nonce, url }));
  const body = encode(payload);
  const signature = sign("sha256", Buffer.from(`${head}.${body}`), {
    key,
    dsaEncoding: "ieee-p1363",
  });
  return JSON.stringify({
    protected: head,
    payload: body,
    signature: signature.toString("base64url"),
  });
}

/** Binds an account's key to an account outside ACME: a JWS over the key, with HMAC-SHA-256. */
export function bindAccount(
  eab: { readonly kid: string; readonly hmacKey: Buffer },
  url: string,
  jwk: PublicJwk,
) {
  const head = encode(JSON.stringify({ alg: "HS256", kid: eab.kid, url }));
  const body = encode(JSON.stringify(jwk));
  const signature = createHmac("sha256", eab.hmacKey).update(`${head}.${body}`).digest("base64url");
  return { protected: head, payload: body, signature };
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}
