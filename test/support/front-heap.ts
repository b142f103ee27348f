// The live heap of the front. V8 lets its heap grow by tens of megabytes before it collects garbage, which
// hides small leaks and looks like large ones. The front is therefore started with its inspector open, and
// is asked to collect all garbage before memory is read.

import { once } from "node:events";
import { join } from "node:path";

import { within } from "./deadline.ts";

/** For the environment of a server whose heap is to be read. */
export const INSPECTABLE: Readonly<Record<string, string>> = {
  TYPHON_NODE: join(import.meta.dirname, "inspected-node.sh"),
};

const ANSWER_MS = 20_000;

/** Collects all garbage of the front with this log; bytes of its heap that are still in use. */
export async function readLiveHeap({ log }: { readonly log: string }): Promise<number> {
  const url = /Debugger listening on (ws:\S+)/.exec(log)?.[1];
  if (url === undefined) throw new Error("the front has no inspector");
  const socket = new WebSocket(url);
  await within(ANSWER_MS, once(socket, "open"), "the inspector answers");
  try {
    // Twice: the second finds what the finalizers of the first have released.
    await ask(socket, 1, "HeapProfiler.collectGarbage");
    await ask(socket, 2, "HeapProfiler.collectGarbage");
    const usage = await ask(socket, 3, "Runtime.getHeapUsage");
    const bytes: unknown = Reflect.get(Object(usage), "usedSize");
    const outside: unknown = Reflect.get(Object(usage), "backingStorageSize");
    return Number(bytes) + Number(outside);
  } finally {
    socket.close();
  }
}

async function ask(socket: WebSocket, id: number, method: string): Promise<unknown> {
  const answered = once(socket, "message");
  socket.send(JSON.stringify({ id, method }));
  const [event]: unknown[] = await within(ANSWER_MS, answered, method);
  const answer: unknown = JSON.parse(String(Reflect.get(Object(event), "data")));
  return Reflect.get(Object(answer), "result");
}
