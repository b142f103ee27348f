// docker/ and deploy/: what they set is what Typhon understands, the times fit together, and the guides show these
// files and no others. Tools for Docker, Helm, Kubernetes and systemd judge them in npm run test:all (deploy).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { OPTION_LIST, variableOf } from "../../src/config/schema.ts";
import { execForm, onlyText, readDockerfile, variablesOf } from "../support/dockerfile.ts";
import { CHECKOUT, makeScratch, requirePython } from "../support/scratch.ts";

const KNOWN = new Set(OPTION_LIST.map(({ name }) => variableOf(name)));
/** The stop may take so much longer than its two times (src/supervisor/supervisor.ts), in seconds. */
const LAST_RESORT = 3;

function read(path: string): string {
  return readFileSync(join(CHECKOUT, path), "utf8");
}

function readYaml(path: string): unknown {
  const program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
  const text = execFileSync(requirePython(), ["-c", program], { input: read(path) });
  const value: unknown = JSON.parse(text.toString());
  return value;
}

/** What stands at a place of a document, such as "spec.template.0.name". */
function at(value: unknown, path: string): unknown {
  const found = path.split(".").reduce<unknown>((inner, key) => {
    assert(typeof inner === "object" && inner !== null, `nothing at ${path}`);
    const [, next] = Object.entries(inner).find(([name]) => name === key) ?? [];
    const member: unknown = next;
    return member;
  }, value);
  assert(found !== undefined, `nothing at ${path}`);
  return found;
}

function textAt(value: unknown, path: string): string {
  const text = at(value, path);
  assert(typeof text === "string", `no text at ${path}`);
  return text;
}

/** The configuration that variables make; each TYPHON_… is one of an option. */
function configurationOf(
  context: Parameters<typeof makeScratch>[0],
  variables: Readonly<Record<string, string>>,
): ReturnType<typeof load> {
  for (const name of Object.keys(variables))
    assert(KNOWN.has(name) || !name.startsWith("TYPHON_"), `${name} is no option's`);
  const { PATH = "" } = process.env;
  return load(["app:app"], { PATH, ...variables }, makeScratch(context));
}

const DOCKERFILE = readDockerfile();

test("the image runs as a user by number, by the form of CMD with brackets, at $PORT", (t) => {
  assert.match(onlyText(DOCKERFILE, "USER"), /^[1-9]\d{3,}:[1-9]\d{3,}$/);
  assert.deepEqual(execForm(onlyText(DOCKERFILE, "CMD")), ["typhon", "app:app"]);
  const variables = variablesOf(DOCKERFILE);
  const { listeners, process: settings, logs } = configurationOf(t, variables);
  const port = Number(onlyText(DOCKERFILE, "EXPOSE"));
  assert.deepEqual(listeners.bind, [{ kind: "tcp", scheme: "http", host: "0.0.0.0", port }]);
  assert.deepEqual([settings.health, logs.accessLog], [true, "-"]);
});

test("the health check needs nothing but Python, and waits as long as a start may take", (t) => {
  const [options = "", command = ""] = onlyText(DOCKERFILE, "HEALTHCHECK").split(/ CMD /);
  assert.equal(execForm(command)[0], "python");
  const [, seconds] = /--start-period=(\d+)s/.exec(options) ?? [];
  const [application] = configurationOf(t, {}).applications;
  assert.equal(Number(seconds) * 1000, application?.startTimeoutMs);
});

test("compose gives a stop the time that it needs, and room for large bodies", (t) => {
  const web = at(readYaml("docker/compose.yaml"), "services.web");
  const environment = Object.keys(Object(at(web, "environment")));
  const variables = environment.map((name) => [name, textAt(web, `environment.${name}`)] as const);
  const { process: settings } = configurationOf(t, Object.fromEntries(variables));
  const period = Number(textAt(web, "stop_grace_period").replace(/s$/, ""));
  assert(settings.gracefulTimeoutMs / 1000 + LAST_RESORT <= period);
  const [, size] = /^\/tmp:size=(\d+)m$/.exec(textAt(web, "tmpfs.0")) ?? [];
  assert(settings.maxTempSize < Number(size) * 1024 ** 2);
});

test("the pod is killed later than its stop may last, and /tmp is larger than its files", (t) => {
  const pod = at(readYaml("deploy/kubernetes/deployment.yaml"), "spec.template.spec");
  const container = at(pod, "containers.0");
  const environment = Object.keys(Object(at(container, "env")));
  const variables = Object.fromEntries(
    environment.map((index) => [
      textAt(container, `env.${index}.name`),
      textAt(container, `env.${index}.value`),
    ]),
  );
  const { listeners, applications, process: settings } = configurationOf(t, variables);
  const { drainDelayMs, gracefulTimeoutMs, health, maxTempSize } = settings;
  const grace = Number(at(pod, "terminationGracePeriodSeconds"));
  assert.equal(grace, 30);
  assert(drainDelayMs > 0 && (drainDelayMs + gracefulTimeoutMs) / 1000 + LAST_RESORT <= grace);
  assert(health);
  const port = Number(at(container, "ports.0.containerPort"));
  assert.deepEqual(listeners.bind, [{ kind: "tcp", scheme: "http", host: "0.0.0.0", port }]);
  const startup = at(container, "startupProbe");
  const patience = Number(at(startup, "periodSeconds")) * Number(at(startup, "failureThreshold"));
  assert.equal(patience * 1000, applications[0]?.startTimeoutMs);
  assert.equal(at(container, "readinessProbe.httpGet.path"), "/readyz");
  assert.equal(at(container, "livenessProbe.httpGet.path"), "/livez");
  // 1Gi.
  assert.equal(at(pod, "volumes.0.emptyDir.sizeLimit"), "1Gi");
  assert(maxTempSize < 1024 ** 3);
  assert.equal(at(pod, "enableServiceLinks"), false);
  assert.equal(
    at(pod, "securityContext.runAsUser"),
    Number(onlyText(DOCKERFILE, "USER").split(":")[0]),
  );
});

test("the guides show the files as they are", () => {
  const shown = {
    docker: ["docker/Dockerfile", "docker/.dockerignore", "docker/compose.yaml"],
    kubernetes: ["deploy/kubernetes/deployment.yaml"],
    systemd: ["deploy/systemd/myapp.service", "deploy/systemd/myapp.socket"],
    platforms: ["deploy/Procfile"],
  };
  for (const [guide, paths] of Object.entries(shown)) {
    const page = read(`docs/guide/${guide}.md`);
    for (const path of paths)
      assert(page.includes(`\n${read(path)}\`\`\`\n`), `${guide}.md does not show ${path}`);
  }
});

test("the guide of Kubernetes names each value of the chart, and the files of the folder", () => {
  const page = read("docs/guide/kubernetes.md");
  const values = Object.keys(Object(readYaml("deploy/helm/typhon/values.yaml")));
  const files = readdirSync(join(CHECKOUT, "deploy/kubernetes"));
  assert.deepEqual(
    [...values, ...files].filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});
