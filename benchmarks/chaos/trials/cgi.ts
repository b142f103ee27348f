// CGI programs under faults, each run warm and cold: programs that are killed, late, stuck or left by their clients;
// the death of the launcher, of templates and of the front; overload, slow clients, stop and reload.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { until, within } from "../../../test/support/deadline.ts";
import { isRunning } from "../../../test/support/processes.ts";
import { APPS } from "../../../test/support/scratch.ts";
import { parseStat } from "../../process-tree.ts";
import { askOnce, Client, fieldOf, get, tellAnswer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { holdRequests, type HeldRequests } from "../held-requests.ts";
import { SlowReader } from "../slow-reader.ts";
import { killProcess, type Subject } from "../subject.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

const MOUNT = "/cgi";
/** Programs at once. */
const PROGRAMS = 4;
const TIMEOUT_SECONDS = 1;
/** The promise: 504 at most so long after the deadline. */
const MAX_LATENESS_MS = 250;
/** A program that takes no notice of SIGTERM is killed 3 s later; a process is gone a moment after. */
const GONE_MS = 10_000;
/** More than the front keeps in memory of a response. */
const LARGE_BYTES = 4 << 20;
const FIRST_BYTES = 65_536;

type Mode = "auto" | "off";
const TRIALS: readonly (readonly [
  name: string,
  promise: string,
  run: (stage: Stage, mode: Mode) => Promise<void>,
])[] = [
  [
    "killed",
    "If a program is killed, its request alone gets a 5xx, or a response that is cut",
    runKilled,
  ],
  [
    "deadline",
    "A program that never responds is ended at the deadline with its children; its request gets 504 and is not run again",
    runDeadline,
  ],
  [
    "client-leaves",
    "If its client leaves, a program and its children end, and others take its place",
    runClientLeaves,
  ],
  [
    "launcher-killed",
    "If the launcher is killed, the requests of running programs get a 5xx, waiting ones are served",
    runLauncherKilled,
  ],
  [
    "template-killed",
    "If templates are killed under load, no request fails, and none is run twice",
    runTemplateKilled,
  ],
  [
    "overload",
    "As many programs run as --cgi-concurrency says; beyond --cgi-queue requests get 503 at once",
    runOverload,
  ],
  ["slow-reader", "A client that reads slowly holds no program", runSlowReader],
  ["stop", "A stop lets running programs finish", runStop],
  ["reload", "A reload under load loses no request, and running programs finish", runReload],
  ["front-killed", "If the front is killed, no program is left", runFrontKilled],
];

/** Those that no test of npm test does with the real command. */
const SHORT = new Set(["launcher-killed", "template-killed", "overload", "stop", "reload"]);

export const CGI: readonly Trial[] = TRIALS.map(([name, promise, run]) => ({
  name: `cgi.${name}`,
  promise,
  servers: ["typhon"],
  whyNot: "the programs of Typhon are tried",
  apps: ["raw"],
  short: SHORT.has(name) ? ["raw"] : [],
  run: async (stage) => {
    for (const mode of ["auto", "off"] as const) await run(stage, mode);
    stage.verdict.did = `warm and cold: ${stage.verdict.did}`;
  },
}));

async function start(stage: Stage, mode: Mode, more: readonly string[] = []): Promise<Subject> {
  const subject = await stage.start({
    workers: 1,
    extras: {
      typhon: [
        `--cgi=${MOUNT}=${join(APPS, "cgi/chaos.py")}`,
        "--cgi-run-py",
        `--cgi-env=CHAOS_DIR=${stage.folder}`,
        `--cgi-warm=${mode}`,
        `--cgi-concurrency=${PROGRAMS}`,
        ...more,
      ],
    },
  });
  // Makes the template, so that a fault meets it.
  await expectServed(stage, subject);
  return subject;
}

/** Expects a program and a page of the application. */
async function expectServed({ verdict }: Stage, { port }: Subject): Promise<void> {
  for (const path of [`${MOUNT}/quick`, "/quick"]) {
    const answer = await askOnce(port, get(path));
    const isRight = answer.status === 200 && answer.body.startsWith("quick ");
    verdict.expect(isRight, `${path} got ${tellAnswer(answer)}`);
  }
}

/** Expects that every program may run at once, and no more. */
async function expectFree(stage: Stage, subject: Subject): Promise<void> {
  const held = holdRequests(subject, { count: 2 * PROGRAMS, mount: MOUNT });
  const running = await held.waitForRunning(PROGRAMS, subject.patienceMs);
  const answers = await held.release();
  stage.verdict.expect(running >= PROGRAMS, `afterwards only ${running} programs ran at once`);
  const wrong = answers.filter(({ status }) => status !== 200);
  stage.verdict.expect(wrong.length === 0, `afterwards ${wrong.map(tellAnswer).join(", ")}`);
}

async function holdAll(subject: Subject, count = PROGRAMS): Promise<HeldRequests> {
  const held = holdRequests(subject, { count, mount: MOUNT });
  await held.waitForRunning(Math.min(count, PROGRAMS), subject.patienceMs);
  return held;
}

/** The processes of stuck programs and their children, in the order of the notes. */
function stuckPids(subject: Subject, from: number): number[] {
  return subject.notes
    .lines("stuck")
    .slice(from)
    .flatMap((line) => line.split(" ").map(Number));
}

async function untilStuck(subject: Subject, count: number, from: number): Promise<number[]> {
  await until("the programs are stuck", () => stuckPids(subject, from).length >= 2 * count);
  return stuckPids(subject, from);
}

async function expectGone({ verdict }: Stage, pids: readonly number[]): Promise<void> {
  const left = (): number => pids.filter(isRunning).length;
  await until("programs are gone", () => left() === 0, GONE_MS).catch(() => undefined);
  verdict.expect(left() === 0, `${left()} of ${pids.length} processes of programs were left`);
}

function parentOf(pid: number): number {
  return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"))?.parent ?? 0;
}

/** The processes above a program, from its parent to the launcher: the launcher, or a template and the launcher. */
function parentsOf(pid: number, subject: Subject): number[] {
  const parents: number[] = [];
  for (let at = parentOf(pid); at > 1 && at !== subject.main.pid; at = parentOf(at))
    parents.push(at);
  return parents;
}

async function runKilled(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, mode);
  const held = await holdAll(subject, PROGRAMS - 1);
  const deaths = counts(stage, 5, 50);
  for (let at = 0; at < deaths; at += 1) {
    const early = await askOnce(subject.port, get(`${MOUNT}/die`));
    verdict.expect(
      early.status === 500 || early.status === 502,
      `${tellAnswer(early)} for a program that died before its head`,
    );
    const late = await askOnce(subject.port, get(`${MOUNT}/half`));
    verdict.expect(late.end === "cut", `${tellAnswer(late)} for a program that died in its body`);
  }
  for (const answer of await held.release())
    verdict.expect(answer.status === 200, `another program's request got ${tellAnswer(answer)}`);
  verdict.did = `${2 * deaths} deaths beside ${PROGRAMS - 1} running programs`;
  await expectFree(stage, subject);
}

