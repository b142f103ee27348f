// An application that locks a file, or takes a port, can be loaded by one process at a time. A second worker, or
// the new worker of a reload, then fails with the text of a lock; the operator is told what that means here.

/** What databases and lock files say to a second process. */
const LOCKED = new RegExp(
  [
    "\\b(?:is|are|already) locked\\b",
    "\\block(?:error|exception)\\b",
    "(?:could(?: not|n't)|can(?: ?not|'t)|unable to|failed to) (?!import).{0,40}\\block\\b",
    "\\block\\b.{0,200}could not be acquired",
    "\\bconflicting lock\\b",
    "\\bresource temporarily unavailable\\b",
    "\\balready (?:in use|accessed|open|opened|running)\\b",
  ].join("|"),
  "i",
);

/**
 * The reason of a failed load, with advice where another process may hold a lock. `workers`: how many the
 * application is to have.
 */
export function withLockHint(text: string, workers: number): string {
  const last = text.trimEnd().split("\n").at(-1) ?? "";
  if (!LOCKED.test(last)) return text;
  return workers > 1
    ? `${text}\nAnother worker may hold it: --workers 1 runs the application in a single process.`
    : `${text}\nThe worker that serves may hold it: new code of this application needs a restart.`;
}
