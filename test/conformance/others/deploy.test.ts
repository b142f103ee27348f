// docker/ and deploy/ by the tools of others: hadolint, the schema of Compose, Helm, kubeconform with the API of
// Kubernetes, and honcho (tools/setup-deploy.sh).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, suite, test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";

import { within } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { readRecord } from "../../support/json.ts";
import { getOnce } from "../../support/raw-client.ts";
import { CHECKOUT, COMMAND, makeScratch, requirePython } from "../../support/scratch.ts";
import { Typhon } from "../../support/typhon.ts";

const TOOLS = join(CHECKOUT, "test/.cache/deploy");
const CHART = join(CHECKOUT, "deploy/helm/typhon");
const MANIFESTS = join(CHECKOUT, "deploy/kubernetes");

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], input = ""): Outcome {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, encoding: "utf8" });
  if (error !== undefined) throw error;
  return { status, output: stdout + stderr };
}

function passes(command: string, args: readonly string[], input = ""): string {
  const { status, output } = run(command, args, input);
  assert.equal(status, 0, output);
  return output;
}

test("hadolint finds nothing in the Dockerfile", () => {
  const hadolint = join(TOOLS, "venv/bin/hadolint");
  passes(hadolint, ["--failure-threshold", "style", join(CHECKOUT, "docker/Dockerfile")]);
  // It does look.
  const worse = readFileSync(join(CHECKOUT, "docker/Dockerfile"), "utf8") + "CMD typhon\n";
  assert.equal(run(hadolint, ["--failure-threshold", "style", "-"], worse).status, 1);
});

test("Compose takes compose.yaml, and no misspelled one", () => {
  const schema = readRecord(readFileSync(join(TOOLS, "compose.json"), "utf8"));
  const takes = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
  const program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
  const asJson = (yaml: string): unknown =>
    readRecord(passes(requirePython(), ["-c", program], yaml));
  const yaml = readFileSync(join(CHECKOUT, "docker/compose.yaml"), "utf8");
  assert(takes(asJson(yaml)), JSON.stringify(takes.errors));
  assert(!takes(asJson(yaml.replace("cap_drop", "cap_drops"))));
});

type Json = null | boolean | number | string | readonly Json[] | Table;
interface Table {
  readonly [key: string]: Json;
}

/** Unknown keys are errors, and a number may stand where the API takes both. */
function strict(name: string, definition: Table): Table {
  if (name.endsWith(".IntOrString")) return { type: ["integer", "string"] };
  if (name.endsWith(".Quantity")) return { type: ["number", "string"] };
  const { properties, additionalProperties } = definition;
  const isClosed = properties !== undefined && additionalProperties === undefined;
  return isClosed ? { ...definition, additionalProperties: false } : definition;
}

/** A folder with a JSON schema for each kind, made of the OpenAPI description of Kubernetes. */
function writeSchemas(): string {
  const folder = makeScratch(FILE);
  const { definitions }: { definitions: Readonly<Record<string, Table>> } = JSON.parse(
    readFileSync(join(TOOLS, "kubernetes.json"), "utf8"),
  );
  const all = Object.fromEntries(
    Object.entries(definitions).map(([name, one]) => [name, strict(name, one)]),
  );
  for (const [name, definition] of Object.entries(definitions)) {
    const kinds = definition["x-kubernetes-group-version-kind"];
    // Options of deletions have one entry for each group.
    if (!Array.isArray(kinds) || kinds.length !== 1) continue;
    const { group, version, kind } = readRecord(JSON.stringify(kinds[0]));
    const [first] = String(group).split(".", 1);
    const file = [kind, first, version]
      .filter((part) => part !== "")
      .join("-")
      .toLowerCase();
    // The file of the definitions is shared: kubeconform resolves a reference beside the file.
    const schema = {
      $schema: "http://json-schema.org/draft-07/schema#",
      ...strict(name, definition),
    };
    const text = JSON.stringify(schema).replaceAll('"#/definitions/', '"all.json#/definitions/');
    writeFileSync(join(folder, `${file}.json`), text);
  }
  writeFileSync(join(folder, "all.json"), JSON.stringify({ definitions: all }));
  return folder;
}

