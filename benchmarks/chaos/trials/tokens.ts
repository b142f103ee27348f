// Many requests, each with a token of its own, while at random workers are killed, deadlines pass, code is
// reloaded and clients leave: no response may carry another request's token, and the application's notes
// show how often each request was run.

import { setTimeout as sleep } from "node:timers/promises";

import { expectWhole } from "../aftermath.ts";
import { Client, fieldOf, get, post, tellAnswer, type Answer } from "../client.ts";
import { clockMs } from "../../load/arrivals.ts";
import { killProcess, type Subject } from "../subject.ts";
import { counts, isAsync, isPlain, makeRandom, type Stage, type Trial } from "../trial.ts";

const CLIENTS = 24;
/** Without --requests it goes on for so long. */
const SHORT_SECONDS = 3;
const WHOLE_SECONDS = 60;
/** --full asks for so many instead. */
const FULL_REQUESTS = 1_000_000;
/** More than fit into that time: the size of the arrays. */
const MAX_REQUESTS = 5_000_000;
const TIMEOUT_SECONDS = 1;
/** Shares of the requests. */
const LATE_SHARE = 0.0005;
const LEAVES_SHARE = 0.01;
const LASTING_SHARE = 0.3;
const LASTING_SECONDS = 0.006;
/** A disturbance every so many ms, at random half to one and a half times that. */
const DISTURB_MS = 450;
const RELOAD_SHARE = 0.3;
/** Allowed for a streamed response: it had begun when its worker died. */
const STREAM_CUT = "a streamed answer cut";
/** Outcomes that a client may see; any other breaks the promise. */
const HONEST = new Set(["200", "502", "503", "504", STREAM_CUT]);
const MAX_STRANGE = 20;

export const TOKENS: readonly Trial[] = [
  {
    name: "tokens",
    promise:
      "Despite kills, reloads, deadlines and aborts, every response belongs to its request, and no request runs more often than allowed",
    servers: ["typhon"],
    whyNot: "a server that loses requests in a crash breaks this promise anyway",
    apps: ["raw", "flask", "asgi", "fastapi"],
    short: ["raw", "asgi"],
    isSlow: true,
    run,
  },
];

/** What is known of all requests, by token. */
class Books {
  /** Runs that are allowed: 1 for a POST, 2 for a GET; 0 = never asked. */
  readonly allowed: Uint8Array;
  readonly isAnswered: Uint8Array;
  readonly outcomes = new Map<string, number>();
  /** The first outcomes that no client may see. */
  readonly strange: { readonly token: number; readonly what: string; readonly words: string }[] =
    [];
  foreign = 0;
  leaves = 0;

  constructor(size: number) {
    this.allowed = new Uint8Array(size + 1);
    this.isAnswered = new Uint8Array(size + 1);
  }

  count(token: number, answer: Answer, request: string): void {
    const isStream = request.includes("way=stream");
    const what = answer.end === "cut" && isStream ? STREAM_CUT : tellAnswer(answer);
    this.outcomes.set(what, (this.outcomes.get(what) ?? 0) + 1);
    if (!HONEST.has(what) && this.strange.length < MAX_STRANGE) {
      const [line = ""] = request.split(" HTTP/", 1);
      this.strange.push({ token, what, words: `${line} after ${answer.ms.toFixed(0)} ms` });
    }
    if (answer.status !== 200) return;
    this.isAnswered[token] = 1;
    const [name, id] = answer.body.split(" ");
    const isOwn = name === String(token) && id === fieldOf(answer, "x-request-id");
    if (!isOwn) this.foreign += 1;
  }
}