async function runDeadline(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, mode, [`--timeout=${TIMEOUT_SECONDS}`]);
  const from = subject.notes.lines("stuck").length;
  const pages = ["stuck", "stubborn"];
  const answers = await Promise.all(
    pages.map((page) => askOnce(subject.port, get(`${MOUNT}/${page}`))),
  );
  let latest = 0;
  for (const answer of answers) {
    verdict.expect(answer.status === 504, `${tellAnswer(answer)} instead of 504`);
    latest = Math.max(latest, answer.ms - TIMEOUT_SECONDS * 1000);
  }
  verdict.expect(latest >= 0, `504 ${-latest} ms before the deadline`);
  verdict.expectInTime(latest <= MAX_LATENESS_MS, `504 ${latest.toFixed(0)} ms after the deadline`);
  verdict.figure("latest 504 after the deadline", latest, "ms");
  const pids = stuckPids(subject, from);
  verdict.expect(pids.length === 2 * pages.length, `${pids.length / 2} runs of ${pages.length}`);
  await expectGone(stage, pids);
  verdict.did = `${pages.length} programs that never respond, each with a child`;
  await expectFree(stage, subject);
}

async function runClientLeaves(stage: Stage, mode: Mode): Promise<void> {
  const subject = await start(stage, mode);
  const rounds = counts(stage, 1, 5);
  for (let round = 0; round < rounds; round += 1) {
    const from = subject.notes.lines("stuck").length;
    const pages = ["stuck", "stubborn", "endless", "stuck"];
    const clients = pages.map((page) => {
      const client = new Client(subject.port);
      void client.ask(get(`${MOUNT}/${page}`));
      return client;
    });
    const pids = await untilStuck(subject, pages.length, from);
    // A FIN alone may be a client that waits for its response: the next write tells.
    for (const [at, client] of clients.entries())
      if (pages[at] === "endless") client.close();
      else client.reset();
    await expectGone(stage, pids);
  }
  stage.verdict.did = `${4 * rounds} clients left running programs`;
  await expectFree(stage, subject);
}

