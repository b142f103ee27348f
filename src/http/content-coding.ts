// Which coding of a body a client prefers (RFC 9110 §12.5.3), and which types are worth coding. Pure.

import { trimBlanks } from "./grammar.ts";
import type { RequestHead } from "./message.ts";

/** The codings that this server knows; identity is no coding. */
export type Coding = "zstd" | "br" | "gzip";

/** Most members of an Accept-Encoding that are looked at; browsers send four. */
const MAX_MEMBERS = 32;

/** Choices of one list of offers that are kept, and the longest field of one. */
export const MAX_KEPT_CHOICES = 256;
export const MAX_KEPT_LENGTH = 256;

/** Types of text: half of their bytes or more are saved. Images, audio, video and archives are compressed already. */
const COMPRESSIBLE =
  /^(?:text\/|application\/(?:json|javascript|xml|manifest|x-ndjson|graphql|wasm|rtf|sql|toml|yaml|x-yaml|x-javascript|x-sh|geo|ld|problem|activity|vnd\.ms-fontobject)\b|font\/(?:ttf|otf|collection)|application\/(?:x-font-ttf|font-sfnt)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|[a-z]+\/[^;\s]+\+(?:json|xml|text|yaml)\b)/i;

/** Whether bodies of this Content-Type become much smaller. */
export function isCompressible(contentType: string): boolean {
  return COMPRESSIBLE.test(contentType);
}

/**
 * The best of `offers`, which are in the server's order, by the weights of Accept-Encoding; "identity" where no
 * offer is accepted or the client prefers no coding. `accept`: null = the field is not there.
 */
export function chooseCoding<Offer extends Coding>(
  accept: string | null,
  offers: readonly Offer[],
): Offer | "identity" {
  if (accept === null || offers.length === 0) return "identity";
  const weights = new Map<string, number>();
  for (const member of accept.split(",", MAX_MEMBERS)) {
    const [name = "", ...parameters] = member.split(";", 4).map(trimBlanks);
    const lower = name.toLowerCase();
    // x-gzip is another name of gzip. RFC 9110 §8.4.1.3.
    if (lower !== "") weights.set(lower === "x-gzip" ? "gzip" : lower, weightOf(parameters));
  }
  const others = weights.get("*");
  let best: Offer | "identity" = "identity";
  // Identity is acceptable unless it is refused, but a coding with any weight is preferred to an unnamed identity.
  let bestWeight = weights.get("identity") ?? 0;
  for (const offer of offers) {
    const weight = weights.get(offer) ?? others ?? 0;
    const isBetter = best === "identity" ? weight > 0 && weight >= bestWeight : weight > bestWeight;
    if (!isBetter) continue;
    best = offer;
    bestWeight = weight;
  }
  return best;
}

/** The choice between the same offers for many requests: clients send few different fields, so choices are kept. */
export class AcceptedCodings {
  readonly #offers: readonly Coding[];
  readonly #choices = new Map<string, Coding | "identity">();

  /** `offers`: in the server's order. */
  constructor(offers: readonly Coding[]) {
    this.#offers = offers;
  }

  /** The best offer for a request, which has Accept-Encoding. */
  chosenBy({ names, values }: RequestHead): Coding | "identity" {
    const first = names.indexOf("accept-encoding");
    const isOnly = names.indexOf("accept-encoding", first + 1) === -1;
    const accept = isOnly
      ? (values[first] ?? "")
      : values.filter((_, index) => names[index] === "accept-encoding").join();
    const choice = this.#choices.get(accept);
    if (choice !== undefined) return choice;
    const chosen = chooseCoding(accept, this.#offers);
    if (accept.length <= MAX_KEPT_LENGTH) {
      if (this.#choices.size >= MAX_KEPT_CHOICES) this.#choices.clear();
      // A copy: the value may be a slice that keeps the text of its whole head in memory.
      this.#choices.set(Buffer.from(accept, "latin1").toString("latin1"), chosen);
    }
    return chosen;
  }
}

/** qvalue: "0" … "1" with at most three decimals. Anything else counts as not acceptable. */
function weightOf(parameters: readonly string[]): number {
  const q = parameters.find((parameter) => /^q\s*=/i.test(parameter));
  if (q === undefined) return 1;
  const match = /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i.exec(q);
  return match === null ? 0 : Number(match[1]);
}
