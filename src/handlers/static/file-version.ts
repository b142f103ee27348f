// One state of a file, plain or coded, with all that a response needs: heads, validators, and the bytes if they
// are kept in memory. Pure: sees what the file system has said, never the file system.

import type { Stats } from "node:fs";

import { MIN_CODED_BYTES } from "../../http/coded-head.ts";
import { isCompressible, type Coding } from "../../http/content-coding.ts";
import { fileValidators, isOver } from "../../http/file-validators.ts";
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
  const { etag, lastModified } = fileValidators(stats, coding, now);
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

/** Whether the second of the last change is over, so that a further one shows in the times. */
export function isSettled({ mtimeMs, ctimeMs }: Stats, now: number): boolean {
  return isOver(Math.max(mtimeMs, ctimeMs), now);
}
