// How much there may be, and where it is kept.

import { inGroup } from "../option.ts";
import { readSize, readText, wholeNumber } from "../values.ts";

const MAX_QUEUE = 1_000_000;

const option = inGroup("Limits");

export const LIMITS = {
  queue: option({
    name: "queue",
    placeholder: "N",
    fallback: "1000",
    help: "requests that may wait; more get 503",
    doc: "How many requests may wait for a worker; more are answered at once with 503 and Retry-After.",
    read: wholeNumber(1, MAX_QUEUE),
  }),
  maxBody: option({
    name: "max-body",
    placeholder: "SIZE",
    fallback: "1G",
    help: "the largest request body; more gets 413",
    doc: "The largest body of a request, such as `512k`, `10M`, `1G` (powers of 1,024); a larger one is answered with 413.",
    read: readSize,
  }),
  maxResponseSpill: option({
    name: "max-response-spill",
    placeholder: "SIZE",
    fallback: "1G",
    help: "kept on disk of one answer to a slow client",
    doc: "How much of one answer is kept in a temporary file for a client that reads slowly, so that the worker is free; beyond it the worker waits for the client.",
    read: readSize,
  }),
  tempDir: option({
    name: "temp-dir",
    placeholder: "DIR",
    fallbackWords: "$TMPDIR, else /tmp",
    help: "where large bodies are kept",
    doc: "The folder for the temporary files of large bodies. They have no name that outlives the request.",
    read: readText,
  }),
} as const;
