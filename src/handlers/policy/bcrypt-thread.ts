// A thread that checks bcrypt hashes, so that the front's event loop does not compute for a tenth of a second. Gets
// [password, hash], sends true or false.

import { parentPort } from "node:worker_threads";

import { compareSync } from "bcryptjs";

parentPort?.on("message", ([password, hash]: readonly [string, string]) => {
  parentPort?.postMessage(compareSync(password, hash));
});
