// The image of docker/Dockerfile without Docker: its instructions in namespaces, with Flask and the wheels of
// npm run release; then its command as process 1, as its user, below a root that nobody may write; its health check;
// its stop. Needs root, and Linux's overlay file system.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { within } from "../../support/deadline.ts";
import {
  execForm,
  onlyText,
  readDockerfile,
  variablesOf,
  type Instruction,
} from "../../support/dockerfile.ts";
import { getOnce } from "../../support/raw-client.ts";
import { CHECKOUT, makeScratch, requirePython } from "../../support/scratch.ts";
import { Typhon } from "../../support/typhon.ts";

const WHEELS = join(CHECKOUT, "release");
const PYTHON = execFileSync(requirePython(), ["-c", "import sys; print(sys.base_prefix)"])
  .toString()
  .trim();

const APPLICATION = `
import os

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def facts():
    return jsonify(uid=os.getuid(), front=os.getppid(), mayWrite=os.access(__file__, os.W_OK), cwd=os.getcwd())
`;

class Image {
  readonly #folder: string;
  #user = "0:0";
  #workdir = "/";

  constructor(context: TestContext) {
    this.#folder = makeScratch(context);
    mkdirSync(join(this.#folder, "root"));
  }

  /** Follows the instructions, as docker build does, in the context folder. */
  build(instructions: readonly Instruction[], context: string): void {
    const wheels = join(this.#folder, "root/wheels");
    cpSync(WHEELS, wheels, { recursive: true });
    for (const { name, text } of instructions) {
      if (name === "USER") this.#user = text;
      if (name === "WORKDIR") this.#workdir = text;
      if (name === "COPY") this.#copy(text, context);
      if (name === "RUN") this.#run(text);
    }
    rmSync(wheels, { recursive: true });
  }

  /** The words of unshare that start a command as docker run does. */
  words(
    variables: Readonly<Record<string, string>>,
    command: readonly string[],
  ): readonly string[] {
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return this.#words("ro", [...given, ...command]);
  }

  #copy(text: string, context: string): void {
    const [from = "", to = "", ...more] = text.split(" ");
    assert(!to.startsWith("/") && more.length === 0, text);
    const target = join(this.#folder, "root", this.#workdir, to);
    mkdirSync(target, { recursive: true });
    if (from === ".") cpSync(context, target, { recursive: true });
    else cpSync(join(context, from), join(target, from));
  }

  #run(text: string): void {
    // How this machine reaches the package index; a user's own machine needs none of it.
    const reach = Object.entries(process.env).filter(([name]) =>
      /^(pip_|https?_proxy|no_proxy)/i.test(name),
    );
    const variables = {
      ...Object.fromEntries(reach),
      PIP_FIND_LINKS: "/wheels",
      PIP_ROOT_USER_ACTION: "ignore",
    };
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const words = this.#words("rw", [...given, "sh", "-c", text]);
    const { status, stdout, stderr } = spawnSync("unshare", words, { encoding: "utf8" });
    assert.equal(status, 0, `${text}\n${stdout}${stderr}`);
  }

  #words(mode: "rw" | "ro", command: readonly string[]): readonly string[] {
    const script = join(CHECKOUT, "test/support/image.sh");
    const namespaces = ["--mount", "--pid", "--fork", "--kill-child"];
    return [
      ...namespaces,
      "sh",
      script,
      this.#folder,
      PYTHON,
      mode,
      this.#user,
      this.#workdir,
      ...command,
    ];
  }
}

test("the image serves as its user below a root that is read-only, and stops as process 1", async (t) => {
  assert(
    existsSync(WHEELS) && readdirSync(WHEELS).some((name) => name.endsWith(".whl")),
    "npm run release",
  );
  const context = makeScratch(t);
  writeFileSync(join(context, "app.py"), APPLICATION);
  writeFileSync(join(context, "requirements.txt"), "typhon-server\nflask==3.1.3\n");
  const instructions = readDockerfile();
  const image = new Image(t);
  image.build(instructions, context);

  const variables = { ...variablesOf(instructions), PORT: "0", TYPHON_WORKERS: "2" };
  const command = execForm(onlyText(instructions, "CMD"));
  const words = image.words(variables, command);
  const typhon = new Typhon(words, { command: "unshare", cwd: "/" });
  t.after(() => typhon.kill());
  await typhon.waitForStart();
  const response = await getOnce(typhon, "/");
  const user = Number(onlyText(instructions, "USER").split(":")[0]);
  assert.partialDeepStrictEqual(JSON.parse(response.text), {
    uid: user,
    mayWrite: false,
    cwd: onlyText(instructions, "WORKDIR"),
  });
  await typhon.output.waitFor(/"GET \/ HTTP\/1\.1" 200/);

  const first = readFileSync(`/proc/${typhon.pid}/task/${typhon.pid}/children`, "utf8").trim();
  assert.match(first, /^\d+$/);
  const status = readFileSync(`/proc/${first}/status`, "utf8");
  assert.match(status, /^NSpid:\s+\d+\s+1$/m);
  assert.match(status, new RegExp(`^Uid:\\s+${user}\\s+${user}\\s`, "m"));
  assert.match(status, /^CapEff:\s+0+$/m);

  const [, check = ""] = onlyText(instructions, "HEALTHCHECK").split(/ CMD /);
  const healthy = (port: number): number | null => {
    const [python = "", ...rest] = execForm(check);
    const into = ["-t", first, "--mount", "--pid", "--root", "env", "-i"];
    const path = `PATH=${PYTHON}/bin:/usr/bin:/bin`;
    return spawnSync("nsenter", [...into, path, `PORT=${port}`, python, ...rest]).status;
  };
  assert.equal(healthy(typhon.port), 0);
  assert.notEqual(healthy(1), 0);

  process.kill(Number(first), "SIGTERM");
  const exit = await within(30_000, typhon.exited, "the container ends");
  assert.deepEqual(exit, { code: 0, signal: null }, typhon.output.all);
});
