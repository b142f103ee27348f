// Another user of the machine: a program that gives up its rights and then tries what it must not be able to do
// to a server. It tells what it could do, one line of JSON; an empty list is a kept promise. Its modules are
// loaded before, because that user may not be able to enter the checkout. Its first line of input is its order.
//
//   pry    until its input ends: enters, reads, signals, connects to and removes what is the server's, and makes
//          anew the names of folders that the server has removed
//   squat  makes links and listens on names that a server is about to use, says "ready", and waits for its input's end

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";

/** A user and a group that own nothing, and that no other test is. */
export const INTRUDER = 65_432;

/** Looks for new folders before everything else is tried again: a run directory is there for milliseconds. */
const LOOKS = 100;

export interface PryOrder {
  readonly pids: readonly number[];
  /** Folders that everybody may write to, in which the server makes its own. */
  readonly parents: readonly string[];
  /** Sockets that only the server's user may connect to. */
  readonly sockets: readonly string[];
  /** Files of the server in a folder that everybody may write to, as /tmp. */
  readonly files: readonly string[];
  /** A folder whose files, 1 to 200, must stay: links lead there. */
  readonly precious: string;
}

export interface SquatOrder {
  /** Link to target. */
  readonly links: Readonly<Record<string, string>>;
  readonly listens: readonly string[];
}

export interface Found {
  /** What the intruder could do. */
  readonly done: readonly string[];
  readonly tried: number;
  /** Folders of the server that it has seen, and those whose names it has taken after they were removed. */
  readonly seen: number;
  readonly taken: number;
}

const done = new Set<string>();
let tried = 0;

function attempt(what: string, action: () => unknown): boolean {
  tried += 1;
  try {
    action();
  } catch {
    // What every promise is about: the system refuses.
    return false;
  }
  done.add(what);
  return true;
}

function isOfServer(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.uid !== INTRUDER;
}

function pryIntoFolder(folder: string, precious: string): void {
  attempt(`listed ${folder}`, () => readdirSync(folder));
  for (const name of ["queue", "notes", "cancels", "1"])
    attempt(`read ${name} of ${folder}`, () => closeSync(openSync(join(folder, name), "r")));
  for (const name of ["queue", "lifeline", "new"])
    attempt(`wrote ${name} of ${folder}`, () => closeSync(openSync(join(folder, name), "a")));
  attempt(`put a link into ${folder}`, () => symlinkSync(precious, join(folder, "link")));
  attempt(`opened ${folder} to all`, () => chmodSync(folder, 0o777));
}

function pryIntoProcess(pid: number): void {
  attempt(`may signal process ${pid}`, () => process.kill(pid, 0));
  attempt(`read the environment of ${pid}`, () => readFileSync(`/proc/${pid}/environ`));
  attempt(`listed the descriptors of ${pid}`, () => readdirSync(`/proc/${pid}/fd`));
  attempt(`read the memory of ${pid}`, () => closeSync(openSync(`/proc/${pid}/mem`, "r")));
}

function pryIntoFile(path: string): void {
  attempt(`wrote ${path}`, () => closeSync(openSync(path, "a")));
  attempt(`renamed ${path}`, () => renameSync(path, `${path}.mine`));
  attempt(`removed ${path}`, () => unlinkSync(path));
}

function tryToConnect(path: string): Promise<void> {
  tried += 1;
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ path });
  socket.on("connect", () => {
    done.add(`connected to ${path}`);
    socket.destroy();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => resolve());
  return promise;
}

/** Makes a removed folder's name anew: as a link, as a folder of links, then as a folder that is open to all. */
function take(path: string, precious: string, turnOf: number): boolean {
  try {
    if (turnOf % 2 === 0) symlinkSync(precious, path);
    else {
      mkdirSync(path, { mode: 0o777 });
      for (const name of ["queue", "notes", "channel", "1", "2"])
        symlinkSync(join(precious, "1"), join(path, name));
    }
    symlinkSync(precious, `${path}.0123456789abcdef`);
    return true;
  } catch {
    // The name is still the server's, or is taken already.
    return false;
  }
}

async function pry(order: PryOrder, hasEnded: () => boolean): Promise<Found> {
  const { pids, parents, sockets, files, precious } = order;
  const seen = new Set<string>();
  const taken: string[] = [];
  for (let round = 0; !hasEnded(); round += 1) {
    for (const parent of parents)
      for (const name of readdirSync(parent).filter((one) => one.startsWith("typhon-"))) {
        const folder = join(parent, name);
        if (seen.has(folder) || !isOfServer(folder)) continue;
        seen.add(folder);
        pryIntoFolder(folder, precious);
        await tryToConnect(join(folder, "channel"));
      }
    for (const folder of seen)
      if (!taken.includes(folder) && take(folder, precious, taken.length)) taken.push(folder);
    await turn();
    if (round % LOOKS !== 0) continue;
    for (const pid of pids) pryIntoProcess(pid);
    for (const path of files) pryIntoFile(path);
    for (const path of sockets) await tryToConnect(path);
  }
  for (const folder of taken)
    for (const path of [folder, `${folder}.0123456789abcdef`])
      rmSync(path, { recursive: true, force: true });
  return { done: [...done], tried, seen: seen.size, taken: taken.length };
}

async function squat({ links, listens }: SquatOrder): Promise<void> {
  for (const [path, target] of Object.entries(links)) symlinkSync(target, path);
  for (const path of listens) {
    const server = createServer((socket) => socket.destroy());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.on("error", reject);
    server.listen(path, resolve);
    await promise;
    chmodSync(path, 0o777);
    server.unref();
  }
  console.log("ready");
}

/** The first line of the input. */
function readOrder(): string {
  let text = "";
  const piece = Buffer.alloc(65_536);
  while (!text.includes("\n")) {
    const length = readSync(0, piece);
    if (length === 0) throw new Error("no order has come");
    text += piece.toString("utf8", 0, length);
  }
  return text;
}

if (import.meta.main) {
  const order = readOrder();
  let hasEnded = false;
  process.stdin.on("end", () => {
    hasEnded = true;
  });
  process.stdin.resume();
  process.setgroups?.([]);
  process.setgid?.(INTRUDER);
  process.setuid?.(INTRUDER);
  process.chdir("/");
  if (process.argv[2] === "squat") await squat(JSON.parse(order));
  else console.log(JSON.stringify(await pry(JSON.parse(order), () => hasEnded)));
}
