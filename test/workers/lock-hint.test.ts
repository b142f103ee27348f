// The last lines with which databases and lock files refuse a second process, and lines that only look alike.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { withLockHint } from "../../src/workers/lock-hint.ts";

describe("withLockHint", () => {
  for (const line of [
    "zc.lockfile.LockError: Couldn't lock '/srv/Data.fs.lock'",
    "sqlite3.OperationalError: database is locked",
    'duckdb.IOException: IO Error: Could not set lock on file "/srv/a.db": Conflicting lock is held in python3',
    "BlockingIOError: [Errno 11] Resource temporarily unavailable",
    "filelock._error.Timeout: The file lock '/srv/a.lock' could not be acquired.",
    "portalocker.exceptions.LockException: [Errno 11] Resource temporarily unavailable",
    "whoosh.index.LockError",
    "RuntimeError: Storage folder /srv/q is already accessed by another instance of Qdrant client.",
    "OSError: [Errno 98] Address already in use",
  ])
    it(`advises after: ${line}`, () => {
      const text = `importing 'a' failed\nTraceback (most recent call last):\n${line}`;
      const among = `${text}\nAnother worker may hold it: --workers 1 runs the application in a single process.`;
      assert.equal(withLockHint(text, 2), among);
      assert.match(withLockHint(text, 1), /\nThe worker that serves may hold it: .* restart\.$/);
    });

  for (const line of [
    "ModuleNotFoundError: No module named 'lock'",
    "ImportError: cannot import name 'Lock' from 'threads'",
    "AttributeError: 'Blocks' object has no attribute 'unlock'",
    "OSError: [Errno 99] Cannot assign requested address",
  ])
    it(`says nothing after: ${line}`, () => {
      assert.equal(withLockHint(`is locked\n${line}`, 2), `is locked\n${line}`);
    });
});
