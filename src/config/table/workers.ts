// How many processes and threads, and when one is replaced.

import { inGroup } from "../option.ts";
import { oneOf, readSize, seconds, wholeNumber } from "../values.ts";

/** More workers or threads than this is a slip of the finger, not a plan. */
const MAX_WORKERS = 1024;
const MAX_THREADS = 256;
const MAX_CONCURRENCY = 16_384;
const MAX_REQUESTS = 1_000_000_000;

const option = inGroup("Workers");

export const WORKERS = {
  workers: option({
    name: "workers",
    short: "w",
    placeholder: "N",
    fallbackWords: "the usable cores",
    otherVariable: "WEB_CONCURRENCY",
    help: "Python processes",
    doc: "How many Python processes run the application. Default: the processor cores that Typhon may use, the limits of its control group (containers) and its CPU affinity included.",
    read: wholeNumber(1, MAX_WORKERS),
  }),
  threads: option({
    name: "threads",
    placeholder: "N",
    fallback: "4",
    help: "threads of each worker",
    doc: "How many requests one worker may run at the same time, each in a thread. A second thread begins only when the first is busy for some milliseconds, so free processes come first. 1 for applications that are not thread-safe.",
    read: wholeNumber(1, MAX_THREADS),
  }),
  concurrency: option({
    name: "concurrency",
    placeholder: "N",
    fallback: "1024",
    help: "ASGI: requests that a worker runs at once",
    doc: "How many requests and WebSockets one worker runs at the same time under ASGI; more wait in the queue.",
    read: wholeNumber(1, MAX_CONCURRENCY),
  }),
  retry: option<"safe" | "off">({
    name: "retry",
    placeholder: "KIND",
    fallback: "safe",
    help: "safe: GET, HEAD, OPTIONS run once more if their worker died",
    doc: "What becomes of requests that a worker held when it died. `safe`: a GET, HEAD or OPTIONS without a body that had not begun to answer is run once more by another worker, unless it was the only one that the worker held and so may be what killed it. `off`: each gets 502. A request past its deadline is never run again.",
    read: oneOf(["safe", "off"]),
  }),
  maxRequests: option({
    name: "max-requests",
    placeholder: "N",
    fallback: "0",
    help: "a worker is replaced after so many; 0 = never",
    doc: "After so many requests a worker is replaced: a new one is ready before it stops taking. 0: never.",
    read: wholeNumber(0, MAX_REQUESTS),
  }),
  maxRequestsJitter: option({
    name: "max-requests-jitter",
    placeholder: "N",
    fallback: "0",
    help: "up to so many more, at random for each worker",
    doc: "Each worker runs up to so many requests more than `--max-requests`, at random, so that not all are replaced at the same time.",
    read: wholeNumber(0, MAX_REQUESTS),
  }),
  maxRss: option({
    name: "max-rss",
    placeholder: "SIZE",
    fallback: "0",
    help: "a worker that needs more memory is replaced; 0 = never",
    doc: "A worker whose resident memory is larger, such as `512M`, is replaced, as with `--max-requests`. Looked at every second. 0: never.",
    read: readSize,
  }),
  maxAge: option({
    name: "max-age",
    placeholder: "SECONDS",
    fallback: "0",
    help: "an older worker is replaced; 0 = never",
    doc: "A worker that is older is replaced, as with `--max-requests`. 0: never.",
    read: seconds(0),
  }),
} as const;
