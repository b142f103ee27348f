// Where an application is while it loads: what faulthandler has written about its threads, read for people. Pure.
// faulthandler writes each thread from its newest frame on, and the main thread last.

export interface StackFrame {
  readonly file: string;
  readonly line: number;
  /** Of the function; "<module>" for the code of a module. */
  readonly name: string;
}

/** Frames of a stack that are told. */
const MAX_TOLD = 30;
const THREAD = /^(?:Current thread|Thread) 0x/;
const FRAME = /^ {2}File "(.*)", line (\d+) in (.*)$/;
/** The import system's frames, and the program that starts a launcher. */
const NOBODYS = /^<(?:frozen .*|string)>$/;
const OURS = "/typhon_worker/";
/** Folders in which modules are found: those of packages first, then the standard library. */
const LIBRARIES = [/^.*\/(?:site|dist)-packages\//, /^.*\/lib\/(?:python|pypy)[\d.]+\//];

/** The application's frames of the main thread, the oldest first. */
export function readMainStack(report: string): StackFrame[] {
  const lines = report.split("\n");
  const start = lines.findLastIndex((line) => THREAD.test(line));
  const frames: StackFrame[] = [];
  for (const line of lines.slice(start + 1)) {
    const [, file = "", number = "", name = ""] = FRAME.exec(line) ?? [];
    if (file !== "" && !NOBODYS.test(file) && !file.includes(OURS))
      frames.unshift({ file, line: Number(number), name });
  }
  return frames;
}

/** Names what is being imported, or where the code is, for a sentence; "" if no frame is the application's. */
export function describePlace(report: string, appDir: string): string {
  const frames = readMainStack(report);
  const inner = frames.at(-1);
  if (inner === undefined)
    return report.includes("/asgi/worker.py") ? "the startup of its lifespan, or its warm-up" : "";
  const importing = frames.findLast(({ name }) => name === "<module>");
  const at = (frame: StackFrame): string => `${shorten(frame.file, appDir)}:${frame.line}`;
  if (importing === undefined) return `${inner.name}, at ${at(inner)}`;
  const module = moduleOf(shorten(importing.file, appDir));
  const deeper = inner === importing ? "" : `, in ${inner.name} (${at(inner)})`;
  return `import of ${module}, at ${at(importing)}${deeper}`;
}

/** Writes the application's frames as Python does, the newest last; "" if there are none. */
export function formatMainStack(report: string): string {
  return readMainStack(report)
    .slice(-MAX_TOLD)
    .map(({ file, line, name }) => `  File "${file}", line ${line}, in ${name}`)
    .join("\n");
}

// "/srv/venv/lib/python3.13/site-packages/torch/__init__.py" → "torch/__init__.py"
function shorten(file: string, appDir: string): string {
  for (const library of LIBRARIES) if (library.test(file)) return file.replace(library, "");
  return file.startsWith(`${appDir}/`) ? file.slice(appDir.length + 1) : file;
}

// "torch/__init__.py" → "torch"
function moduleOf(path: string): string {
  return path
    .replace(/\.pyc?$/, "")
    .replace(/\/__init__$/, "")
    .replace(/^.*\/(?=[^/]*$)/, (folder) => (folder.startsWith("/") ? "" : folder))
    .replaceAll("/", ".");
}
