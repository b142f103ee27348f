// Short-lived programs: wrk, git, the load generators. A program gives its standard output, or an error
// with all of its output. Programs that still run can be ended together with this one.

import { spawn, type ChildProcess } from "node:child_process";

const running = new Set<ChildProcess>();

/** Runs a program to its end; rejects if it cannot be started or does not exit with 0. */
export function runProgram(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = startProgram(command, args);
    let output = "";
    let errors = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(output);
      const end = signal ?? `exit code ${code}`;
      reject(new Error(`${command}: ${end}\n${output}${errors}`));
    });
  });
}

/**
 * Starts a program with three pipes, in a session of its own as servers are, so that the kernel's
 * session groups share the processors out alike. killAllPrograms ends it if it still runs then.
 */
export function startProgram(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: "pipe", detached: true });
  running.add(child);
  child.on("close", () => running.delete(child));
  child.on("error", () => running.delete(child));
  return child;
}

/** Reads a JSON object with numbers that another program wrote; throws if one of them is missing. */
export function readNumbers<Name extends string>(
  json: string,
  names: readonly Name[],
): Record<Name, number> {
  const object: unknown = JSON.parse(json);
  if (hasNumbers(object, names)) return object;
  throw new Error(`JSON lacks one of the numbers ${names.join(", ")}: ${json}`);
}

function hasNumbers<Name extends string>(
  object: unknown,
  names: readonly Name[],
): object is Record<Name, number> {
  return names.every((name) => typeof Reflect.get(Object(object), name) === "number");
}

/** Ends every program that still runs. */
export function killAllPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}
