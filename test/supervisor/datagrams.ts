// A service manager's side of sd_notify(3): a Unix datagram socket, which Node has not, so Python reads it.

import { spawn } from "node:child_process";
import { join } from "node:path";

import { Output } from "../support/output.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";

const RECEIVER = `
import os, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1].replace("@", "\\0"))
print("bound", flush=True)
while True:
    print(receiver.recv(65536).decode().replace("\\n", " "), flush=True)
`;

/** What was received, a datagram a line, its own line ends as spaces. */
export interface Received {
  /** For NOTIFY_SOCKET. */
  readonly address: string;
  readonly output: Output;
}

/** Receives until the end of the scope. `address`: a path of its own if not given; "@name" is abstract. */
export async function receiveDatagrams(scope: Scope, address?: string): Promise<Received> {
  const path = address ?? join(makeScratch(scope), "notify.sock");
  const receiver = spawn("python3", ["-c", RECEIVER, path], { stdio: ["ignore", "pipe", "pipe"] });
  scope.after(() => void receiver.kill());
  const output = new Output();
  output.collect(receiver.stdout, "stdout");
  output.collect(receiver.stderr, "stderr");
  await output.waitFor(/^bound$/m);
  return { address: path, output };
}
