// Jobs that remember what became of them.

import { Job, type LostReason } from "../../src/workers/job.ts";

export class RecordedJob extends Job {
  readonly names: string = "host";
  readonly values: string;
  readonly body: Buffer | null;
  readonly isBodyInFile = false;
  timeout = 30;
  isRepeatable = true;
  readonly heard: string[] = [];
  isHeld = false;

  constructor(values = "GET\0/\0a", body: Buffer | null = null) {
    super();
    this.values = values;
    this.body = body;
  }

  onHead(head: string, count: number, body: Buffer, isWhole: boolean): void {
    this.heard.push(`head ${head} ${count} ${body.toString("latin1")}${isWhole ? " whole" : ""}`);
  }

  onBody(bytes: Buffer, isLast: boolean): void {
    this.heard.push(`body ${bytes.toString("latin1")}${isLast ? " last" : ""}`);
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
}
