// The end of the process when a system call of Node's thread pool does not return, such as one to a disk or a name
// server that hangs. process.exit(), process.reallyExit() and the end of the event loop wait for the threads of
// the pool; SIGKILL does not wait but has no exit code. execve(2) ends all threads and keeps the process id, and
// the shell that follows ends with the code.

/** Operations of the pool that may never return, as process.getActiveResourcesInfo() names them. */
const POOL_OPERATION = /^(?:FSReq|GetAddrInfo|GetNameInfo|Close)/;

/** A listener for "exit": ends the process with `code` at once if a thread of the pool is still busy. */
export function exitPastBusyThreads(code: number): void {
  if (!process.getActiveResourcesInfo().some((name) => POOL_OPERATION.test(name))) return;
  try {
    process.execve?.("/bin/sh", ["sh", "-c", `exit ${code}`], {});
  } finally {
    process.kill(process.pid, "SIGKILL");
  }
}