async function runLauncherKilled(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, mode);
  const rounds = counts(stage, 1, 5);
  for (let round = 0; round < rounds; round += 1) {
    const held = await holdAll(subject, 2 * PROGRAMS);
    const names = Array.from({ length: 2 * PROGRAMS }, (_, at) => at);
    const running = names.filter((at) => held.holderOf(at) !== 0);
    const pids = running.map((at) => held.holderOf(at));
    const launcher = parentsOf(pids[0] ?? 0, subject).at(-1) ?? 0;
    verdict.expect(launcher > 1 && killProcess(launcher), "no launcher was found");
    await Promise.all(
      running.map(async (at) => {
        const answer = await held.answerOf(at);
        const isTold = answer.status === 500 || answer.status === 502;
        verdict.expect(isTold, `a running program's request got ${tellAnswer(answer)}`);
      }),
    );
    await expectGone(stage, pids);
    const answers = await held.release();
    for (const [at, answer] of answers.entries())
      if (!running.includes(at))
        verdict.expect(answer.status === 200, `a waiting request got ${tellAnswer(answer)}`);
    await expectServed(stage, subject);
  }
  verdict.did = `${rounds} deaths with ${PROGRAMS} programs running and ${PROGRAMS} requests waiting`;
  await expectFree(stage, subject);
}

async function runTemplateKilled(stage: Stage, mode: Mode): Promise<void> {
  if (mode === "off") return;
  const { verdict } = stage;
  const subject = await start(stage, mode);
  const requests = counts(stage, 150, 3000);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 6,
    fresh: 2,
    requests,
    request: (at) => get(`${MOUNT}/counted?name=r${at}`),
    isRight: ({ status, body }, at) => status === 200 && body === `counted r${at}\n`,
  });
  const going = load.run();
  let kills = 0;
  while (load.right + load.failed < requests) {
    // A program of this moment leads to the template of this moment.
    const held = await holdAll(subject, 1);
    const [template, launcher] = parentsOf(held.holderOf(0), subject);
    if (launcher !== undefined && template !== undefined && killProcess(template)) kills += 1;
    const [answer] = await held.release();
    verdict.expect(
      answer?.status === 200,
      `a program of a killed template got ${answer === undefined ? "" : tellAnswer(answer)}`,
    );
  }
  await going;
  const runs = subject.notes.lines("runs");
  verdict.did = `${load.asked} requests, ${kills} templates killed`;
  verdict.expect(kills > 0, "no program was warm");
  verdict.expect(load.failed === 0, `failed: ${load.tellFailures()}`);
  verdict.expect(
    runs.length === new Set(runs).size && runs.length === load.asked,
    `${load.asked} requests were run ${runs.length} times, ${new Set(runs).size} of them different`,
  );
  await expectFree(stage, subject);
}

async function runOverload(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const queue = 8;
  const subject = await start(stage, mode, [`--cgi-queue=${queue}`, "--queue-timeout=60"]);
  const count = 40;
  const held = await holdAll(subject, count);
  const refused = count - PROGRAMS - queue;
  let told = 0;
  const allTold = Promise.withResolvers<void>();
  const answers = Array.from({ length: count }, async (_, at) => {
    const answer = await held.answerOf(at);
    if (answer.status !== 503) return;
    verdict.expect(fieldOf(answer, "retry-after") !== "", "a 503 without Retry-After");
    told += 1;
    if (told === refused) allTold.resolve();
  });
  await within(subject.patienceMs, allTold.promise, "503").catch(() => undefined);
  verdict.expect(told === refused, `${told} of ${refused} got 503 while the others waited`);
  const page = await askOnce(subject.port, get("/quick"));
  verdict.expect(page.status === 200, `a page of the application got ${tellAnswer(page)}`);
  const all = await held.release();
  await Promise.all(answers);
  const served = all.filter(({ status }) => status === 200).length;
  verdict.expect(served === PROGRAMS + queue, `${served} were served, not ${PROGRAMS + queue}`);
  verdict.did = `${count} requests for programs: ${served} × 200, ${told} × 503`;
  await expectFree(stage, subject);
}

