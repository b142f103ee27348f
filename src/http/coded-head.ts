// Which responses may be coded, and what coding makes of their heads (RFC 9110 §8.4, §8.8.1, §12.5.5). Pure: sees
// heads and lengths, never bytes. A head is used for many responses and engines cache its encoded text, so each
// head's coded forms are made once.

import { AcceptedCodings, isCompressible, type Coding } from "./content-coding.ts";
import { hasMember } from "./grammar.ts";
import { HAS_CODING, type RequestHead, type ResponseHead } from "./message.ts";

/** Shorter bodies fit into one packet with their head, coded or not. nginx codes from 20 bytes on. */
export const MIN_CODED_BYTES = 1024;

/** How a response is sent: the coding of its body, and its head. */
export interface CodedHead {
  readonly coding: Coding | "identity";
  readonly head: ResponseHead;
  /** The head where the body is not coded after all, because no encoder is free. */
  readonly identity: ResponseHead;
}

/** Statuses without a body, or with a part of one. */
const NEVER_CODED: ReadonlySet<number> = new Set([101, 204, 205, 206]);
/**
 * Fields of a body that must stay as it is: it has a coding, is a part, or has a checksum of its bytes (RFC 9530).
 * "identity" as Content-Encoding is how an application asks for this.
 */
const FIXES_BODY: ReadonlySet<string> = new Set([
  "content-digest",
  "content-encoding",
  "content-md5",
  "content-range",
  "digest",
  "repr-digest",
]);
const VARY = "Accept-Encoding";

/** In the order in which they are preferred where the client has no preference: the cheapest and smallest first. */
const ACCEPTED = new AcceptedCodings(["zstd", "br", "gzip"]);

const known = new WeakMap<ResponseHead, HeadForms>();

/** Chooses the coding of a response and its head. `length`: bytes of the body, -1 = not known. */
export function chooseCodedHead(
  head: ResponseHead,
  request: RequestHead,
  length: number,
): CodedHead {
  let forms = known.get(head);
  if (forms === undefined) {
    forms = new HeadForms(head);
    known.set(head, forms);
  }
  if (!forms.mayBeCoded || (length >= 0 && length < MIN_CODED_BYTES)) return forms.unchanged;
  if (head.status === 304) return forms.notModified(request);
  if ((request.fields & HAS_CODING) === 0) return forms.identity;
  const coding = ACCEPTED.chosenBy(request);
  return coding === "identity" ? forms.identity : forms.coded(coding);
}

/** The forms of one head. */
class HeadForms {
  readonly mayBeCoded: boolean;
  readonly unchanged: CodedHead;
  /** Not coded; says that another client gets a coded body. */
  readonly identity: CodedHead;
  readonly #coded: { [coding in Coding]: CodedHead | null } = { zstd: null, br: null, gzip: null };
  #weak: CodedHead | null = null;

  constructor(head: ResponseHead) {
    this.mayBeCoded = mayBeCoded(head);
    this.unchanged = identityOf(head);
    this.identity = this.mayBeCoded ? identityOf(varying(head)) : this.unchanged;
  }

  coded(coding: Coding): CodedHead {
    const { head: identity } = this.identity;
    return (this.#coded[coding] ??= { coding, head: withCoding(identity, coding), identity });
  }

  /**
   * A 304 names the tag of the response that the client has: the weak one if it was coded (RFC 9111 §4.3.4), and a
   * client that has it says so.
   */
  notModified(request: RequestHead): CodedHead {
    const tag = valueOf(this.identity.head, "etag");
    if (!isStrong(tag) || !asksForWeak(request, tag)) return this.identity;
    return (this.#weak ??= identityOf(changed(this.identity.head, weakened)));
  }
}

function identityOf(head: ResponseHead): CodedHead {
  return { coding: "identity", head, identity: head };
}

function mayBeCoded(head: ResponseHead): boolean {
  const { status, names, contentLength } = head;
  if (NEVER_CODED.has(status)) return false;
  if (names.some((name) => FIXES_BODY.has(name.toLowerCase()))) return false;
  if (hasMember(valueOf(head, "cache-control"), "no-transform")) return false;
  const type = valueOf(head, "content-type");
  // A 304 seldom repeats the type and the length of what the client has.
  if (status === 304) return type === "" || isCompressible(type);
  return isCompressible(type) && (contentLength === null || contentLength >= MIN_CODED_BYTES);
}

function varying(head: ResponseHead): ResponseHead {
  const vary = valueOf(head, "vary");
  if (hasMember(vary, "accept-encoding") || hasMember(vary, "*")) return head;
  if (vary === "")
    return { ...head, names: [...head.names, "Vary"], values: [...head.values, VARY] };
  let isDone = false;
  return changed(head, (name, value) => {
    if (name !== "vary" || isDone) return value;
    isDone = true;
    return `${value}, ${VARY}`;
  });
}

/** The body has another length, no ranges, and other bytes each time the encoder changes: a strong tag gets weak. */
function withCoding(head: ResponseHead, coding: Coding): ResponseHead {
  const { names, values } = changed(head, (name, value) =>
    name === "content-length" || name === "accept-ranges" ? null : weakened(name, value),
  );
  return {
    ...head,
    names: [...names, "Content-Encoding"],
    values: [...values, coding],
    contentLength: null,
  };
}

function weakened(name: string, value: string): string {
  return name === "etag" && isStrong(value) ? `W/${value}` : value;
}

/** `change`: the new value of a field, null = without the field. Names come in lower case. */
function changed(
  head: ResponseHead,
  change: (name: string, value: string) => string | null,
): ResponseHead {
  const names: string[] = [];
  const values: string[] = [];
  for (const [index, name] of head.names.entries()) {
    const value = change(name.toLowerCase(), head.values[index] ?? "");
    if (value === null) continue;
    names.push(name);
    values.push(value);
  }
  return { ...head, names, values };
}

function isStrong(tag: string): boolean {
  return tag.startsWith('"');
}

/** Whether If-None-Match has the weak form of a strong tag. */
function asksForWeak({ names, values }: RequestHead, tag: string): boolean {
  return names.some(
    (name, index) => name === "if-none-match" && values[index]?.includes(`W/${tag}`) === true,
  );
}

/** The values of a field, joined; "" = the field is not there. */
function valueOf({ names, values }: ResponseHead, name: string): string {
  return values.filter((_, index) => names[index]?.toLowerCase() === name).join(", ");
}
