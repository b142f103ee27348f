// WebSockets whose worker or server ends: each client gets a close frame with the reason, none is cut, and
// the close frames are spread over time, so that not all clients come back at the same moment.

import { clockMs } from "../../load/arrivals.ts";
import { until } from "../../../test/support/deadline.ts";
import { expectWhole } from "../aftermath.ts";
import { killProcess, type Subject } from "../subject.ts";
import { counts, type ServerName, type Stage, type Trial, type Verdict } from "../trial.ts";
import { WebSockets } from "../web-sockets.ts";

/** RFC 6455 §7.4.1 and its registry: the server restarts; something unexpected; no close frame. */
const RESTART = 1012;
const UNEXPECTED = 1011;
/** Close code of peers whose server ends. */
const GOING_AWAY = 1001;
/** Clients of one worker are closed over up to 5 s. */
const MIN_SPREAD_MS = 2500;
const GONE_MS = 20_000;

const SERVERS: readonly ServerName[] = ["typhon", "uvicorn", "granian"];
const WHY_NOT = "WSGI has no WebSockets";

export const WEB_SOCKET: readonly Trial[] = [
  {
    name: "websocket.reload",
    promise:
      "A reload closes the WebSockets of the old workers with 1012, spread over 5 s, and cuts none off; clients that connect again are served by the new code",
    servers: SERVERS,
    whyNot: WHY_NOT,
    apps: ["asgi", "fastapi"],
    isSlow: true,
    run: runReload,
  },
  {
    name: "websocket.drain",
    promise:
      "SIGTERM closes all WebSockets with a close frame, and the server ends with exit code 0",
    servers: SERVERS,
    whyNot: WHY_NOT,
    apps: ["asgi", "fastapi"],
    isSlow: true,
    run: runDrain,
  },
  {
    name: "websocket.kill",
    promise:
      "When a worker is killed, its WebSockets close with 1011; those of other workers stay open",
    servers: SERVERS,
    whyNot: WHY_NOT,
    apps: ["asgi", "fastapi"],
    run: runKill,
  },
  {
    name: "websocket.front-killed",
    promise: "When the main process is killed with open WebSockets, no process is left",
    servers: SERVERS,
    whyNot: WHY_NOT,
    apps: ["asgi"],
    run: runFrontKilled,
  },
];

async function startOpen(stage: Stage): Promise<{ subject: Subject; sockets: WebSockets }> {
  const count = counts(stage, 60, 200);
  // A WebSocket counts as a request that runs.
  const subject = await stage.start({ extras: { typhon: ["--concurrency=1024"] } });
  const sockets = new WebSockets(subject, count);
  await sockets.waitForAll();
  const echoed = await sockets.echo("before");
  stage.verdict.expect(echoed === count, `${echoed} of ${count} echoed`);
  return { subject, sockets };
}

async function runReload(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const { subject, sockets } = await startOpen(stage);
  const count = sockets.ends.length;
  subject.notes.setVersion("new");
  subject.signal("SIGHUP");
  const ended = await sockets.waitForEnds();
  verdict.did = `SIGHUP with ${count} WebSockets: ${sockets.tellCodes()}`;
  verdict.expect(ended === count, `${count - ended} of ${count} were not closed`);
  expectCode(verdict, sockets, [RESTART]);
  const times = sockets.ends.flatMap((end) => (end === null ? [] : [end.at]));
  const spread = Math.max(...times) - Math.min(...times);
  verdict.figure("from the first to the last", spread, "ms");
  // A busy machine may be late, never early.
  verdict.expect(spread >= MIN_SPREAD_MS, `all were closed within ${spread.toFixed(0)} ms`);
  const again = new WebSockets(subject, 20);
  await again.waitForAll();
  const echoed = await again.echo("after");
  verdict.expect(echoed === 20, `${echoed} of 20 that came back echoed`);
  again.close();
  await expectLeft(subject, verdict, count + 20);
  await expectWhole(subject, verdict, 50);
}

async function runDrain(stage: Stage): Promise<void> {
  const { verdict, server } = stage;
  const { subject, sockets } = await startOpen(stage);
  const count = sockets.ends.length;
  const since = clockMs();
  const stopping = subject.stop();
  const ended = await sockets.waitForEnds();
  verdict.did = `SIGTERM with ${count} WebSockets: ${sockets.tellCodes()}`;
  verdict.expect(ended === count, `${count - ended} of ${count} were not closed`);
  expectCode(verdict, sockets, server === "typhon" ? [RESTART] : [RESTART, GOING_AWAY]);
  const exit = await stopping;
  verdict.figure("from the signal to the end", clockMs() - since, "ms");
  verdict.expect(exit?.code === 0, `exit ${exit?.code ?? exit?.signal ?? "never"}`);
  verdict.expect(await subject.isGone(GONE_MS), "processes were left");
}

async function runKill(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const { subject, sockets } = await startOpen(stage);
  const [victim = 0] = subject.workerPids();
  const opened = subject.notes.lines("sockets");
  const doomed = opened.filter((line) => line === `opened ${victim}`).length;
  killProcess(victim);
  const isOver = (): boolean => sockets.ends.filter((end) => end !== null).length >= doomed;
  await until("they are closed", isOver, subject.patienceMs).catch(() =>
    verdict.expect(false, `not all ${doomed} WebSockets of the dead worker were closed`),
  );
  verdict.did = `${doomed} of ${opened.length} WebSockets in the killed worker: ${sockets.tellCodes()}`;
  verdict.expect(doomed > 0, "the killed worker had none");
  expectCode(verdict, sockets, [UNEXPECTED]);
  const echoed = await sockets.echo("after");
  const others = sockets.ends.length - doomed;
  verdict.expect(echoed === others, `${echoed} of ${others} others echoed afterwards`);
  await expectWhole(subject, verdict, 50);
  sockets.close();
}

async function runFrontKilled(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const { subject, sockets } = await startOpen(stage);
  const since = clockMs();
  subject.front.signal("SIGKILL");
  verdict.expect(await subject.isGone(subject.patienceMs), "processes ran on");
  verdict.figure("until all were gone", clockMs() - since, "ms");
  const ended = await sockets.waitForEnds();
  const count = sockets.ends.length;
  verdict.expect(ended === count, `${count - ended} of ${count} connections stayed`);
  verdict.did = `SIGKILL with ${count} WebSockets, then a start on the same port`;
  const next = await stage.start({ port: subject.port });
  await expectWhole(next, verdict, 50);
}

function expectCode(verdict: Verdict, sockets: WebSockets, wanted: readonly number[]): void {
  const wrong = sockets.ends.filter((end) => end !== null && !wanted.includes(end.code)).length;
  verdict.expect(wrong === 0, `${wrong} were closed by ${sockets.tellCodes()}`);
}

/** The application was told of each end. */
async function expectLeft(subject: Subject, verdict: Verdict, count: number): Promise<void> {
  const told = (): number =>
    subject.notes.lines("sockets").filter((line) => line.startsWith("left ")).length;
  await until("all were told", () => told() >= count, subject.patienceMs).catch(() => undefined);
  verdict.expect(told() === count, `the application was told of ${told()} of ${count} ends`);
}
