// An authority's directory (RFC 8555 §7.1.1): where its resources are, and what it offers. Pure.

import { fault } from "./acme-error.ts";
import type { AuthorityResponse } from "./authority-request.ts";
import { asObject, asText, printable } from "./json.ts";

/** Most profiles of one authority; Let's Encrypt has four. */
const MAX_PROFILES = 100;

export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  /** RFC 9773; "" where the authority has no renewal information. */
  readonly renewalInfo: string;
  /** Whether an account has to be bound to one outside ACME. */
  readonly isExternalAccountRequired: boolean;
  /** The profiles that an order may name → their descriptions (draft-ietf-acme-profiles). */
  readonly profiles: ReadonlyMap<string, string>;
}

/** Reads a directory. Throws AcmeError where a resource that orders need is not named. */
export function readDirectory({ url, object }: AuthorityResponse): Directory {
  const meta = asObject(object?.["meta"]);
  const profiles = Object.entries(asObject(meta?.["profiles"]) ?? {}).slice(0, MAX_PROFILES);
  const directory: Directory = {
    newNonce: asText(object?.["newNonce"]),
    newAccount: asText(object?.["newAccount"]),
    newOrder: asText(object?.["newOrder"]),
    renewalInfo: asText(object?.["renewalInfo"]),
    isExternalAccountRequired: meta?.["externalAccountRequired"] === true,
    profiles: new Map(profiles.map(([name, text]) => [printable(name), printable(asText(text))])),
  };
  if (directory.newNonce === "" || directory.newAccount === "" || directory.newOrder === "")
    throw fault("malformedResponse", `not a directory of ACME: ${url}`);
  return directory;
}
