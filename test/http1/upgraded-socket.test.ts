// The bytes of a client that sent them behind its handshake.

import assert from "node:assert/strict";
import { Socket } from "node:net";
import { it } from "node:test";

import { UpgradedSocket } from "../../src/http1/upgraded-socket.ts";

it("gives the bytes behind the handshake once, and does not keep them", () => {
  const socket = new Socket();
  const upgraded = new UpgradedSocket(socket, Buffer.from("early"));
  assert.equal(upgraded.takeAhead().toString(), "early");
  assert.equal(upgraded.takeAhead().length, 0);
  assert.equal(upgraded.bytesReceived, 5);
  assert.equal(new UpgradedSocket(socket, null).takeAhead().length, 0);
  socket.destroy();
});
