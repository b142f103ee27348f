// What clients can make a server keep, tried by thousands of them against a server in a control group of 512 MiB: the
// server lives, no worker is killed, other clients are served meanwhile, and afterwards the memory is free again.

import { readFileSync } from "node:fs";

import { readLimit } from "../../../src/net/open-files.ts";
import { until } from "../../../test/support/deadline.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, get, tellAnswer } from "../client.ts";
import { limitMemory } from "../control-group.ts";
import { Crowd, type CrowdOptions } from "../crowd.ts";
import type { Subject, SubjectOptions } from "../subject.ts";
import { counts, type AppName, type ServerName, type Stage, type Trial } from "../trial.ts";

const GROUP_BYTES = 512 << 20;
/** The client needs descriptors of its own, and the front keeps a tenth for other files. */
const USABLE_SHARE = 0.8;
/** One head: close to the limit of 32 KiB. */
const PADDING = `X-Padding: ${"x".repeat(30_000)}`;
const HOST = "HTTP/1.1\r\nHost: chaos\r\n";
const MIB = 2 ** 20;
/**
 * Limits of 32, 32, 64 and 64 MiB, buffers that are kept for reuse, some 80 MiB at rest, and garbage: V8 lets some 60 MB
 * of large buffers pile up.
 */
const MAX_FRONT_MIB = 350;
/** Messages of WebSockets have a limit of 128 MiB. */
const MAX_MESSAGES_MIB = 430;

interface Attack {
  readonly name: string;
  readonly words: string;
  readonly apps: readonly AppName[];
  readonly short: readonly AppName[];
  readonly servers: readonly ServerName[];
  /** In a short run, in a whole one. */
  readonly clients: readonly [short: number, whole: number];
  readonly bytes: CrowdOptions["bytes"];
  readonly reads: boolean;
  readonly options?: SubjectOptions;
  /** The front may take so much; default MAX_FRONT_MIB. */
  readonly maxMib?: number;
}

/** So many requests run at once in each worker, but no more than `threads` are held afterwards. */
const WIDE: SubjectOptions = { extras: { typhon: ["--concurrency", "400"] } };

/** A masked text frame of a WebSocket with the first `sent` bytes of a payload of `length` bytes. */
function beginMessage(length: number, sent: number): Buffer {
  const header = Buffer.alloc(14);
  header[0] = 0x81;
  header[1] = 0xff;
  header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, Buffer.alloc(sent)]);
}

