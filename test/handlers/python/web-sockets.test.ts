// Which WebSockets are closed from outside, when, and with which code.

import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";

import { ASGI } from "../../../src/handlers/asgi/request-body.ts";
import { PythonRequest } from "../../../src/handlers/python/python-request.ts";
import {
  messageMemoryBytes,
  OpenWebSockets,
  PythonWebSocket,
} from "../../../src/handlers/python/web-sockets.ts";
import { lapse, until } from "../../support/deadline.ts";
import { RawClient } from "../../support/raw-client.ts";
import { HandWorker } from "../hand-worker.ts";

class Recorded extends PythonWebSocket {
  /** Codes and reasons of all closes. */
  readonly heard: string[] = [];

  close(code: number, reason: string): void {
    this.heard.push(`${code} ${reason}`);
  }

  onFault(text: string): void {
    this.heard.push(text);
  }

  open(): void {
    this.opened();
  }

  end(): void {
    this.closed();
  }
}

async function requestOf(context: TestContext): Promise<PythonRequest> {
  const worker = await HandWorker.start(context);
  const requests: PythonRequest[] = [];
  worker.handle = (exchange) => requests.push(new PythonRequest(exchange, worker.context, ASGI));
  const client = await RawClient.connect(worker);
  context.after(() => client.destroy());
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  return await until("a request", () => requests[0]);
}

it("closes all that are open, spread over a time, and those that open later at once", async (context) => {
  const request = await requestOf(context);
  const all = new OpenWebSockets(5000);
  const [first, second, late] = [1, 2, 3].map(() => new Recorded(request, all));
  assert.ok(first !== undefined && second !== undefined && late !== undefined);
  first.open();
  second.open();
  all.closeAll(1012, 60);
  assert.deepEqual(second.heard, []);
  await until("both are closed", () => first.heard.length === 1 && second.heard.length === 1);
  late.open();
  assert.deepEqual(late.heard, ["1012 the server restarts"]);
});

it("closes none that has ended meanwhile, even before it was open", async (context) => {
  const request = await requestOf(context);
  const all = new OpenWebSockets(5000);
  const [ended, early] = [1, 2].map(() => new Recorded(request, all));
  assert.ok(ended !== undefined && early !== undefined);
  ended.open();
  early.end();
  early.open();
  all.closeAll(1012, 20);
  ended.end();
  await lapse(60);
  assert.deepEqual([ended.heard, early.heard], [[], []]);
});

it("closes the WebSockets of a worker that leaves, and leaves the others", async (context) => {
  const request = await requestOf(context);
  const all = new OpenWebSockets(20);
  const [mine, other] = [1, 2].map(() => new Recorded(request, all));
  assert.ok(mine !== undefined && other !== undefined);
  mine.open();
  other.open();
  mine.onWorkerLeaving();
  await until("it is closed", () => mine.heard.length === 1);
  await lapse(60);
  assert.deepEqual([mine.heard, other.heard], [["1012 the server restarts"], []]);
});

it("has a code for each way in which its job is lost", async (context) => {
  const request = await requestOf(context);
  const webSocket = new Recorded(request, new OpenWebSockets(5000));
  webSocket.onLost("stopping");
  webSocket.onLost("worker-died");
  assert.deepEqual(webSocket.heard, ["1012 the server stops", "1011 the process ended"]);
  assert.ok(webSocket.isHeldByClient());
});

it("memory of messages is smaller on a small machine, and has room for two of the largest", () => {
  const MIB = 1_048_576;
  assert.equal(messageMemoryBytes(16 * MIB, 16_384 * MIB), 128 * MIB);
  assert.equal(messageMemoryBytes(16 * MIB, 512 * MIB), 64 * MIB);
  assert.equal(messageMemoryBytes(16 * MIB, 128 * MIB), 32 * MIB);
  assert.equal(messageMemoryBytes(100 * MIB, 16_384 * MIB), 200 * MIB);
});
