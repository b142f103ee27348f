// Another user of the machine: pries into a running server, takes names that a server is about to use, and puts
// links where a cleaner of temporary folders has removed the server's. The server runs as root, so that a link
// which it follows does the most harm.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { until } from "../../../test/support/deadline.ts";
import { listDescriptors } from "../../../test/support/processes.ts";
import { runTyphon } from "../../../test/support/typhon.ts";
import { expectWhole } from "../aftermath.ts";
import { askOnce, post, tellAnswer, type Answer } from "../client.ts";
import { ClosedLoad } from "../closed-load.ts";
import { holdRequests } from "../held-requests.ts";
import { Intruder, makeShared, Precious, SECRET } from "../intrusion.ts";
import { counts, NotPossible, type Stage, type Trial } from "../trial.ts";

/** A body that is kept in a temporary file. */
const LARGE = "own-".repeat(100_000);
/** A /dev/shm of the server's own, in which the intruder meets nobody else's folders. */
const OWN_MEMORY = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  'mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"',
  "sh",
];

const common = {
  servers: ["typhon"],
  whyNot: "only Typhon's own files, sockets and folders are known to the intruder",
  apps: ["raw", "asgi"],
} as const;

export const LOCAL_USERS: readonly Trial[] = [
  {
    ...common,
    name: "local-users.pry",
    promise:
      "Another user can neither signal a server nor read, write, connect to or remove what is the server's, and names that he makes anew change nothing",
    short: ["raw"],
    run: runPry,
  },
  {
    ...common,
    name: "local-users.squat",
    promise:
      "Where another user has taken the name of a socket or of a PID file, or put a link there, a start fails or takes the name back; nothing behind a link is changed",
    short: ["raw"],
    run: runSquat,
  },
  {
    ...common,
    name: "local-users.links",
    promise:
      "Where another user has made a removed temporary folder anew, with links in it, a request gets its own bytes or an error, and nothing behind a link is read or changed",
    apps: ["raw"],
    short: ["raw"],
    run: runLinks,
  },
];

async function runPry(stage: Stage): Promise<void> {
  const { verdict } = stage;
  try {
    execFileSync(OWN_MEMORY[0] ?? "", [...OWN_MEMORY.slice(1), "true"], { stdio: "ignore" });
  } catch {
    throw new NotPossible("mounting a /dev/shm needs root");
  }
  const shared = makeShared(stage, "shared");
  const precious = new Precious(stage);
  const [pid, socket] = [join(shared, "pid"), join(shared, "app.sock")];
  const options = ["--pid", pid, "--temp-dir", shared, "--bind", `unix:${socket}`];
  const extras = { typhon: [...options, "--socket-mode", "0600"] };
  const subject = await stage.start({ before: OWN_MEMORY, extras });
  const load = new ClosedLoad({ port: subject.port, keptAlive: 3, fresh: 1, requests: Infinity });
  const uploads = new ClosedLoad({
    port: subject.port,
    keptAlive: 1,
    fresh: 0,
    requests: Infinity,
    request: () => post("/upload", LARGE),
  });
  for (const one of [load, uploads]) one.pauseMs = 5;
  const going = [load.run(), uploads.run()];
  const isKept = (): boolean => readdirSync(shared).some((name) => name.startsWith("typhon-"));
  if (!subject.isAsync) await until("a body in a file", isKept, subject.patienceMs);
  const order = {
    pids: subject.processes().map((one) => one.pid),
    parents: ["/dev/shm", shared],
    sockets: [socket, `${pid}.sock`],
    files: [pid, `${pid}.sock`, socket],
    precious: precious.folder,
  };
  const into = ["nsenter", `--mount=/proc/${subject.main.pid}/ns/mnt`, "--"];
  const intruder = Intruder.pry(stage, order, into);
  const reloads = counts(stage, 2, 10);
  const open: number[] = [];
  const countOpen = (): number => listDescriptors(subject.launcherPid()).length;
  for (let count = 0; count < reloads; count += 1) {
    const { code, stderr } = await runTyphon(["reload", "--pid", pid]);
    verdict.expect(code === 0, `a reload ended with ${code}: ${stderr}`);
    open.push(countOpen());
  }
  const { done, tried, seen, taken } = await intruder.found();
  load.stop();
  uploads.stop();
  await Promise.all(going);
  verdict.did = `${tried} attempts during ${reloads} reloads`;
  verdict.figure("folders seen", seen, "");
  verdict.figure("names taken", taken, "");
  // A run directory is there for milliseconds only, so that the intruder may miss it.
  const hasMet = tried > 0 && (seen > 0 || subject.isAsync) && order.files.every(existsSync);
  verdict.expect(hasMet, "the intruder has not met the server");
  verdict.expect(done.length === 0, `the intruder ${done.join("; ")}`);
  for (const one of [load, uploads])
    verdict.expect(one.failed === 0, `requests failed: ${one.tellFailures()}`);
  // A launcher closes the files of a start a moment after the front has opened them.
  const isClosed = (): boolean => countOpen() <= Math.min(...open);
  await until("the files of starts are closed", isClosed, subject.patienceMs).catch(() =>
    verdict.expect(false, `the launcher's open files after each reload: ${open.join(", ")}`),
  );
  precious.expectWhole(verdict);
  await expectWhole(subject, verdict, 50);
}