const HANDSHAKE =
  `GET /socket ${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

const WSGI_AND_ASGI: readonly AppName[] = ["raw", "asgi"];
const ALL: readonly ServerName[] = ["typhon", "gunicorn-gthread", "granian", "uvicorn"];

const ATTACKS: readonly Attack[] = [
  {
    name: "memory.heads",
    words: "heads of 30 kB that do not end",
    apps: WSGI_AND_ASGI,
    short: ["raw"],
    servers: ALL,
    clients: [9000, 15_000],
    bytes: () => `GET / ${HOST}${PADDING}`,
    reads: true,
  },
  {
    name: "memory.waiting-heads",
    words: "whole heads of 30 kB whose body does not come",
    apps: WSGI_AND_ASGI,
    short: [],
    servers: ALL,
    clients: [9000, 15_000],
    bytes: () => `POST /upload ${HOST}Content-Length: 10\r\n${PADDING}\r\n\r\n12345`,
    reads: true,
  },
  {
    name: "memory.trailers",
    words: "trailers of 30 kB that do not end",
    apps: WSGI_AND_ASGI,
    short: [],
    servers: ALL,
    clients: [9000, 15_000],
    bytes: () => `POST /upload ${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n${PADDING}`,
    reads: true,
  },
  {
    name: "memory.pipelining",
    words: "a pipelined request of 90 kB behind one that runs",
    apps: WSGI_AND_ASGI,
    short: [],
    servers: ALL,
    clients: [1200, 4000],
    bytes: () =>
      `${get("/sleep?s=2")}POST /upload ${HOST}Content-Length: 90000\r\n\r\n${"x".repeat(90_000)}`,
    reads: true,
  },
  {
    name: "memory.unread",
    // The kernel holds some of the first.
    words: "five responses of 1 MiB that are not read",
    apps: WSGI_AND_ASGI,
    short: [],
    servers: ALL,
    clients: [400, 800],
    bytes: () => get("/whole?kib=1024").repeat(5),
    reads: false,
  },
  {
    name: "memory.unread-pieces",
    words: "responses of 16 MiB in pieces that are not read",
    apps: WSGI_AND_ASGI,
    short: [],
    servers: ALL,
    clients: [300, 1000],
    bytes: () => get("/download?chunks=256"),
    reads: false,
  },
  {
    name: "memory.bodies",
    words: "bodies of 250 kB that lack their last byte",
    apps: WSGI_AND_ASGI,
    short: [],
    servers: ALL,
    clients: [1500, 4000],
    bytes: () => `POST /upload ${HOST}Content-Length: 250001\r\n\r\n${"x".repeat(250_000)}`,
    reads: true,
  },
  {
    name: "memory.unread-bodies",
    words: "bodies of 1 MB for an application that reads their first bytes only",
    apps: ["asgi"],
    short: [],
    servers: ["typhon", "uvicorn", "granian"],
    clients: [600, 1000],
    bytes: () => `POST /sip?s=5 ${HOST}Content-Length: 1000000\r\n\r\n${"x".repeat(999_999)}`,
    reads: true,
    options: WIDE,
  },
  {
    name: "memory.messages",
    words: "WebSocket messages of 16 MiB of which 1 MiB comes",
    apps: ["asgi"],
    short: [],
    servers: ["typhon", "uvicorn", "granian"],
    clients: [600, 1500],
    bytes: () => Buffer.concat([Buffer.from(HANDSHAKE), beginMessage(16 * MIB, MIB)]),
    reads: true,
    options: WIDE,
    maxMib: MAX_MESSAGES_MIB,
  },
  {
    name: "memory.unread-messages",
    words: "WebSocket echoes of 250 kB that are not read",
    apps: ["asgi"],
    short: [],
    servers: ["typhon", "uvicorn", "granian"],
    clients: [300, 1000],
    bytes: () =>
      Buffer.concat([
        Buffer.from(HANDSHAKE),
        ...Array.from({ length: 8 }, () => beginMessage(250_000, 250_000)),
      ]),
    reads: false,
    options: WIDE,
    maxMib: MAX_MESSAGES_MIB,
  },
];

export const MEMORY: readonly Trial[] = ATTACKS.map((attack) => ({
  name: attack.name,
  promise: `Many clients with ${attack.words} do not end a server in a control group of 512 MiB; others are served, and the memory is given back`,
  servers: attack.servers,
  whyNot: attack.servers.length < 4 ? "WSGI has neither" : "",
  apps: attack.apps,
  short: attack.short,
  isSlow: true,
  run: (stage) => run(stage, attack),
}));

async function run(stage: Stage, attack: Attack): Promise<void> {
  const { verdict } = stage;
  const [short, whole] = attack.clients;
  const count = Math.min(counts(stage, short, whole), Math.floor(readLimit() * USABLE_SHARE));
  const before = limitMemory(stage, GROUP_BYTES);
  const subject = await stage.start({ ...attack.options, before });
  const crowd = new Crowd();
  stage.after(() => crowd.close());
  const { bytes, reads } = attack;
  await crowd.attack(subject, { count, bytes, reads });
  verdict.expect(!subject.front.hasExited, "the front has ended");
  if (subject.front.hasExited) return;
  const peak = readPeak(subject);
  verdict.figure("peak of the front", peak, "MiB");
  const { maxMib = MAX_FRONT_MIB } = attack;
  verdict.expect(peak <= maxMib, `the front took ${peak.toFixed(0)} MiB`);
  const told = crowd.tell();
  verdict.did = `${count} clients with ${attack.words}: ${told === "" ? "no response" : told}, ${crowd.ended} ended by the server`;
  await expectOthers(subject, stage);
  crowd.close();
  const ended = subject.events("worker.ended").length;
  verdict.expect(ended === 0, `${ended} workers were ended`);
  await waitForPlace(subject);
  await expectWhole(subject, verdict, 50);
}

/** A crowd may have all places of the application: then another client is told at once to come again. */
async function expectOthers(subject: Subject, { verdict }: Stage): Promise<void> {
  const told = tellAnswer(await askOnce(subject.port, get("/quick"), subject.patienceMs));
  verdict.expect(told === "200" || told === "503", `another client got ${told}`);
}

/** Requests whose clients have left unseen, because nothing was read from them, have ended. */
async function waitForPlace(subject: Subject): Promise<void> {
  const isFree = async (): Promise<boolean> =>
    (await askOnce(subject.port, get("/quick"), subject.patienceMs)).status === 200;
  await until("a place is free", isFree, subject.patienceMs).catch(() => undefined);
}

/** The largest memory of the front so far, MiB. */
function readPeak(subject: Subject): number {
  const status = readFileSync(`/proc/${subject.front.pid}/status`, "latin1");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}
