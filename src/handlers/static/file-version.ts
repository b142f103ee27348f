// One state of a file, plain or coded, with all that a response needs: heads, validators, and the bytes if they
// are kept in memory. Pure: sees what the file system has said, never the file system.

import type { Stats } from "node:fs";

import { MIN_CODED_BYTES } from "../../http/coded-head.ts";
import { isCompressible, type Coding } from "../../http/content-coding.ts";
import { formatHttpDate } from "../../http/http-date.ts";
import { contentTypeOf } from "../../http/media-types.ts";
import type { ResponseHead } from "../../http/message.ts";
import { responseHead } from "../../http/response-head.ts";
import { notModifiedHead, type Representation } from "../../http/selected-response.ts";
import { reasonPhrase } from "../../http/status.ts";
import type { FileCodings } from "./file-codings.ts";

export interface FileVersion extends Representation {
  /** The way to the file. */
  readonly names: readonly string[];
  readonly coding: Coding | "identity";
  readonly stats: Stats;
  readonly notModified: ResponseHead;
  /** Whether a further change would show in the file's times, which count in ticks of the kernel. */
  readonly isSettled: boolean;
  /** Null: not in memory. */
  body: Buffer | null;
  /** Whether the server may code the file itself. */
  readonly isCodable: boolean;
  /** Coded forms of the body that the server has made; null: the body is not in memory, or not codable. */
  codings: FileCodings | null;
  /** While the bytes are read into memory. */
  loading: Promise<FileVersion | null> | null;
}

export interface VersionFacts {
  /** The way to the file of these bytes, and the name that says the type. */
  readonly names: readonly string[];
  readonly typeName: string;
  readonly coding: Coding | "identity";
  /** Whether other codings of the file are offered. */
  readonly varies: boolean;
}

/** `now`: ms since 1970, when the file system said `stats`. */
export function fileVersion(facts: VersionFacts, stats: Stats, now: number): FileVersion {
  const { names, typeName, coding, varies } = facts;
  const etag = entityTag(stats, coding, now);
  // A date in the future would be no Last-Modified. RFC 9110 §8.8.2.1.
  const lastModified = Math.max(0, Math.floor(Math.min(stats.mtimeMs, now) / 1000));
  const head = responseHead(200, reasonPhrase(200), [
    ["Content-Type", contentTypeOf(typeName)],
    ["Content-Length", String(stats.size)],
    ...(coding === "identity" ? [] : [["Content-Encoding", coding] as const]),
    ["ETag", etag],
    ["Last-Modified", formatHttpDate(lastModified)],
    ["Accept-Ranges", "bytes"],
    ...(varies ? [["Vary", "Accept-Encoding"] as const] : []),
    ["X-Content-Type-Options", "nosniff"],
  ]);
  return {
    names,
    coding,
    stats,
    etag,
    lastModified,
    head,
    length: stats.size,
    notModified: notModifiedHead(head),
    isSettled: isSettled(stats, now),
    body: null,
    isCodable:
      coding === "identity" &&
      stats.size >= MIN_CODED_BYTES &&
      isCompressible(contentTypeOf(typeName)),
    codings: null,
    loading: null,
  };
}

/** The head for a page that is shown in place of what is missing. */
export function notFoundHead(version: FileVersion): ResponseHead {
  return responseHead(404, reasonPhrase(404), [
    ["Content-Type", contentTypeOf(version.names.at(-1) ?? "")],
    ["Content-Length", String(version.length)],
    ["X-Content-Type-Options", "nosniff"],
  ]);
}

/**
 * nginx's form, the time in seconds and the size, once a further change cannot have the same second; before, the
 * fraction of the second as well.
 */
function entityTag({ mtimeMs, size }: Stats, coding: FileVersion["coding"], now: number): string {
  const micros = Math.floor(mtimeMs * 1000);
  const seconds = Math.floor(mtimeMs / 1000);
  const fraction = isOver(mtimeMs, now) ? "" : `-${hex(micros - seconds * 1_000_000)}`;
  const suffix = coding === "identity" ? "" : `-${coding}`;
  return `"${hex(seconds)}-${hex(size)}${fraction}${suffix}"`;
}

/** Whether the second of the last change is over, so that a further one shows in the times. */
export function isSettled({ mtimeMs, ctimeMs }: Stats, now: number): boolean {
  return isOver(Math.max(mtimeMs, ctimeMs), now);
}

function isOver(time: number, now: number): boolean {
  return now >= (Math.floor(time / 1000) + 1) * 1000;
}

function hex(value: number): string {
  return value.toString(16);
}