async function run(stage: Stage): Promise<void> {
  const { verdict, seed } = stage;
  // More requests at once in each worker than it logs one by one when it dies.
  const more = isAsync(stage.app) ? ["--concurrency=32"] : [];
  const subject = await stage.start({
    workers: 4,
    threads: 2,
    extras: {
      typhon: [
        `--timeout=${TIMEOUT_SECONDS}`,
        `--pid=${stage.folder}/pid`,
        "--queue-timeout=30",
        ...more,
      ],
    },
  });
  const asked =
    stage.requests ?? (stage.size === "full" && isPlain(stage.app) ? FULL_REQUESTS : null);
  const limit = asked ?? MAX_REQUESTS;
  const seconds = isPlain(stage.app) ? counts(stage, SHORT_SECONDS, WHOLE_SECONDS) : SHORT_SECONDS;
  const endAt = asked === null ? clockMs() + seconds * 1000 : Infinity;
  const books = new Books(limit);
  let next = 0;
  const isOver = (): boolean => next >= limit || clockMs() >= endAt;
  const take = (): number | null => {
    if (isOver()) return null;
    next += 1;
    return next;
  };
  const clients = Array.from({ length: CLIENTS }, (_, at) =>
    askMany(subject, books, take, makeRandom(seed + at)),
  );
  const [{ kills, reloads }] = await Promise.all([disturb(subject, seed, isOver), ...clients]);
  const outcomes = [...books.outcomes].map(([what, count]) => `${count} × ${what}`).join(", ");
  verdict.did = `${next} requests (seed ${seed}), ${kills} workers killed, ${reloads} reloads, ${books.leaves} clients left: ${outcomes}`;
  verdict.expect(books.foreign === 0, `${books.foreign} answers were another request's`);
  for (const [what, count] of books.outcomes)
    verdict.expect(HONEST.has(what), `${count} requests: ${what}`);
  verdict.expect(kills > 0 && reloads > 0, `${kills} kills, ${reloads} reloads`);
  verdict.expect((books.outcomes.get("200") ?? 0) > 0, "nobody was answered");
  expectRuns(stage, subject, books, next);
  await expectWhole(subject, verdict, counts(stage, 50, 1000));
}

async function askMany(
  subject: Subject,
  books: Books,
  take: () => number | null,
  random: () => number,
): Promise<void> {
  const client = new Client(subject.port);
  for (let token = take(); token !== null; token = take()) {
    const isPost = random() < 0.4;
    const isLate = random() < LATE_SHARE;
    const way = random() < 0.3 ? "&way=stream" : "";
    // A request that runs for a while is likely to be running when its worker is killed.
    const lasting = random() < LASTING_SHARE ? LASTING_SECONDS : 0;
    const path = `/token?t=${token}${way}&s=${isLate ? TIMEOUT_SECONDS * 5 : lasting}`;
    books.allowed[token] = isPost ? 1 : 2;
    const request = isPost ? post(path, String(token)) : get(path);
    const asked = client.ask(request);
    if (random() < LEAVES_SHARE) {
      books.leaves += 1;
      await sleep(random() * 3);
      if (random() < 0.5) client.reset();
      else client.close();
      await asked;
      continue;
    }
    books.count(token, await asked, request);
  }
  client.close();
}

/** Kills a worker or reloads, at random moments, until it is over. */
async function disturb(
  subject: Subject,
  seed: number,
  isOver: () => boolean,
): Promise<{ kills: number; reloads: number }> {
  const random = makeRandom(seed ^ 0x5eed);
  let kills = 0;
  let reloads = 0;
  while (!isOver()) {
    await sleep(DISTURB_MS * (0.5 + random()));
    // At least one reload and one kill, however short the trial is.
    if (reloads === 0 || (kills > 0 && random() < RELOAD_SHARE)) {
      subject.signal("SIGHUP");
      reloads += 1;
      continue;
    }
    const victims = subject.workerPids();
    const victim = victims[Math.floor(random() * victims.length)];
    if (victim !== undefined && killProcess(victim)) kills += 1;
  }
  return { kills, reloads };
}

/** By the application's notes no request ran more often than allowed, and none was answered without a run. */
function expectRuns({ verdict }: Stage, subject: Subject, books: Books, asked: number): void {
  const runs = new Uint8Array(asked + 1);
  let unknown = 0;
  for (const line of subject.notes.lines("runs")) {
    const token = Number(line);
    if (books.allowed[token] === undefined || books.allowed[token] === 0) unknown += 1;
    else runs[token] = (runs[token] ?? 0) + 1;
  }
  let tooOften = 0;
  let answeredUnrun = 0;
  let twice = 0;
  for (let token = 1; token <= asked; token += 1) {
    const times = runs[token] ?? 0;
    if (times > (books.allowed[token] ?? 0)) tooOften += 1;
    if (times > 1) twice += 1;
    if (books.isAnswered[token] === 1 && times === 0) answeredUnrun += 1;
  }
  for (const { token, what, words } of books.strange)
    verdict.expect(false, `${words}: ${what}, run ${runs[token] ?? 0} times`);
  verdict.figure("GETs run twice", twice - tooOften, "");
  verdict.expect(unknown === 0, `${unknown} runs of requests that nobody made`);
  verdict.expect(tooOften === 0, `${tooOften} requests were run more often than they may`);
  verdict.expect(answeredUnrun === 0, `${answeredUnrun} were answered without having been run`);
}
