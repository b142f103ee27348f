// The owner and the mode of the file of a Unix socket. The file is changed through a descriptor, never by its
// path: whoever may write to the folder could put a link in the socket's place, and root would change the rights
// of the link's target.

import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync } from "node:fs";

import type { SocketRights } from "../net/address.ts";

/** O_PATH of Linux, which Node does not name: a descriptor of the file itself, without opening the socket. */
const O_PATH = 0o10000000;

/** Sets the rights of the socket that this user has made at `path`. Throws the system's error. */
export function setSocketRights(path: string, { mode, owner }: SocketRights): void {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(fd);
    if (!found.isSocket() || found.uid !== process.geteuid?.())
      throw new Error("another file is in its place");
    const file = `/proc/self/fd/${fd}`;
    if (owner !== null) chownSync(file, owner.uid, owner.gid);
    chmodSync(file, mode);
  } finally {
    closeSync(fd);
  }
}
