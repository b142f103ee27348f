// ClientHello messages for tests: built field by field, and as real clients send them.

import { once } from "node:events";
import { createServer } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";

import { PATIENCE_MS, within } from "../support/deadline.ts";

export function vector(lengthBytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

export function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, type]), vector(2, content)]);
}

/** A server_name extension with one name of the given type. */
export function namedServer(name: string, type = 0): Buffer {
  const entry = Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(name, "latin1"))]);
  return extension(0, vector(2, entry));
}

export function offered(protocols: readonly string[]): Buffer {
  return extension(
    16,
    vector(2, Buffer.concat(protocols.map((one) => vector(1, Buffer.from(one))))),
  );
}

/** A ClientHello message, without its record. */
export function helloMessage(extensions: readonly Buffer[] | null): Buffer {
  const fields = [
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 8)),
    vector(2, Buffer.from([0x13, 0x01])),
    vector(1, Buffer.from([0])),
  ];
  if (extensions !== null) fields.push(vector(2, Buffer.concat(extensions)));
  return Buffer.concat([Buffer.from([1]), vector(3, Buffer.concat(fields))]);
}

/** A message in records of at most so many bytes. */
export function records(message: Buffer, bytesEach = 16_384): Buffer {
  const all: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytesEach)
    all.push(
      Buffer.concat([Buffer.from([0x16, 3, 1]), vector(2, message.subarray(at, at + bytesEach))]),
    );
  return Buffer.concat(all);
}

/** The first bytes that Node's client sends. */
export async function realHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  server.once("connection", (socket) =>
    socket.once("data", (bytes) => {
      resolve(bytes);
      socket.destroy();
    }),
  );
  const client = connect({ port, host: "127.0.0.1", ...options }).on("error", () => undefined);
  const bytes = await within(PATIENCE_MS, promise, "the client speaks");
  client.destroy();
  server.close();
  return bytes;
}
