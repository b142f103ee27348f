// When V8 begins to collect the whole heap of the front. With large responses on their way V8 began every 100 ms,
// at 15 MB of a limit of 39 MB (--trace-incremental-marking), which took a quarter of the front's CPU: bytes that
// wait are buffers outside the heap, of which such a collection frees nothing. Figures:
// docs/decisions/0011-http2-engine.md.

import { setFlagsFromString } from "node:v8";

/** Percent of the growth up to V8's limit that are left when a collection begins. */
const REST_PERCENT = 10;

/** Lets the heap use most of its growth before a collection begins. The limit stays V8's. */
export function delayCollections(): void {
  setFlagsFromString(`--incremental-marking-hard-trigger=${REST_PERCENT}`);
}
