// The one table of errors that clients can be answered with. The text says what was wrong and what
// would be right; it never carries a header's value or a path. docs/errors.md is held to this table
// by a test.

/** An error of the table: `code` is stable and goes to the log, `text` goes to the client. */
export interface HttpError {
  readonly code: string;
  readonly status: number;
  readonly text: string;
}
