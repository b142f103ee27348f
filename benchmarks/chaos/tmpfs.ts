// A small file system of its own, for filling it up. Only root may mount; elsewhere the trial is not
// possible, because a limit of file sizes (RLIMIT_FSIZE) fails in another way than a full disk.

import { execFileSync } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";

import { NotPossible, type Stage } from "./trial.ts";

/** Mounts `size` ("4m") at `folder`; unmounted after the trial. */
export function mountTmpfs(stage: Stage, folder: string, size: string): void {
  mkdirSync(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder], {
      stdio: "ignore",
    });
  } catch {
    throw new NotPossible("mounting a tmpfs needs root");
  }
  const unmount = (): void => {
    process.off("exit", unmount);
    // Lazily: a process that still holds a file there has been killed, but may take a moment to end.
    execFileSync("umount", ["--lazy", folder], { stdio: "ignore" });
  };
  // A run that is broken off leaves no mount either.
  process.on("exit", unmount);
  stage.after(unmount);
}

/** Bytes that are used on the file system of `folder`. */
export function usedBytes(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return (blocks - bfree) * bsize;
}
