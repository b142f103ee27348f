// The hooks of a gunicorn.conf.py: where each is called, and why some are not. The file itself is read by Python
// alone (python/typhon_worker/application/gunicorn_conf.py).

/** Called by the worker itself. */
const OF_WORKERS = [
  "pre_fork",
  "post_fork",
  "post_worker_init",
  "pre_request",
  "post_request",
  "worker_exit",
];
/** Called in a process of its own, where gunicorn's main process would call it. */
const OF_SERVER = ["on_starting", "when_ready", "on_reload", "child_exit", "on_exit"];

/** Why a hook is not called. */
const UNUSED: ReadonlyMap<string, string> = new Map([
  ["worker_int", "workers get no SIGINT or SIGQUIT; worker_exit runs when a worker ends"],
  [
    "worker_abort",
    "a request past its --timeout is interrupted, with the stacks of its worker in the log, and no worker gets SIGABRT",
  ],
  ["pre_exec", "the server never executes itself anew; a reload loads new code"],
  ["nworkers_changed", "the number of workers does not change while the server runs"],
  ["ssl_context", "TLS ends in the front, which has no ssl module; see the options of TLS"],
]);

const CALLED: ReadonlySet<string> = new Set([...OF_WORKERS, ...OF_SERVER]);

/** A sentence for each of these hooks that is never called. */
export function explainUnused(hooks: readonly string[]): readonly string[] {
  return hooks
    .filter((hook) => !CALLED.has(hook))
    .map(
      (hook) => `${hook} is not called: ${UNUSED.get(hook) ?? "Typhon does not know this hook"}`,
    );
}
