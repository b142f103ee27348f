// The response of a CGI program (RFC 3875 §6): a header block, whose lines end with LF or CRLF, then the body. Reads
// the block as it comes, piece by piece. Pure.
//
//   Status: 404 Not Found, Content-Type: …     document
//   Location: /path?query                      local redirect: the server responds as to a request for that path
//   Location: https://…                        client redirect, 302, with a body or without one
//
// As with Apache, a Location with a Status other than 200 is a field of an ordinary response. A response that
// begins with a status line (NPH, §5) is refused.

import { connectionKind } from "../http/connection-fields.ts";
import { RequestFault } from "../http/error.ts";
import { trimBlanks } from "../http/grammar.ts";
import type { ResponseHead } from "../http/message.ts";
import { checkedHead, quote, ResponseFault } from "../http/response-head.ts";
import { reasonPhrase } from "../http/status.ts";
import { parseTarget } from "../http/target.ts";

/** Bytes of a header block with its line ends. */
export const MAX_PROGRAM_HEAD_BYTES = 32_768;
export const MAX_PROGRAM_FIELDS = 100;

export type ProgramResponse =
  /** `hasType`: a body may follow; without Content-Type none may (§6.3.1). */
  | { readonly kind: "document"; readonly head: ResponseHead; readonly hasType: boolean }
  /** As in a request target. */
  | { readonly kind: "local-redirect"; readonly path: string; readonly query: string };

export interface ReadHead {
  readonly response: ProgramResponse;
  /** Index of the first byte of the body in the last piece. */
  readonly bodyAt: number;
}

/** Reads the header block of one response. */
export class HeadReader {
  /** Begins with a line end, so that an empty first line ends the block. */
  #text = "\n";

  /** Whether no byte has come. */
  get isEmpty(): boolean {
    return this.#text.length === 1;
  }

  /** Takes the next bytes; null: the block goes on. Throws ResponseFault. */
  push(bytes: Buffer): ReadHead | null {
    const before = this.#text.length;
    this.#text += bytes.toString(
      "latin1",
      0,
      Math.min(bytes.length, MAX_PROGRAM_HEAD_BYTES + 1 - before),
    );
    const end = /\n\r?\n/g;
    end.lastIndex = Math.max(0, before - 2);
    const found = end.exec(this.#text);
    if (found === null) {
      if (this.#text.length <= MAX_PROGRAM_HEAD_BYTES) return null;
      throw new ResponseFault(`the header block is longer than ${MAX_PROGRAM_HEAD_BYTES} bytes`);
    }
    const response = readBlock(this.#text.slice(1, found.index));
    return { response, bodyAt: end.lastIndex - before };
  }
}

/** Reads a header block without the empty line at its end. */
function readBlock(block: string): ProgramResponse {
  const lines = block === "" ? [] : block.split("\n");
  if (lines.length > MAX_PROGRAM_FIELDS)
    throw new ResponseFault(`the header block has more than ${MAX_PROGRAM_FIELDS} fields`);
  const kept = { names: [] as string[], values: [] as string[] };
  const options: string[] = [];
  const ofProgram: OwnFields = { status: null, location: null, type: null };
  for (const line of lines) {
    const [name, value] = readLine(line);
    const own = ownField(name);
    if (own !== null) {
      if (ofProgram[own] !== null) throw new ResponseFault(`there are two ${name} fields`);
      ofProgram[own] = value;
    }
    const kind = connectionKind(name, value, "restated");
    if (kind === "option") options.push(value);
    if (kind !== "sent" || own === "status" || /^x-cgi-/i.test(name)) continue;
    kept.names.push(name);
    kept.values.push(value);
  }
  return responseOf(ofProgram, (status, reason) =>
    checkedHead(status, reason, kept, options.join()),
  );
}

/** The fields that say what kind of response it is (§6.3). */
interface OwnFields {
  status: string | null;
  location: string | null;
  type: string | null;
}

function ownField(name: string): keyof OwnFields | null {
  const lower = name.toLowerCase();
  if (lower === "content-type") return "type";
  return lower === "status" || lower === "location" ? lower : null;
}

function responseOf(
  { status, location, type }: OwnFields,
  headOf: (status: number, reason: string) => ResponseHead,
): ProgramResponse {
  if (status === null && location === null && type === null)
    throw new ResponseFault("the header block has neither Content-Type, Location nor Status");
  const [code, reason] = status === null ? [200, "OK"] : readStatus(status);
  const isRedirect = location !== null && location !== "" && code === 200;
  if (isRedirect && location.startsWith("/") && !location.includes("#"))
    return { kind: "local-redirect", ...readTarget(location) };
  const head = isRedirect ? headOf(302, "Found") : headOf(code, reason);
  return { kind: "document", head, hasType: type !== null && type !== "" };
}

function readLine(line: string): readonly [name: string, value: string] {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  const colon = text.indexOf(":");
  if (text.startsWith("HTTP/"))
    throw new ResponseFault("the response begins with a status line (NPH); use Status: instead");
  if (colon === -1) throw new ResponseFault(`the line ${quote(text)} is no header field`);
  return [text.slice(0, colon), trimBlanks(text.slice(colon + 1))];
}

function readStatus(value: string): readonly [status: number, reason: string] {
  if (!/^[2-5]\d\d(?: |$)/.test(value))
    throw new ResponseFault(`the status ${quote(value)} is not "200 OK" … "599 Reason"`);
  const status = Number(value.slice(0, 3));
  return [status, trimBlanks(value.slice(3)) || reasonPhrase(status)];
}

function readTarget(location: string): { readonly path: string; readonly query: string } {
  try {
    const { path, query } = parseTarget(location, "GET");
    return { path, query };
  } catch (error) {
    if (!(error instanceof RequestFault)) throw error;
    throw new ResponseFault(`Location ${quote(location)} is neither a path nor a URL`);
  }
}
