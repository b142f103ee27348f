// The promises about faults. Each names its proofs: trials of this folder and tests. A test checks that the
// named trials and files exist, and that npm test runs at least one proof of each promise.

interface Sentence {
  readonly text: string;
  /** Names of trials, or of files in test/. */
  readonly shownBy: readonly string[];
}

export interface Chapter {
  readonly title: string;
  /** The faults of this chapter, for readers of the tables. */
  readonly words: string;
  readonly sentences: readonly Sentence[];
}

const say = (text: string, ...shownBy: readonly string[]): Sentence => ({ text, shownBy });

export const CHAPTERS: readonly Chapter[] = [
  {
    title: "Deadline",
    words:
      "`--timeout 1` (gunicorn: its `--timeout`; nginx: `proxy_read_timeout`). Requests that never end, each stuck in a different way, one after the other, while four clients send short requests. The lateness is the time that the client measures from sending the request to the 504, minus the deadline.",
    sentences: [
      say(
        "504 within 250 ms after the deadline, for code that sleeps, loops, waits for a lock or is blocked in C; one log entry with the stacks; the request is interrupted, or its worker is replaced; the request is never run again",
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
        "a worker that will be killed for a late request first finishes its other requests",
        "deadline.beside",
        "e2e/deadline.test.ts",
      ),
      say("single paths have their own deadlines", "deadline.routes", "e2e/deadline.test.ts"),
      say("time in the queue does not count; streams", "e2e/deadline.test.ts"),
    ],
  },
  {
    title: "Crash",
    words:
      "2 workers × 4 threads (ASGI: 4 requests at once). 16 requests are held, 8 of them running and 8 in the queue; then one worker dies. The application records which process runs which request. The replacement time is measured with one worker, from the kill to the first response. In a crash loop the application ends again and again until its code is fixed.",
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
        "a safe request that was beside others in the dead worker is run once more; one that was alone is not",
        "crash.retry",
        "e2e/crash.test.ts",
      ),
      say(
        "a new worker serves within the import time + 100 ms",
        "crash.replacement",
        "e2e/crash.test.ts",
      ),
      say(
        "in a crash loop the pauses between starts grow, and the CPU is not busy",
        "crash.loop-exit-soon",
        "crash.loop-exit",
        "e2e/crash.test.ts",
      ),
      say(
        "the log has the signal or exit code, the requests, the peak memory and the last output",
        "e2e/crash.test.ts",
      ),
      say("the death of the launcher loses no request", "crash.launcher", "e2e/crash.test.ts"),
    ],
  },
  {
    title: "Reload",
    words:
      "Reloads by SIGHUP (Typhon also by `typhon reload`) while 16 clients send requests, 4 of them on a new connection each time; in every second reload the workers are idle. Afterwards the new version has to respond.",
    sentences: [
      say(
        "no request fails, whether the workers are busy or idle",
        "reload.load",
        "e2e/reload-signal.test.ts",
        "e2e/reload-command.test.ts",
      ),
      say(
        "code that does not load never replaces code that runs",
        "reload.broken",
        "e2e/reload-command.test.ts",
      ),
      say("many reloads leave no memory, processes, threads or descriptors behind", "reload.leak"),
      say("`--reload` for development", "reload.development", "e2e/development.test.ts"),
    ],
  },
  {
    title: "Warm-up",
    words:
      "Under load, workers are replaced by reloads and kills; each worker records that it has run the warm-up.",
    sentences: [
      say(
        "a new worker runs the `--warmup` paths before requests of clients",
        "reload.warm-up",
        "e2e/recycling.test.ts",
      ),
    ],
  },
  {
    title: "Drain",
    words:
      "4 workers × 4 threads, 12 running requests and an idle connection when SIGTERM is sent (nginx: SIGQUIT, its signal for a graceful stop).",
    sentences: [
      say(
        "running requests finish, no new connection is accepted, exit code 0",
        "drain.running",
        "e2e/shutdown.test.ts",
        "e2e/asgi.test.ts",
      ),
      say("a second signal ends the server at once", "drain.second-signal", "e2e/shutdown.test.ts"),
      say("as PID 1 the server leaves no zombies", "drain.first-process"),
    ],
  },
  {
    title: "Overload",
    words:
      "An application that sleeps for 40 ms in 2 × 4 threads can handle 200 requests a second. 2,000 requests a second are sent, independent of the responses, on as many connections as needed.",
    sentences: [
      say(
        "at ten times its capacity a server keeps its throughput and refuses the rest at once",
        "overload",
        "e2e/overload.test.ts",
      ),
      say(
        "the queue is limited, and health checks bypass it",
        "overload.queue",
        "e2e/dispatch.test.ts",
      ),
      say(
        "no request waits longer than --queue-timeout",
        "overload.queue-timeout",
        "e2e/dispatch.test.ts",
      ),
      say(
        "a waiting request whose client has left is not run",
        "overload.left",
        "e2e/overload.test.ts",
      ),
    ],
  },
  {
    title: "The client leaves",
    words:
      "Clients leave in the middle: downloads after the first bytes and uploads half way, by a reset or a FIN, 32 at a time. Afterwards the server must still be able to run as many requests at the same time as it has threads.",
    sentences: [
      say(
        "a running request learns that its client has left",
        "client-leaves.told",
        "e2e/overload.test.ts",
        "e2e/asgi.test.ts",
      ),
      say("aborted uploads and downloads leave nothing behind", "client-leaves"),
    ],
  },
  {
    title: "Recycling",
    words: "Under load from 16 clients, 4 of them on new connections.",
    sentences: [
      say(
        "the new worker is ready before the old one stops, so no request fails",
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
      "The listening process gets SIGKILL while four requests are stuck, one of them with the interpreter's lock held. Then the server is started again on the same port.",
    sentences: [
      say(
        "no process is left after 2 s, and a restart can listen at once",
        "front-killed",
        "e2e/crash.test.ts",
      ),
      say(
        "PID file, service manager, sockets passed by systemd",
        "e2e/pid-file.test.ts",
        "e2e/systemd.test.ts",
      ),
    ],
  },
  {
    title: "Never another client's response",
    words:
      "24 clients send GET and POST requests with whole and streamed responses. At random times workers are killed, SIGHUP is sent, requests pass their deadline, and clients leave. Each response must carry the token and the id of its request; the application records each run.",
    sentences: [
      say("every response belongs to its request, and no request runs too often", "tokens"),
    ],
  },
  {
    title: "Faults of the machine",
    words:
      "A full temporary folder (a tmpfs of 4 MiB; a limit of file sizes), a limit of 256 descriptors, logs that cannot be written.",
    sentences: [
      say(
        "full temporary folder: 507 for that request, the others are served",
        "machine.temp-space",
        "machine.temp-quota",
      ),
      say(
        "too few descriptors: idle connections are closed first, then 503; no busy loop",
        "machine.descriptors",
      ),
      say(
        "a log target that is slow, gone or full does not affect requests, lost lines are counted; SIGUSR1 opens the file again",
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
    title: "Memory",
    words:
      "A control group of 512 MiB without swap for all processes of the server. Thousands of clients each make the server keep as much as one client can, all of them at the same time.",
    sentences: [
      say(
        "incomplete heads, trailers and pipelined requests: those that have waited longest give way",
        "memory.heads",
        "memory.waiting-heads",
        "memory.trailers",
        "memory.pipelining",
        "net/connection-memory.test.ts",
      ),
      say(
        "responses that are not read: the clients that have read nothing for longest are cut",
        "memory.unread",
        "memory.unread-pieces",
        "net/connection-memory.test.ts",
      ),
      say(
        "bodies: beyond a limit they go into files, or wait with their clients",
        "memory.bodies",
        "memory.unread-bodies",
        "handlers/python/python-request.test.ts",
      ),
      say(
        "messages of WebSockets that are incomplete or not read",
        "memory.messages",
        "memory.unread-messages",
        "websocket/limits.test.ts",
      ),
    ],
  },
  {
    title: "WebSockets",
    words: "200 open WebSockets in 2 workers. Each has echoed a message before the fault.",
    sentences: [
      say(
        "a reload closes with 1012, spread over time, and cuts none off",
        "websocket.reload",
        "e2e/websocket.test.ts",
      ),
      say("a stop closes with 1012, exit code 0", "websocket.drain", "e2e/websocket.test.ts"),
      say(
        "a killed worker: its WebSockets close with 1011, the others stay",
        "websocket.kill",
        "e2e/websocket.test.ts",
      ),
      say(
        "a killed main process leaves nothing",
        "websocket.front-killed",
        "e2e/websocket.test.ts",
      ),
    ],
  },
  {
    title: "Local users",
    words:
      "The server runs as root, the intruder as another user of the machine, without groups. The server's PID file, sockets and temporary files are in folders that everybody may write to, like /tmp. The intruder tries everything again and again while the server serves, reloads, and takes uploads.",
    sentences: [
      say(
        "another user cannot signal a server, nor read, write, connect to or remove what is the server's",
        "local-users.pry",
        "e2e/unix-socket.test.ts",
        "workers/run-directory.test.ts",
      ),
      say(
        "where another user has taken a name before the start, the start fails or takes the name back; nothing behind a link is changed",
        "local-users.squat",
        "front/listener.test.ts",
        "e2e/pid-file.test.ts",
      ),
      say(
        "where another user has made a removed temporary folder anew, nobody gets bytes of others, and nothing behind a link is changed",
        "local-users.links",
        "e2e/vanishing-folders.test.ts",
      ),
    ],
  },
  {
    title: "Applications side by side",
    words:
      "Two applications with 2 workers × 4 threads each and a folder of files behind one front. 40 clients burden one application, while 60 requests a second go to the other one and as many to a file; their 99th percentiles are compared with those before the fault.",
    sentences: [
      say(
        "an application that hangs, crashes in a loop or floods the log leaves the others as they were",
        "site.hangs",
        "site.crashes",
        "site.floods",
      ),
      say(
        "typhon.toml is changed and reloaded under load: applications and routes come, change and go, a mistake changes nothing",
        "e2e/site.test.ts",
      ),
    ],
  },
  {
    title: "Static files",
    words:
      "Files of one folder, while 60 requests a second go to the application and as many to a small file.",
    sentences: [
      say(
        "a file that becomes shorter, a folder that is replaced or goes away",
        "files.truncated",
        "files.replaced",
        "files.gone",
        "e2e/static-files.test.ts",
      ),
      say(
        "memory is bounded, however many files are hot and however slowly clients read",
        "files.cache",
        "files.slow",
      ),
      say("nothing outside the folder is opened", "e2e/static-traversal.test.ts"),
    ],
  },
  {
    title: "CGI programs",
    words:
      "At most four programs at once, first in forks of templates (`--cgi-warm auto`), then started anew (`off`). Some never end, have a child that holds their output, and take no notice of SIGTERM.",
    sentences: [
      say("a program that is killed is the end of one request", "cgi.killed", "e2e/cgi.test.ts"),
      say(
        "a late program, or one whose client has left, ends with its children, and its place is free",
        "cgi.deadline",
        "cgi.client-leaves",
        "e2e/cgi.test.ts",
        "cgi/launcher.test.ts",
      ),
      say(
        "the deaths of launcher and templates lose no request that waits, and nothing is run twice",
        "cgi.launcher-killed",
        "cgi.template-killed",
        "programs.test.ts",
      ),
      say(
        "more requests than programs may run wait, then get 503",
        "cgi.overload",
        "handlers/cgi/handler.test.ts",
      ),
      say("slow clients hold no program", "cgi.slow-reader", "e2e/cgi.test.ts"),
      say(
        "stops and reloads let programs finish; a killed front leaves none",
        "cgi.stop",
        "cgi.reload",
        "cgi.front-killed",
        "cgi/launcher.test.ts",
        "programs.test.ts",
      ),
    ],
  },
  {
    title: "Loading once",
    words:
      "With `--preload`: three workers from a template, each replaced after 150 requests, under load from 8 clients, 2 of them on new connections. Every 500 ms the template is killed, or the launcher; or one reload follows another.",
    sentences: [
      say(
        "the death of a template or of its launcher loses no request",
        "preload.template-killed",
        "preload.template-killed-idle",
        "preload.launcher-killed",
        "e2e/preload.test.ts",
      ),
      say(
        "a reload loads the code once, in a new template, and no request fails",
        "preload.reload",
        "e2e/preload.test.ts",
      ),
    ],
  },
];

/** The trials of a chapter, in its order. */
export function trialsOf({ sentences }: Chapter): string[] {
  return sentences.flatMap(({ shownBy }) => shownBy.filter((name) => !name.endsWith(".ts")));
}
