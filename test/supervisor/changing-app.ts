// An application in a folder of its own whose code the tests of reloads change while it is served.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeScratch, type Scope } from "../support/scratch.ts";

/** `module.py` in a scratch folder. It notes each of its loads, and answers with what it was last told. */
export class ChangingApp {
  readonly folder: string;
  readonly file: string;

  constructor(scope: Scope, module = "changing") {
    this.folder = makeScratch(scope);
    this.file = join(this.folder, `${module}.py`);
  }

  /** The arguments that serve it by one worker. */
  get args(): string[] {
    return ["changing:app", "--app-dir", this.folder, "--workers", "1"];
  }

  /** How often the code was loaded. */
  get loads(): number {
    const notes = join(this.folder, "loads");
    return existsSync(notes) ? readFileSync(notes, "utf8").length : 0;
  }

  /** From the next load on it answers `text`; `first`: Python that is run while it is loaded. */
  answer(text: string, first = ""): void {
    // In one step, as editors save: no load reads half of the code.
    const draft = `${this.file}.draft`;
    writeFileSync(draft, this.source(text, first));
    renameSync(draft, this.file);
  }

  /** The code of a version. */
  source(text: string, first = ""): string {
    return `import pathlib, time
folder = pathlib.Path(__file__).parent
with open(folder / "loads", "a") as loads: loads.write("x")
def wait_for(name):
    (folder / f"{name}.waits").touch()
    last = time.monotonic() + 30
    while not (folder / f"{name}.go").exists():
        if time.monotonic() > last: raise TimeoutError(name)
        time.sleep(0.005)
${first}
def app(environ, start_response):
    if environ["PATH_INFO"] == "/hold": wait_for("hold")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [${JSON.stringify(text)}.encode()]
`;
  }

  /** Whether the application stands at `wait_for(name)`. */
  waitsFor(name: string): boolean {
    return existsSync(join(this.folder, `${name}.waits`));
  }

  /** Lets it go on. */
  go(name: string): void {
    writeFileSync(join(this.folder, `${name}.go`), "");
  }
}
