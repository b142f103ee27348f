// Django Channels: the chat of its tutorial. Its in-memory layer connects the clients of one worker: with one
// worker all clients; with two, clients of the same room and worker.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { WebSocket } from "ws";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { getOnce } from "../support/raw-client.ts";
import type { Scope } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const MESSAGES = 20;

/** A client that has joined a room. */
class Guest {
  readonly socket: WebSocket;
  /** The process of its WebSocket; 0 until the application has told it. */
  worker = 0;
  readonly heard: string[] = [];
  #failure: Error | null = null;

  private constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on("error", (error) => {
      this.#failure = error;
    });
    this.socket.on("message", (bytes: Buffer) => {
      const { worker, said, room } = readRecord(bytes.toString());
      if (typeof worker === "number") this.worker = worker;
      else this.heard.push(`${String(room)}: ${String(said)}`);
    });
  }

  static async join(scope: Scope, typhon: Typhon, room: string): Promise<Guest> {
    const guest = new Guest(`${typhon.url.replace("http:", "ws:")}/ws/chat/${room}/`);
    scope.after(() => guest.socket.terminate());
    await until(`one joins ${room}`, () => {
      assert.equal(guest.#failure, null);
      return guest.worker !== 0;
    });
    return guest;
  }

  say(text: string): void {
    this.socket.send(text);
  }

  async hears(wanted: readonly string[]): Promise<void> {
    await until(`${wanted.length} messages`, () => this.heard.length >= wanted.length);
    assert.deepEqual(this.heard, wanted);
  }
}

test("all in a room hear what one says, nobody else does, and who has left is not missed", async (t) => {
  const typhon = await startTyphon(t, ["channels_chat:app", "--workers", "1"]);
  assert.equal((await getOnce(typhon, "/")).text, "join a room");
  const one = await Guest.join(t, typhon, "blue");
  const two = await Guest.join(t, typhon, "blue");
  const other = await Guest.join(t, typhon, "red");
  one.say("hello");
  await one.hears(["blue: hello"]);
  two.say("hé");
  for (const guest of [one, two]) await guest.hears(["blue: hello", "blue: hé"]);
  one.socket.terminate();
  two.say("still there");
  await two.hears(["blue: hello", "blue: hé", "blue: still there"]);
  other.say("quiet here");
  await other.hears(["red: quiet here"]);
});

describe("with two workers", () => {
  let typhon: Typhon;

  before(async () => {
    typhon = await startTyphon(FILE, ["channels_chat:app", "--workers", "2"]);
  });

  test("each guest hears its own room, in order", async (t) => {
    const rooms = Array.from({ length: 12 }, (_, at) => `room${at}`);
    const guests = await Promise.all(rooms.map((room) => Guest.join(t, typhon, room)));
    const texts = Array.from({ length: MESSAGES }, (_, at) => `message ${at}`);
    for (const text of texts) for (const guest of guests) guest.say(text);
    await Promise.all(
      guests.map((guest, at) => guest.hears(texts.map((text) => `${rooms[at] ?? ""}: ${text}`))),
    );
  });

  test("the in-memory layer joins those of one worker (docs/guide/channels.md)", async (t) => {
    const guests: Guest[] = [];
    const workers = (): Set<number> => new Set(guests.map(({ worker }) => worker));
    // A free worker takes the handshake: sooner or later it is the other one.
    while (workers().size < 2 && guests.length < 200)
      guests.push(...(await Promise.all([1, 2, 3, 4].map(() => Guest.join(t, typhon, "hall")))));
    assert.equal(workers().size, 2, "one worker took every handshake");
    for (const worker of workers()) {
      const near = guests.filter((guest) => guest.worker === worker);
      near[0]?.say(`from ${worker}`);
      for (const guest of near) await guest.hears([`hall: from ${worker}`]);
    }
    // Nothing has come across since.
    for (const guest of guests) assert.deepEqual(guest.heard, [`hall: from ${guest.worker}`]);
  });
});
