// Workers that a template forks (--preload), while templates and launchers die: no request may fail, and no
// process may be left.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../../../test/support/deadline.ts";
import { ClosedLoad, mixedRequest } from "../closed-load.ts";
import { killProcess, type Subject } from "../subject.ts";
import { counts, type Stage, type Trial } from "../trial.ts";

const WORKERS = 3;
/** So that workers come from templates all the time. */
const MAX_REQUESTS = 150;
/** Between the deaths, ms. */
const KILL_EVERY_MS = 500;

export const PRELOAD: readonly Trial[] = [
  ...(
    [
      ["template-killed", "If templates are killed under load, no request fails", templatesOf],
      [
        "launcher-killed",
        "If launchers with templates are killed under load, no request fails, and no template is left",
        (subject: Subject): number[] => [subject.launcherPid()],
      ],
    ] as const
  ).map(([name, promise, victimsOf]): Trial => {
    return {
      name: `preload.${name}`,
      promise,
      servers: ["typhon"],
      whyNot: "gunicorn's arbiter is the template, and all of the server ends with it",
      apps: ["raw", "flask", "asgi", "fastapi"],
      run: (stage) => runKilled(stage, victimsOf),
    };
  }),
  {
    name: "preload.template-killed-idle",
    promise:
      "If a template is killed without load, its workers serve on, and a dead one is replaced",
    servers: ["typhon"],
    whyNot: "gunicorn's arbiter is the template, and all of the server ends with it",
    apps: ["raw", "asgi"],
    run: runIdle,
  },
  {
    name: "preload.reload",
    promise: "Reloads under load fail no request, and leave one template",
    servers: ["typhon"],
    whyNot: "gunicorn does not load new code on SIGHUP with --preload",
    apps: ["raw", "flask", "asgi", "fastapi"],
    run: runReload,
  },
];

async function start(stage: Stage, ...more: readonly string[]): Promise<Subject> {
  // The application notes one load, whatever the number of workers.
  const extras = ["--preload", `--workers=${WORKERS}`, ...more];
  return await stage.start({ workers: 1, extras: { typhon: extras } });
}

function templatesOf(subject: Subject): number[] {
  return subject
    .processes()
    .map(({ pid }) => pid)
    .filter((pid) => nameOf(pid) === "typhon-template");
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

function requestsOf(stage: Stage): number {
  return counts(stage, 1_200, 20_000, 100_000);
}

function loadOf(stage: Stage, subject: Subject): ClosedLoad {
  return new ClosedLoad({
    port: subject.port,
    keptAlive: 6,
    fresh: 2,
    requests: requestsOf(stage),
    request: mixedRequest,
  });
}

async function runKilled(stage: Stage, victimsOf: (subject: Subject) => number[]): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage, `--max-requests=${MAX_REQUESTS}`);
  const load = loadOf(stage, subject);
  const going = load.run();
  let kills = 0;
  while (load.right + load.failed < requestsOf(stage)) {
    for (const pid of victimsOf(subject)) if (pid > 1 && killProcess(pid)) kills += 1;
    await sleep(KILL_EVERY_MS);
  }
  await going;
  verdict.did = `${load.asked} requests, ${kills} killed, ${subject.notes.starts().length} loads`;
  verdict.expect(kills > 0, "nothing was killed");
  verdict.expect(load.failed === 0, `failed: ${load.tellFailures()}`);
  await expectOneTemplate(stage, subject);
}

async function runIdle(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage);
  const [old = 0] = templatesOf(subject);
  verdict.expect(old > 0 && killProcess(old), "there was no template");
  await until("the log tells of it", () => subject.events("template.ended").length === 1);
  const load = loadOf(stage, subject);
  await load.run();
  verdict.expect(load.failed === 0, `failed: ${load.tellFailures()}`);
  verdict.expect(templatesOf(subject).length === 0, "a template was started that nobody needs");
  const worker = subject.processes().find(({ pid }) => nameOf(pid).startsWith("typhon-w"));
  verdict.expect(worker !== undefined && killProcess(worker.pid), "there was no worker");
  await expectOneTemplate(stage, subject);
  verdict.did = `a template killed, ${load.asked} requests, then a worker killed`;
}

async function runReload(stage: Stage): Promise<void> {
  const { verdict } = stage;
  const subject = await start(stage);
  const load = loadOf(stage, subject);
  const going = load.run();
  let reloads = 0;
  while (load.right + load.failed < requestsOf(stage)) {
    subject.signal("SIGHUP");
    reloads += 1;
    const isReloaded = (): boolean => subject.events("server.reloaded").length >= reloads;
    await until("the new code serves", isReloaded, subject.patienceMs);
  }
  await going;
  verdict.did = `${reloads} reloads, ${load.asked} requests`;
  verdict.expect(load.failed === 0, `failed: ${load.tellFailures()}`);
  const loads = subject.notes.starts().length;
  verdict.expect(loads === reloads + 1, `${reloads} reloads were ${loads} loads`);
  await expectOneTemplate(stage, subject);
}

/** In the end one template has all workers, or workers that have outlived one have another. */
async function expectOneTemplate({ verdict }: Stage, subject: Subject): Promise<void> {
  const isWhole = (): boolean => {
    const workers = subject.processes().filter(({ pid }) => nameOf(pid).startsWith("typhon-w"));
    return templatesOf(subject).length <= 1 && workers.length === WORKERS;
  };
  await until("the workers are whole", isWhole, subject.patienceMs).catch(() =>
    verdict.expect(
      false,
      `${templatesOf(subject).length} templates are left: ${subject
        .processes()
        .map(({ pid }) => nameOf(pid))
        .join(" ")}`,
    ),
  );
}
