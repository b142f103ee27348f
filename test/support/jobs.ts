// Requests that remember what became of their jobs.

import {
  Job,
  type FilePart,
  type JobListener,
  type JobRequest,
  type LostReason,
} from "../../src/workers/job.ts";

export class RecordedRequest implements JobRequest, JobListener {
  readonly names: string = "host";
  readonly values: string;
  readonly body: Buffer | null;
  readonly isBodyInFile = false;
  isBodyStreamed = false;
  readonly isWebSocket: boolean = false;
  offersSocket = false;
  timeoutMs = 30_000;
  gapTimeoutMs = 30_000;
  abandonTimeoutMs: number | null = null;
  isRepeatable = true;
  readonly heard: string[] = [];
  /** Files that were offered as the response. */
  readonly files: { readonly part: FilePart; readonly tell: (isOpen: boolean) => boolean }[] = [];
  isHeld = false;
  readonly job = new Job(this, this);

  constructor(values = "GET\0/\0a", body: Buffer | null = null) {
    this.values = values;
    this.body = body;
  }

  onHead(head: string, count: number, body: Buffer, isWhole: boolean): void {
    this.heard.push(`head ${head} ${count} ${body.toString("latin1")}${isWhole ? " whole" : ""}`);
  }

  onBody(bytes: Buffer, isLast: boolean): void {
    this.heard.push(`body ${bytes.toString("latin1")}${isLast ? " last" : ""}`);
  }

  onFile(head: string, count: number, part: FilePart, tell: (isOpen: boolean) => boolean): void {
    this.heard.push(`file ${head} ${count}`);
    this.files.push({ part, tell });
  }

  onEarlyHint(record: string, count: number): void {
    this.heard.push(`hint ${record} ${count}`);
  }

  onTrailers(record: string, count: number): void {
    this.heard.push(`trailers ${record} ${count}`);
  }

  onBodyWanted(send: (piece: Buffer, isLast: boolean) => void): void {
    this.heard.push("wanted");
    send(Buffer.from("streamed"), true);
  }

  onBodyRead(bytes: number): void {
    this.heard.push(`read ${bytes}`);
  }

  onFault(text: string): void {
    this.heard.push(`fault ${text}`);
  }

  onLost(reason: LostReason): void {
    this.heard.push(`lost ${reason}`);
  }

  isHeldByClient(): boolean {
    return this.isHeld;
  }

  onWorkerLeaving(): void {
    this.heard.push("leaving");
  }
}

/** A handshake. */
export class RecordedHandshake extends RecordedRequest {
  override readonly isWebSocket = true;

  onAccept(): void {
    this.heard.push("accepted");
  }

  onClose(): void {
    this.heard.push("closed");
  }
}
