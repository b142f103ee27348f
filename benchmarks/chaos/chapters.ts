// The promises about faults, sentence by sentence, each with the trials of this folder and the tests that
// show it. A test holds the names to the trials and files that exist, and every sentence to at least one of
// them that npm test runs.

interface Sentence {
  readonly text: string;
  /** Names of trials, or of files in test/. */
  readonly shownBy: readonly string[];
}

export interface Chapter {
  readonly title: string;
  /** What is done to the servers, for whoever reads the tables. */
  readonly words: string;
  readonly sentences: readonly Sentence[];
}

const say = (text: string, ...shownBy: readonly string[]): Sentence => ({ text, shownBy });

export const CHAPTERS: readonly Chapter[] = [
  {
    title: "Deadline",
    words:
      "`--timeout 1` (gunicorn: its `--timeout`; nginx: `proxy_read_timeout`). Requests that never come back, each stuck in another way, one after the other, while four clients ask short ones. Late is what a client measures, from sending to 504, less the deadline.",
    sentences: [
      say(
        "504 within 250 ms of the deadline, for sleeping, looping, lock-waiting and C-blocked code; one report with the stacks; a soft interrupt, else the worker is replaced; never run again",
        "deadline.steps",
        "deadline.loop",
        "deadline.lock",
        "deadline.c",
        "deadline.c-later",
        "deadline.sleep",
        "e2e/deadline.test.ts",
        "e2e/asgi.test.ts",
      ),
      say(
        "other requests of a worker that is to be killed may finish",
        "deadline.beside",
        "e2e/deadline.test.ts",
      ),
      say("deadlines of a path", "deadline.routes", "e2e/deadline.test.ts"),
      say("waiting in the queue does not count; streams", "e2e/deadline.test.ts"),
    ],
  },
  {
    title: "Crash",
    words:
      "2 workers × 4 threads (ASGI: 4 requests at once). 16 requests wait until they are let go, 8 of them running; then one worker dies. The application notes which process runs which request. A replacement is measured with one worker: from the kill to the first answer. In a crash loop the application ends again and again, then it is mended.",
    sentences: [
      say(
        "exactly the requests of the dead worker get 502",
        "crash.kill",
        "crash.segfault",
        "crash.exit",
        "crash.out-of-memory",
        "e2e/crash.test.ts",
      ),
      say(
        "bystanders are run once more elsewhere, suspects are not",
        "crash.retry",
        "e2e/crash.test.ts",
      ),
      say(
        "a replacement serves within import time + 100 ms",
        "crash.replacement",
        "e2e/crash.test.ts",
      ),
      say(
        "a crash loop backs off and never spins",
        "crash.loop-exit-soon",
        "crash.loop-exit",
        "e2e/crash.test.ts",
      ),
      say(
        "signal or exit code, requests, peak memory and last words are logged",
        "e2e/crash.test.ts",
      ),
      say("the launcher's death loses no request", "crash.launcher", "e2e/crash.test.ts"),
    ],
  },
  {
    title: "Reload",
    words:
      "By SIGHUP, Typhon also by `typhon reload`, while 16 clients ask, 4 of them on a fresh connection each time; in every second reload the workers are idle. The new version has to answer.",
    sentences: [
      say(
        "no request fails, workers busy or idle",
        "reload.load",
        "e2e/reload-signal.test.ts",
        "e2e/reload-command.test.ts",
      ),
      say(
        "code that does not load never replaces code that runs",
        "reload.broken",
        "e2e/reload-command.test.ts",
      ),
      say("nothing grows", "reload.leak"),
      say("`--reload` for development", "reload.development", "e2e/development.test.ts"),
    ],
  },
  {
    title: "Warm-up",
    words: "Workers are replaced by reloads and kills under load; each notes that it was warmed.",
    sentences: [
      say("a new worker answers `--warmup` paths first", "reload.warm-up", "e2e/recycling.test.ts"),
    ],
  },
  {
    title: "Drain",
    words:
      "4 workers × 4 threads, 12 requests running and an idle connection when SIGTERM comes (nginx: SIGQUIT, its graceful end).",
    sentences: [
      say(
        "what runs is answered, nothing new is accepted, exit code 0",
        "drain.running",
        "e2e/shutdown.test.ts",
        "e2e/asgi.test.ts",
      ),
      say("a second signal ends at once", "drain.second-signal", "e2e/shutdown.test.ts"),
      say("as PID 1, without zombies", "drain.first-process"),
    ],
  },
  {
    title: "Overload",
    words:
      "An application that sleeps for 40 ms in 2 × 4 threads can answer 200 requests a second. 2,000 a second come, whatever the server does, on as many connections as it takes.",
    sentences: [
      say(
        "at ten times its capacity it does what it can and refuses the rest at once",
        "overload",
        "e2e/overload.test.ts",
      ),
      say("a bounded queue, and health beside it", "overload.queue", "e2e/dispatch.test.ts"),
      say(
        "nobody waits longer than --queue-timeout",
        "overload.queue-timeout",
        "e2e/dispatch.test.ts",
      ),
      say("who has left is not run", "overload.left", "e2e/overload.test.ts"),
    ],
  },
  {
    title: "The client leaves",
    words:
      "Downloads that are left at their first bytes and uploads that are left half way, by a reset or a FIN, 32 at a time. Afterwards as many requests as there are threads have to run at the same time.",
    sentences: [
      say(
        "a running request is told",
        "client-leaves.told",
        "e2e/overload.test.ts",
        "e2e/asgi.test.ts",
      ),
      say("nothing is left behind by aborted uploads and downloads", "client-leaves"),
    ],
  },
  {
    title: "Recycling",
    words: "Under load from 16 clients, 4 of them on fresh connections.",
    sentences: [
      say(
        "the replacement is ready first: no request fails",
        "recycling.requests",
        "recycling.rss",
        "recycling.age",
        "e2e/recycling.test.ts",
      ),
    ],
  },
  {
    title: "The front dies",
    words:
      "SIGKILL to the process that listens while four requests are stuck, one of them with the interpreter's lock held. Then a start on the same port.",
    sentences: [
      say(
        "nothing is left after 2 s, a restart binds at once",
        "front-killed",
        "e2e/crash.test.ts",
      ),
      say(
        "PID file, service manager, passed sockets",
        "e2e/pid-file.test.ts",
        "e2e/systemd.test.ts",
      ),
    ],
  },
  {
    title: "Never another's answer",
    words:
      "24 clients, GET and POST, whole and streamed answers. At random: workers killed, SIGHUP, requests past their deadline, clients that leave. Each answer has to carry its request's token and id; the application notes each run.",
    sentences: [say("every answer is its own, nothing runs too often", "tokens")],
  },
  {
    title: "Faults of the machine",
    words:
      "A full temporary space (a tmpfs of 4 MiB; a limit of file sizes), 256 descriptors, logs that cannot be written.",
    sentences: [
      say("temporary space full: 507, others fine", "machine.temp-space", "machine.temp-quota"),
      say("idle connections go first, then 503, no busy loop", "machine.descriptors"),
      say(
        "log target slow, gone or full: requests unaffected, lost lines counted; SIGUSR1",
        "machine.log-pipe",
        "machine.log-slow",
        "machine.log-gone",
        "machine.log-full",
        "machine.log-deleted",
        "e2e/logs.test.ts",
        "observe/sink.test.ts",
      ),
    ],
  },
  {
    title: "WebSockets",
    words: "200 open WebSockets in 2 workers, each of which has echoed; then the fault.",
    sentences: [
      say("a reload: 1012, spread, no cut", "websocket.reload", "e2e/websocket.test.ts"),
      say("the end: 1012, exit code 0", "websocket.drain", "e2e/websocket.test.ts"),
      say("a killed worker: 1011, nobody else's", "websocket.kill", "e2e/websocket.test.ts"),
      say("a killed front leaves nothing", "websocket.front-killed", "e2e/websocket.test.ts"),
    ],
  },
];

/** The trials of a chapter, in its order. */
export function trialsOf({ sentences }: Chapter): string[] {
  return sentences.flatMap(({ shownBy }) => shownBy.filter((name) => !name.endsWith(".ts")));
}
