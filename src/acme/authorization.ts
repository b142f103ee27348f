// One authorization of an order (RFC 8555 §7.5): the challenge to respond to, and how the check ended. Pure.

import type { KeyObject } from "node:crypto";

import { fault, problemText, readIdentifier, type Subproblem } from "./acme-error.ts";
import { identifierKey, type Identifier } from "./identifier.ts";
import { asObject, asObjects, asText, type JsonObject } from "./json.ts";
import { keyAuthorization } from "./proof.ts";
export type ChallengeType = "http-01" | "tls-alpn-01" | "dns-01";

/** A challenge as its responder sees it. */
export interface PresentedChallenge {
  readonly type: ChallengeType;
  /** Without "*.": the name whose control is proved. */
  readonly identifier: Identifier;
  readonly token: string;
  readonly keyAuthorization: string;
}

/** Responds to the challenges of an order; implemented by the caller. */
export interface ChallengeResponder {
  /** The types that can be responded to for an identifier, best first; empty: none. */
  types(identifier: Identifier, isWildcard: boolean): readonly ChallengeType[];
  /** Resolves when the authority may look. Challenges of an order are presented one after the other. */
  present(challenge: PresentedChallenge): Promise<void>;
  /** Called once for each challenge whose `present` was called, also when that or the order failed. Tells its own failures. */
  remove(challenge: PresentedChallenge): Promise<void>;
}

/** A token becomes a path and a file's name: base64url only, with the entropy of RFC 8555 §8.1 at least. */
const TOKEN = /^[\w-]{22,256}$/;

/** An authorization that waits for its challenge. */
export interface PendingChallenge {
  readonly authorizationUrl: string;
  readonly url: string;
  readonly presented: PresentedChallenge;
}

/** The identifier of an authorization. Throws AcmeError where the order does not have it. */
function orderedIdentifier(authorization: JsonObject, ordered: readonly Identifier[]): Identifier {
  const named = readIdentifier(authorization["identifier"]);
  const prefix = authorization["wildcard"] === true ? "*." : "";
  const wanted =
    named === null ? "" : identifierKey({ type: named.type, value: prefix + named.value });
  // The order's own spelling, so that an authority's text never becomes a file's name.
  const found = ordered.find((identifier) => identifierKey(identifier) === wanted);
  if (found === undefined)
    throw fault(
      "malformedResponse",
      `an authorization for ${named?.value ?? "nothing"}, not ordered`,
    );
  return found;
}

/** Chooses the challenge to respond to. Throws AcmeError: noChallenge, or malformedResponse. */
export function chooseChallenge(
  authorization: JsonObject,
  ordered: readonly Identifier[],
  responder: ChallengeResponder,
  accountKey: KeyObject,
): Omit<PendingChallenge, "authorizationUrl"> {
  const { type, value } = orderedIdentifier(authorization, ordered);
  const isWildcard = value.startsWith("*.");
  const identifier = { type, value: isWildcard ? value.slice(2) : value };
  const offered = asObjects(authorization["challenges"]);
  const possible = responder.types(identifier, isWildcard);
  for (const kind of possible) {
    const challenge = offered.find((one) => one["type"] === kind);
    if (challenge === undefined) continue;
    const token = asText(challenge["token"]);
    if (!TOKEN.test(token)) throw fault("malformedResponse", `${value}: a token of another form`);
    return {
      url: asText(challenge["url"]),
      presented: {
        type: kind,
        identifier,
        token,
        keyAuthorization: keyAuthorization(token, accountKey),
      },
    };
  }
  const names = offered.map((one) => asText(one["type"])).join(", ");
  throw fault(
    "noChallenge",
    `${value}: the authority offers ${names || "no challenge"}; possible here: ${possible.join(", ") || "none"}`,
  );
}

/** Whether a challenge was checked, failed, and waits for another response. */
export function isCheckOver(authorization: JsonObject, url: string): boolean {
  const challenge = asObjects(authorization["challenges"]).find((one) => one["url"] === url);
  return challenge?.["status"] === "pending" && asObject(challenge["error"]) !== null;
}

/** Why an authorization is not valid. */
export function failureOf(authorization: JsonObject, identifier: Identifier): Subproblem {
  const failed = asObjects(authorization["challenges"]).find((one) => asObject(one["error"]));
  if (failed === undefined)
    return {
      type: authorization["status"] === "pending" ? "timeout" : "unauthorized",
      detail: `the authorization is ${asText(authorization["status"]) || "without a status"}`,
      identifier,
    };
  return { ...problemText(asObject(failed["error"])), identifier };
}
