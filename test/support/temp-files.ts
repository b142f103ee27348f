// Temporary files and the table of open files with limits of a test's.

import { OpenFiles } from "../../src/net/open-files.ts";
import { TempFolder, type TempFileUse } from "../../src/net/temp-folder.ts";

/** A table without connections; by default without a limit. */
export function makeOpenFiles(limit = Infinity): OpenFiles {
  return new OpenFiles({
    limit,
    workers: 0,
    connections: () => 0,
    closeIdle: () => 0,
    measure: () => 0,
  });
}

export function makeTempFolder(
  parent: string,
  maxBytes = Infinity,
  openFiles = makeOpenFiles(),
  now = (): number => performance.now(),
): TempFolder {
  return new TempFolder({ parent, maxBytes, openFiles, now });
}

/** A use of a temporary file whose pace a test sets. */
export class Use implements TempFileUse {
  readonly kind: TempFileUse["kind"];
  bytesPerSecond: number;
  isGivenUp = false;

  constructor(kind: TempFileUse["kind"] = "request", bytesPerSecond = Infinity) {
    this.kind = kind;
    this.bytesPerSecond = bytesPerSecond;
  }

  pace(): number {
    return this.bytesPerSecond;
  }

  giveUp(): void {
    this.isGivenUp = true;
  }
}