async function runSlowReader(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, mode);
  const count = counts(stage, 2 * PROGRAMS, 10 * PROGRAMS);
  const from = subject.notes.lines("written").length;
  const request = get(`${MOUNT}/large?bytes=${LARGE_BYTES}`);
  const readers = Array.from(
    { length: count },
    () => new SlowReader(subject.port, request, FIRST_BYTES),
  );
  await Promise.all(readers.map((reader) => reader.begins()));
  const written = (): number => subject.notes.lines("written").length - from;
  await until("programs have ended", () => written() === count, subject.patienceMs).catch(() => {});
  verdict.expect(written() === count, `${written()} of ${count} programs could write all`);
  await expectFree(stage, subject);
  await Promise.all(readers.map((reader) => reader.readOn()));
  const whole = readers.filter(({ isWhole }) => isWhole).length;
  verdict.expect(whole === count, `${whole} of ${count} responses were whole`);
  verdict.did = `${count} readers that wait after 64 KiB of 4 MiB`;
}

async function runStop(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, mode, ["--timeout=0"]);
  const held = await holdAll(subject, 2 * PROGRAMS);
  const stopping = subject.stop();
  const isStopping = (): boolean => subject.events("server.stopping").length > 0;
  await until("the log tells of the stop", isStopping, subject.patienceMs);
  const answers = await held.release();
  for (const answer of answers)
    verdict.expect(answer.status === 200, `a request that had begun got ${tellAnswer(answer)}`);
  const exit = await stopping;
  verdict.expect(exit?.code === 0, `exit ${exit?.code ?? exit?.signal ?? "never"}`);
  // The second server is stopped while its programs never end.
  const other = await start(stage, mode, ["--timeout=0", "--graceful-timeout=1"]);
  const from = other.notes.lines("stuck").length;
  for (const page of ["stuck", "stubborn"]) void askOnce(other.port, get(`${MOUNT}/${page}`));
  const pids = await untilStuck(other, 2, from);
  const end = await other.stop();
  verdict.expect(
    end?.code === 0,
    `exit ${end?.code ?? end?.signal ?? "never"} with stuck programs`,
  );
  await expectGone(stage, pids);
  verdict.did = `a stop with ${PROGRAMS} programs running and ${PROGRAMS} waiting, one with stuck ones`;
}

async function runReload(stage: Stage, mode: Mode): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, mode, [`--pid=${stage.folder}/pid`]);
  const held = await holdAll(subject, 1);
  const load = new ClosedLoad({
    port: subject.port,
    keptAlive: 3,
    fresh: 1,
    requests: Infinity,
    request: () => get(`${MOUNT}/quick`),
  });
  const going = load.run();
  const reloads = counts(stage, 2, 10);
  for (let at = 0; at < reloads; at += 1) {
    const before = load.right;
    const { code, output } = await subject.reload();
    verdict.expect(code === 0, `typhon reload exited with ${code}: ${output.trim().slice(0, 200)}`);
    await until("requests are served", () => load.right > before + 5, subject.patienceMs);
  }
  load.stop();
  await going;
  const [answer] = await held.release();
  verdict.expect(answer?.status === 200, "the program that ran all the time was ended");
  verdict.expect(load.failed === 0, `failed: ${load.tellFailures()}`);
  verdict.did = `${reloads} reloads, ${load.asked} requests`;
  await expectFree(stage, subject);
  // The next server has the same PID file.
  await subject.stop();
}

async function runFrontKilled(stage: Stage, mode: Mode): Promise<void> {
  const subject = await start(stage, mode);
  const from = subject.notes.lines("stuck").length;
  const pages = ["stuck", "stubborn", "endless"];
  for (const page of pages) void askOnce(subject.port, get(`${MOUNT}/${page}`));
  const pids = await untilStuck(subject, pages.length, from);
  killProcess(subject.main.pid);
  await expectGone(stage, pids);
  const isGone = await subject.isGone(GONE_MS);
  stage.verdict.expect(isGone, `${subject.processes().length} processes of the server were left`);
  subject.kill();
  stage.verdict.did = `SIGKILL with ${pages.length} programs running, two of them with a child`;
}
