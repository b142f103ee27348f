// Heads of responses whose body is a file that the application hands over, and the orders by which it does so.
// Pure: sees heads, paths and what the file system says.

import { isUtf8 } from "node:buffer";
import { posix } from "node:path";

import { fileValidators, type FileTimes } from "../../http/file-validators.ts";
import { fieldName, SERVER_ORDER } from "../../http/headers.ts";
import { formatHttpDate, parseHttpDate } from "../../http/http-date.ts";
import { contentTypeOf } from "../../http/media-types.ts";
import type { ResponseHead } from "../../http/message.ts";
import { responseHead } from "../../http/response-head.ts";
import type { Representation } from "../../http/selected-response.ts";
import { reasonPhrase } from "../../http/status.ts";

/** A field that names a file; `path`: latin-1 bytes. */
export interface FileOrder {
  readonly field: "X-Sendfile" | "X-Accel-Redirect";
  readonly path: string;
}

type Pairs = readonly (readonly [name: string, value: string])[];

/** The order to send a file; null: there is none, or the response has no body. */
export function fileOrder(head: ResponseHead): FileOrder | null {
  if (head.status === 204 || head.status === 304) return null;
  for (const field of ["X-Sendfile", "X-Accel-Redirect"] as const) {
    const value = fieldOf(head, field.toLowerCase());
    if (value !== "") return { field, path: pathBytes(value) };
  }
  return null;
}

/**
 * The head of a response with orders that are not obeyed here; with the orders if `isForProxy`. Where a file is
 * named, Content-Length may be the file's, and is not the body's.
 */
export function passedHead(head: ResponseHead, isForProxy: boolean): ResponseHead {
  const pairs = pairsOf(head).filter(([name]) => isForProxy || !isOrder(name));
  if (fileOrder(head) === null) return changed(head, head.status, pairs);
  return changed(
    head,
    head.status,
    pairs.filter(([name]) => name.toLowerCase() !== "content-length"),
  );
}

/** The names below `folder` of a file that is named by an absolute path; null: the file lies elsewhere. */
export function namesBelow(folder: string, path: string): readonly string[] | null {
  const normal = posix.normalize(path);
  const base = folder === "/" ? "/" : `${folder}/`;
  return normal.startsWith(base) ? namesOf(normal.slice(base.length)) : null;
}

/** The names on the way to a file; null: the path is a folder's. */
export function namesOf(path: string): readonly string[] | null {
  const names = path.split("/");
  if (names[0] === "") names.shift();
  return names.every((name) => name !== "") && names.length > 0 ? names : null;
}

/**
 * The response with a whole file in place of the application's body. A range that the application has found is
 * found anew, because the file is there to be looked at. `name`: of the file; `now`: ms since 1970.
 */
export function fileResponse(
  head: ResponseHead,
  name: string,
  times: FileTimes,
  now: number,
): Representation {
  const { etag, lastModified } = fileValidators(times, "identity", now);
  const own = pairsOf(head).filter(
    ([one]) => !isOrder(one) && !/^content-(?:length|range)$/i.test(one),
  );
  const isMissing = (field: string): boolean => fieldOf(head, field) === "";
  const added = [
    ...(isMissing("content-type") ? [["Content-Type", contentTypeOf(name)] as const] : []),
    ["Content-Length", String(times.size)] as const,
    ...(isMissing("etag") ? [["ETag", etag] as const] : []),
    ...(isMissing("last-modified")
      ? [["Last-Modified", formatHttpDate(lastModified)] as const]
      : []),
    ...(isMissing("accept-ranges") ? [["Accept-Ranges", "bytes"] as const] : []),
  ];
  return representation(
    changed(head, head.status === 206 ? 200 : head.status, [...own, ...added]),
    times.size,
  );
}

/** The response with `length` bytes that the application has chosen. */
export function partResponse(head: ResponseHead, length: number): Representation {
  const fields = pairsOf(head);
  const isStated = head.contentLength !== null;
  const all = isStated ? fields : [...fields, ["Content-Length", String(length)] as const];
  return representation(isStated ? head : changed(head, head.status, all), length);
}

/** Whether the application leaves ranges and conditions to the server: only a whole response can have parts. */
export function leavesRanges(head: ResponseHead): boolean {
  return (
    head.status === 200 &&
    /^bytes$/i.test(fieldOf(head, "accept-ranges")) &&
    fieldOf(head, "content-range") === ""
  );
}

function representation(head: ResponseHead, length: number): Representation {
  const lastModified = parseHttpDate(fieldOf(head, "last-modified")) ?? -1;
  return { head, length, etag: fieldOf(head, "etag"), lastModified };
}

function changed(head: ResponseHead, status: number, pairs: Pairs): ResponseHead {
  const reason = status === head.status ? head.reason : reasonPhrase(status);
  return { ...responseHead(status, reason, pairs), connection: head.connection };
}

function isOrder(name: string): boolean {
  return ((fieldName(name)?.kind ?? 0) & SERVER_ORDER) !== 0;
}

/**
 * Servers take a path for bytes, and WSGI has text of latin-1: "é" is one byte there, and in most file systems
 * two. A text that is no UTF-8 is not meant as bytes.
 */
function pathBytes(value: string): string {
  return isUtf8(Buffer.from(value, "latin1")) ? value : Buffer.from(value).toString("latin1");
}

/** The last value of a field; "" if there is none. */
function fieldOf({ names, values }: ResponseHead, lower: string): string {
  return values[names.findLastIndex((name) => name.toLowerCase() === lower)] ?? "";
}

function pairsOf({ names, values }: ResponseHead): Pairs {
  return names.map((name, index) => [name, values[index] ?? ""] as const);
}
