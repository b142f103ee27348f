// Whether long event streams keep memory flat. Clients read server-sent events for an hour; every second
// one client leaves and another one comes, and the memory of the front and the workers is read.
//
//   node benchmarks/sse-hour.ts --seconds 3600 --streams 20 --interval 0.001
//
// The run fails if an event is missing or out of order, if a stream goes on without its client, or if a
// process has grown by more than MAX_GROWTH_BYTES since the first tenth of the time.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { until } from "../test/support/deadline.ts";
import { readAnonymousMemory } from "../test/support/processes.ts";
import { RawClient } from "../test/support/raw-client.ts";
import { Typhon, withDefaults } from "../test/support/typhon.ts";

/** A process with garbage collection grows and shrinks by some megabytes. */
const MAX_GROWTH_BYTES = 16 * 1024 * 1024;
const MEGABYTE = 1024 * 1024;
const LINES = 12;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3600" },
    streams: { type: "string", default: "20" },
    interval: { type: "string", default: "0.001" },
    workers: { type: "string", default: "2" },
  },
});
const seconds = Number(values.seconds);
const streams = Number(values.streams);

/** One client: counts events, and checks that none is missing or out of order. */
class Reader {
  readonly name: string;
  events = 0;
  readonly #client: RawClient;
  #text = "";

  private constructor(name: string, client: RawClient) {
    this.name = name;
    this.#client = client;
    client.socket.removeAllListeners("data");
    client.socket.on("data", (bytes: Buffer) => this.#read(bytes.toString("latin1")));
  }

  static async open(typhon: Typhon, name: string): Promise<Reader> {
    const client = await RawClient.connect(typhon);
    const reader = new Reader(name, client);
    client.write(
      `GET /events?name=${name}&interval=${values.interval} HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    return reader;
  }

  leave(): void {
    this.#client.destroy();
  }

  #read(text: string): void {
    const parts = (this.#text + text).split("\n\n");
    this.#text = parts.pop() ?? "";
    for (const part of parts) {
      this.events += 1;
      assert.match(part, new RegExp(`id: ${this.events}\ndata: tick ${this.events}$`), this.name);
    }
  }
}

interface Sample {
  readonly second: number;
  readonly events: number;
  /** Of the front, then of each worker. */
  readonly bytes: readonly number[];
}

async function measure(typhon: Typhon, folder: string): Promise<readonly Sample[]> {
  const pids = [typhon.pid, ...typhon.workers().map(({ pid }) => pid)];
  const readers = await Promise.all(
    Array.from({ length: streams }, (_, at) => Reader.open(typhon, `first-${at}`)),
  );
  const left: Reader[] = [];
  const samples: Sample[] = [];
  let events = 0;
  for (let second = 1; second <= seconds; second += 1) {
    await sleep(1000);
    const oldest = readers.shift();
    if (oldest !== undefined) {
      oldest.leave();
      events += oldest.events;
      left.push(oldest);
    }
    readers.push(await Reader.open(typhon, `next-${second}`));
    const running = readers.reduce((sum, reader) => sum + reader.events, 0);
    samples.push({ second, events: events + running, bytes: pids.map(readAnonymousMemory) });
  }
  for (const reader of readers) reader.leave();
  for (const { name } of [...left, ...readers])
    await until(`${name} has ended`, () => existsSync(join(folder, `${name}.ended`)));
  return samples;
}

function report(samples: readonly Sample[]): boolean {
  const step = Math.max(1, Math.floor(samples.length / LINES));
  const shown = samples.filter((_, at) => at % step === step - 1 || at === samples.length - 1);
  process.stdout.write("second     events  front MB  workers MB\n");
  for (const { second, events, bytes } of shown) {
    const [front = "", ...workers] = bytes.map((count) => (count / MEGABYTE).toFixed(1));
    process.stdout.write(
      `${String(second).padStart(6)} ${String(events).padStart(10)} ${front.padStart(9)}  ${workers.join(" ")}\n`,
    );
  }
  const from = samples[Math.floor(samples.length / 10)];
  const last = samples.at(-1);
  assert(from !== undefined && last !== undefined);
  const growth = last.bytes.map((bytes, at) => bytes - (from.bytes[at] ?? 0));
  const told = growth.map((bytes) => `${(bytes / MEGABYTE).toFixed(1)} MB`).join(", ");
  const isFlat = growth.every((bytes) => bytes <= MAX_GROWTH_BYTES);
  process.stdout.write(
    `${last.events} events in ${last.second} s (${Math.round(last.events / last.second)}/s); ` +
      `since second ${from.second} front and workers grew by ${told}: ${isFlat ? "flat" : "NOT FLAT"}\n`,
  );
  return isFlat;
}

const folder = mkdtempSync(join(tmpdir(), "typhon-sse-"));
const typhon = new Typhon(withDefaults(["asgi_events:app", "--workers", values.workers]), {
  env: { GATE_DIR: folder },
});
try {
  await typhon.waitForStart();
  const samples = await measure(typhon, folder);
  await typhon.stop();
  process.exitCode = report(samples) ? 0 : 1;
} finally {
  typhon.kill();
  rmSync(folder, { recursive: true, force: true });
}