async function runSquat(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const precious = new Precious(stage);
  const shared = makeShared(stage, "squatted");
  const at = (name: string): string => join(shared, name);
  const intruder = await Intruder.squat(stage, {
    links: {
      [at("linked.sock")]: precious.file,
      [at("linked")]: precious.file,
      [at("to-socket")]: precious.file,
      [at("to-socket.sock")]: precious.file,
      ...Object.fromEntries(nextPids().map((pid) => [at(`draft.${pid}`), precious.file])),
    },
    listens: [at("listening.sock"), at("spied.sock")],
  });
  const starts = [
    ["--bind", `unix:${at("listening.sock")}`],
    ["--bind", `unix:${at("linked.sock")}`],
    ["--pid", at("linked")],
    ["--pid", at("spied")],
    ["--pid", at("to-socket")],
    ["--pid", at("draft")],
  ];
  let refused = 0;
  for (const typhon of starts) {
    const subject = await stage.start({ extras: { typhon } }).catch((error: unknown) => {
      const text = String(error);
      verdict.expect(/ended at its start with [23]:/.test(text), `${typhon.join(" ")}: ${text}`);
      return null;
    });
    if (subject === null) refused += 1;
    else await subject.stop();
    precious.expectWhole(verdict);
  }
  await intruder.callBack();
  verdict.did = `${starts.length} starts with names that were taken, ${refused} refused`;
  verdict.expect(refused > 0, "no start was refused");
}

/** Ids that processes may get soon. */
function nextPids(): readonly number[] {
  const last = Number(execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }));
  return Array.from({ length: 2000 }, (_, at) => last + at);
}

async function runLinks(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const precious = new Precious(stage);
  const shared = makeShared(stage, "temporary");
  const subject = await stage.start({ extras: { typhon: ["--temp-dir", shared] } });
  const rounds = counts(stage, 2, 10);
  const waiting = 4;
  let [wrong, whole] = [0, 0];
  for (let round = 0; round < rounds; round += 1) {
    const held = holdRequests(subject, { count: subject.workers * subject.threads });
    await held.waitForRunning(subject.workers * subject.threads, subject.patienceMs);
    const asked = Array.from({ length: waiting }, () =>
      askOnce(subject.port, post("/token?t=x", LARGE), 2 * subject.patienceMs),
    );
    // Their bodies are in files, and no thread is free to read them.
    const folders = (): string[] => readdirSync(shared).filter((one) => one.startsWith("typhon-"));
    const files = (): number =>
      folders().reduce((sum, one) => sum + readdirSync(join(shared, one)).length, 0);
    await until("the bodies are in files", () => files() >= waiting, subject.patienceMs).catch(
      () => undefined,
    );
    const links = folders().map((one): [string, string] => [join(shared, one), precious.folder]);
    for (const [folder] of links) rmSync(folder, { recursive: true });
    const intruder = await Intruder.squat(stage, { links: Object.fromEntries(links), listens: [] });
    await held.release();
    for (const answer of await Promise.all(asked)) {
      if (!isOwn(answer)) wrong += 1;
      if (answer.status === 200) whole += 1;
    }
    const next = await askOnce(subject.port, post("/token?t=x", LARGE));
    verdict.expect(isOwn(next) && next.status === 200, `a new body got ${tellAnswer(next)}`);
    await intruder.callBack();
    for (const [folder] of links) rmSync(folder, { force: true });
  }
  verdict.did = `${rounds * waiting} bodies whose folder was removed and made anew`;
  verdict.figure("answered with 200", whole, "");
  verdict.expect(wrong === 0, `${wrong} requests got other bytes than their own`);
  precious.expectWhole(verdict);
  await expectWhole(subject, verdict, 50);
}

/** Its own bytes, or an error of the server. */
function isOwn({ end, status, body }: Answer): boolean {
  if (end !== "answered" || body.includes(SECRET)) return false;
  return status === 200 ? body.startsWith(LARGE) : status >= 500;
}
