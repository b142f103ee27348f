// Files that an application hands over, so that no worker waits while a client reads them.
//
//   X-Sendfile: /srv/media/a.mp4 ──▶ below a declared folder ─┐
//   X-Accel-Redirect: /media/a.mp4 ──▶ below its prefix ──────┼─▶ open ─▶ conditions, ranges ─▶ FileSender
//   FILE, a worker's descriptor (file_wrapper, pathsend) ─────┘            where they are asked for
//
// A field that names a file is obeyed where the application has declared folders. Where it has not, the field is
// for a proxy in front: it is passed on to a trusted one, and removed for everybody else, because it tells where
// files lie.

import { realpath } from "node:fs/promises";

import { ERRORS } from "../../http/error.ts";
import type { Exchange } from "../../http/exchange.ts";
import type { ResponseHead } from "../../http/message.ts";
import { notModifiedHead, select, type Representation } from "../../http/selected-response.ts";
import { FileSender, type FilePart as SentPart } from "../../net/file-sender.ts";
import { FileTree, openRegular, type FileCount, type OpenFile } from "../../net/file-tree.ts";
import type { FilePart, JobListener } from "../../workers/job.ts";
import {
  fileOrder,
  fileResponse,
  leavesRanges,
  namesBelow,
  namesOf,
  passedHead,
  type FileOrder,
} from "./handed-heads.ts";

const EMPTY = Buffer.alloc(0);
const MAX_SHOWN_CHARACTERS = 1024;
const BUSY: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

/** A folder of files, and the prefix by which X-Accel-Redirect names it. */
export interface FileRoot {
  /** "" or "/prefix", canonical. */
  readonly prefix: string;
  /** Absolute. */
  readonly folder: string;
}

export interface HandedFilesOptions {
  readonly roots: readonly FileRoot[];
  readonly count: FileCount;
  /** routing/canonical-path.ts */
  readonly canonicalPath: (path: string) => string | null;
  readonly isTrustedProxy: (address: string) => boolean;
}

interface Found {
  readonly file: OpenFile;
  readonly name: string;
}

export class HandedFiles {
  readonly #options: HandedFilesOptions;
  /** The longest prefix first. */
  readonly #roots: readonly (FileRoot & { readonly tree: FileTree })[];

  constructor(options: HandedFilesOptions) {
    this.#options = options;
    const { count } = options;
    this.#roots = options.roots
      .map((root) => ({
        ...root,
        tree: new FileTree({ root: root.folder, followLinks: false, count }),
      }))
      .toSorted((a, b) => b.prefix.length - a.prefix.length);
  }

  /** The order of a head that this server obeys. */
  orderIn(head: ResponseHead): FileOrder | null {
    return this.#roots.length === 0 ? null : fileOrder(head);
  }

  /** A head with orders that are not obeyed here, as the client at `peer` may see it. */
  passedHead(head: ResponseHead, peer: string): ResponseHead {
    return passedHead(head, this.#roots.length === 0 && this.#options.isTrustedProxy(peer));
  }

  /** Opens what a worker offers; null: the worker is to send the bytes. */
  async openPart(
    { path, offset, length }: FilePart,
    { head }: Representation,
  ): Promise<OpenFile | null> {
    const file = await openRegular(path, this.#options.count).catch(() => null);
    if (file === null) return null;
    if (head.contentLength === length && offset + length <= file.stats.size) return file;
    file.close();
    return null;
  }

  /** Responds with the file of an order. `fault`: called with a text for the log. */
  async send(
    exchange: Exchange,
    head: ResponseHead,
    order: FileOrder,
    fault: (text: string) => void,
  ): Promise<void> {
    const named = `${order.field}: "${shownPath(order.path)}"`;
    try {
      const found = await this.#open(order);
      if (found === null) {
        fault(`${named}: there is no such file below the folders of --sendfile`);
        exchange.fail(ERRORS.NOT_FOUND);
        return;
      }
      const { file, name } = found;
      const response = fileResponse(head, name, file.stats, Date.now());
      sendFile(exchange, file, response, 0);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      exchange.fail(BUSY.has(code) ? ERRORS.NO_DESCRIPTORS : ERRORS.SERVER_FAULT);
      // Without a code the fault is ours: the server logs it.
      if (code === "") throw error;
      fault(`${named}: the file cannot be read: ${code}`);
    }
  }

  async #open({ field, path }: FileOrder): Promise<Found | null> {
    for (const root of this.#roots) {
      const names =
        field === "X-Sendfile"
          ? await namesIn(root.folder, path)
          : this.#namesAt(root.prefix, path);
      if (names === null) continue;
      const place = await root.tree.find(names);
      if (place === null) continue;
      try {
        const file = place.kind === "file" ? await place.open() : null;
        return file === null ? null : { file, name: names.at(-1) ?? "" };
      } finally {
        place.release();
      }
    }
    return null;
  }

  #namesAt(prefix: string, target: string): readonly string[] | null {
    const [sent = ""] = target.split("?", 1);
    const path = sent.startsWith("/") ? this.#options.canonicalPath(sent) : null;
    return path?.startsWith(`${prefix}/`) === true ? namesOf(path.slice(prefix.length)) : null;
  }
}

/** An application may name the folder as the option does, or as the system does. */
async function namesIn(folder: string, path: string): Promise<readonly string[] | null> {
  const named = namesBelow(latin1(folder), path);
  if (named !== null) return named;
  const real = await realpath(folder).catch(() => folder);
  return real === folder ? null : namesBelow(latin1(real), path);
}

/** A path for the log, which escapes what must not be shown. */
function shownPath(path: string): string {
  const text = Buffer.from(path, "latin1").toString();
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}

/** The bytes of a path, each a character. */
function latin1(path: string): string {
  return Buffer.from(path).toString("latin1");
}

/** Responds with a representation whose bytes lie in the file from `offset` on, and closes the file. */
export function sendFile(
  exchange: Exchange,
  file: OpenFile,
  current: Representation,
  offset: number,
): void {
  const { method } = exchange.head;
  const isRead = method === "GET" || method === "HEAD";
  const mayChoose = isRead && leavesRanges(current.head);
  const selection = mayChoose ? select(exchange.head, current, Date.now() / 1000) : "whole";
  const isPart = typeof selection !== "string" && selection.kind === "parts";
  if (!exchange.isFinished && method !== "HEAD" && (isPart || selection === "whole")) {
    const parts = isPart ? selection.parts : [{ start: 0, end: current.length }];
    const sender = new FileSender(
      file,
      exchange,
      parts.map((part) => moved(part, offset)),
    );
    exchange.listener = sender;
    exchange.start(isPart ? selection.head : current.head);
    sender.start();
    return;
  }
  file.close();
  if (selection === "whole") exchange.respond(current.head, EMPTY);
  else if (selection === "not-modified") exchange.respond(notModifiedHead(current.head), EMPTY);
  else if (selection.kind === "error") exchange.fail(selection.error);
}

function moved(part: SentPart, offset: number): SentPart {
  return typeof part === "string" ? part : { start: part.start + offset, end: part.end + offset };
}

/** Hears the rest of a job whose response the front has: the worker has only to end it. */
export class HandedJob implements JobListener {
  readonly onFault: (text: string) => void;

  /** `onFault`: gets the text of a failure after the response. */
  constructor(onFault: (text: string) => void) {
    this.onFault = onFault;
  }

  onLost(): void {
    // The file is open here: nothing is lost.
  }

  isHeldByClient(): boolean {
    return false;
  }

  onWorkerLeaving(): void {
    // The request is not the worker's any more.
  }
}