suite("Kubernetes", () => {
  let kubeconform: readonly string[] = [];
  const helm = join(TOOLS, "helm");
  const template = (...values: string[]): Outcome =>
    run(helm, ["template", "shop", CHART, ...values.flatMap((value) => ["--set", value])]);

  before(() => {
    const place = `${writeSchemas()}/{{ .ResourceKind }}{{ .KindSuffix }}.json`;
    kubeconform = ["-strict", "-summary", "-schema-location", place];
  });

  /** Checks manifests; returns how many there are. */
  function conforming(input: string): number {
    const output = passes(join(TOOLS, "kubeconform"), kubeconform, input);
    const [, valid] = /Valid: (\d+), Invalid: 0, Errors: 0, Skipped: 0/.exec(output) ?? [];
    return Number(valid);
  }

  test("the API takes the manifests, and no misspelled one", () => {
    const names = readdirSync(MANIFESTS);
    const texts = names.map((name) => readFileSync(join(MANIFESTS, name), "utf8"));
    assert.equal(conforming(texts.join("---\n")), 3);
    const wrong = texts.join("---\n").replace("periodSeconds", "periodSecond");
    assert.notEqual(run(join(TOOLS, "kubeconform"), kubeconform, wrong).status, 0);
  });

  test("Helm finds nothing in the chart, and the API takes what it makes", () => {
    passes(helm, ["lint", "--strict", CHART]);
    const usual = template();
    assert.equal(conforming(usual.output), 3);
    const all = template(
      "ingress.enabled=true",
      "ingress.className=nginx",
      "ingress.tlsSecret=shop-tls",
      "maxReplicas=5",
      "replicas=2",
      `image.digest=sha256:${"0".repeat(64)}`,
      "imagePullSecrets[0].name=registry",
      "env[0].name=DATABASE_URL",
      "env[0].value=postgres://db/shop",
      "envFrom[0].secretRef.name=shop",
      "podAnnotations.example=yes",
      "nodeSelector.disk=ssd",
      "tolerations[0].key=web",
      "options.workers=4",
      "options.retry=off",
    );
    assert.equal(all.status, 0, all.output);
    assert.equal(conforming(all.output), 5);
    assert.match(all.output, /name: TYPHON_WORKERS\n\s+value: "4"/);
    assert.match(all.output, new RegExp(`image: "registry.example.com/shop@sha256:0{64}"`));
    // The autoscaler decides how many there are.
    assert.doesNotMatch(all.output, /^ {2}replicas:/m);
  });

  test("a pod of the chart has its delay, its stop and 5 s, and its start as long as it may take", () => {
    const { output } = template("drainDelay=10", "gracefulTimeout=60", "startTimeout=301");
    assert.match(output, /terminationGracePeriodSeconds: 75\n/);
    assert.match(output, /name: TYPHON_DRAIN_DELAY\n\s+value: "10"/);
    assert.match(output, /periodSeconds: 2\n\s+failureThreshold: 151\n/);
    assert.match(template().output, /terminationGracePeriodSeconds: 30\n/);
  });

  test("one pod has no budget, which would keep its node from being drained", () => {
    assert.equal(conforming(template("replicas=1").output), 2);
  });

  test("numbers of a file of values are written as they are", () => {
    const file =
      "options: { max-requests: 1000000, timeout: 0.5, reload: false }\ntmpSize: '1Gi # x'";
    const output = passes(helm, ["template", "shop", CHART, "-f", "-"], file);
    assert.match(output, /name: TYPHON_MAX_REQUESTS\n\s+value: "1000000"\n/);
    assert.match(output, /name: TYPHON_TIMEOUT\n\s+value: "0.5"\n/);
    assert.match(output, /name: TYPHON_RELOAD\n\s+value: "false"\n/);
    assert.match(output, /sizeLimit: "1Gi # x"\n/);
  });

  test("misspelled values, and options that have a value of their own, are refused", () => {
    for (const value of ["drainDelays=1", "options.drain-delay=1", "options.Workers=4", "port=80"])
      assert.notEqual(template(value).status, 0, value);
  });
});

test("honcho runs the Procfile at its PORT, and a stop ends all", async (t) => {
  const folder = makeScratch(t);
  copyFileSync(join(CHECKOUT, "deploy/Procfile"), join(folder, "Procfile"));
  copyFileSync(join(CHECKOUT, "test/apps/raw.py"), join(folder, "app.py"));
  mkdirSync(join(folder, "bin"));
  // As pip's command would be on PATH.
  writeFileSync(join(folder, "bin/typhon"), `#!/bin/sh\nexec ${COMMAND} "$@"\n`, { mode: 0o755 });
  const honcho = new Typhon(["start", "-f", "Procfile"], {
    cwd: folder,
    command: join(TOOLS, "venv/bin/honcho"),
    env: {
      PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
      WEB_CONCURRENCY: "02",
      TYPHON_PYTHON: requirePython(),
      PORT: "0",
    },
  });
  t.after(() => honcho.kill());
  await honcho.waitForStart();
  assert.equal((await getOnce(honcho, "/fields")).status, 299);
  await honcho.output.waitFor(/workers=2 /);
  honcho.signal("SIGTERM");
  await within(30_000, honcho.exited, "honcho ends");
  await honcho.leavesNothing();
  assert.match(honcho.output.all, /SIGTERM: finishing what runs/);
});
