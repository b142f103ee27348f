// What is said of the machine or the container.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  checkMachine,
  checkTempFolder,
  openFilesIn,
  readMachine,
  type FolderFacts,
  type MachineFacts,
} from "../../src/doctor/machine.ts";
import { load } from "../../src/config/load.ts";

const MIB = 1_048_576;
const FOLDER: FolderFacts = { path: "/x", freeBytes: 1024 * MIB, isMemory: true, mayWrite: true };
const GOOD: MachineFacts = {
  platform: "linux",
  kernel: "6.1.0",
  online: 4,
  usable: 4,
  memoryBytes: 4096 * MIB,
  availableBytes: 2048 * MIB,
  openFiles: 65_536,
  pipeBytes: MIB,
  pipePages: 16_384,
  somaxconn: 4096,
  watches: 65_536,
  sharedMemory: FOLDER,
  isRoot: false,
  now: Date.UTC(2026, 10, 29),
};

/** What is not "ok", as "level topic". */
function amiss(facts: Partial<MachineFacts>, workers = 4): string[] {
  return checkMachine({ ...GOOD, ...facts }, workers)
    .filter(({ level }) => level !== "ok")
    .map(({ level, topic }) => `${level} ${topic}`);
}

for (const [why, facts, workers, expected] of [
  ["a good one", {}, 4, []],
  ["another system", { platform: "darwin", sharedMemory: null }, 4, ["note system"]],
  ["many workers a core", { usable: 1, online: 64 }, 5, ["note cores"]],
  ["little memory", { availableBytes: 200 * MIB }, 4, ["warn memory"]],
  ["few open files", { openFiles: 1024 }, 4, ["warn open files"]],
  ["enough open files", { openFiles: 1200 }, 4, []],
  [
    "all open files for workers",
    { openFiles: 256 },
    100,
    ["warn open files", "note cores", "warn memory"],
  ],
  ["no limit of open files", { openFiles: Infinity }, 4, []],
  [
    "nothing known of /proc",
    { openFiles: null, pipeBytes: null, somaxconn: null, watches: null },
    4,
    [],
  ],
  ["small pipes", { pipeBytes: 65_536 }, 4, ["note pipes"]],
  ["few pages for pipes", { pipePages: 512 }, 4, ["note pipes"]],
  ["the same for root", { pipePages: 512, isRoot: true }, 4, []],
  ["no limit of pages", { pipePages: 0 }, 4, []],
  ["a short backlog", { somaxconn: 128 }, 4, ["note backlog"]],
  ["few watches", { watches: 100 }, 4, ["note watches"]],
  ["no /dev/shm", { sharedMemory: null }, 4, ["note /dev/shm"]],
  ["a closed /dev/shm", { sharedMemory: { ...FOLDER, mayWrite: false } }, 4, ["note /dev/shm"]],
  ["a full /dev/shm", { sharedMemory: { ...FOLDER, freeBytes: MIB } }, 4, ["warn /dev/shm"]],
  ["a clock of 1970", { now: 0 }, 4, ["fail clock"]],
] as const) {
  test(`machine: ${why}`, () => {
    assert.deepEqual(new Set(amiss(facts, workers)), new Set(expected));
  });
}

test("cores say what limits them", () => {
  const fact = (facts: Partial<MachineFacts>) =>
    checkMachine({ ...GOOD, ...facts }, 1).find(({ topic }) => topic === "cores")?.fact;
  assert.equal(fact({}), "4 cores; 1 worker");
  assert.equal(
    fact({ usable: 2, online: 64 }),
    "2 of 64 cores, by affinity or CPU quota; 1 worker",
  );
});

test("the limit of open files in /proc/self/limits", () => {
  const line = "Max open files            1024                 524288               files     \n";
  assert.equal(openFilesIn(`Max processes 5 5\n${line}`), 1024);
  assert.equal(openFilesIn(line.replace("1024 ", "unlimited ")), Infinity);
  assert.equal(openFilesIn(""), null);
});

test("the folder for temporary files", () => {
  const { process: settings } = load(["app:app"], process.env, "/tmp");
  const level = (facts: FolderFacts | null) => checkTempFolder(facts, settings).level;
  assert.equal(level({ ...FOLDER, isMemory: false }), "ok");
  assert.equal(level(FOLDER), "note");
  assert.equal(level({ ...FOLDER, isMemory: false, freeBytes: 10 * MIB }), "warn");
  assert.equal(level(null), "fail");
});

test("a real machine has numbers", () => {
  const facts = readMachine(Date.now());
  assert(facts.usable >= 1 && facts.memoryBytes > 0 && facts.availableBytes > 0);
  assert(facts.openFiles !== null && facts.pipeBytes !== null && facts.somaxconn !== null);
});
