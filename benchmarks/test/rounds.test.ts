// The order of interleaved rounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { measureInTurns } from "../rounds.ts";
import type { Server } from "../servers.ts";

function makeServer(name: string): Server {
  return { name, title: name, family: "typhon", suites: [], programs: () => [] };
}

test("measures every server once a round, and turns the order by one each round", async () => {
  const order: string[] = [];
  const servers = ["a", "b", "c"].map(makeServer);
  const measured = await measureInTurns(servers, 4, async ({ name }, round) => {
    order.push(name);
    return `${name}${round}`;
  });
  assert.equal(order.join(""), "abcbcacababc");
  assert.deepEqual(measured, [
    { server: "a", figures: ["a0", "a1", "a2", "a3"] },
    { server: "b", figures: ["b0", "b1", "b2", "b3"] },
    { server: "c", figures: ["c0", "c1", "c2", "c3"] },
  ]);
});

test("measures nothing where there is no server", async () => {
  assert.deepEqual(await measureInTurns([], 2, async () => 0), []);
});
