// The keeper of certificates against Pebble (tools/setup-pebble.sh) with its random delays and refused nonces: two
// servers that share a folder get one certificate by each type of challenge that needs a port, and renew it when
// two thirds of its lifetime are over by their clock.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { CertificateKeeper, type CertificateFiles } from "../../../src/acme/keeper.ts";
import type { KeeperEvent } from "../../../src/acme/keeper-event.ts";
import { KeeperWorld } from "../../support/keeper-world.ts";
import { startPebble } from "../../support/pebble.ts";

const DAY_MS = 86_400_000;
const NAMES = [["example.com", "www.example.com"], ["127.0.0.1"]];

test("two servers with one folder order once, and once more when it is time", async (t) => {
  const world = await KeeperWorld.start(t);
  const { httpPort, tlsPort, folder } = world;
  const environment = { PEBBLE_VA_SLEEPTIME: "3", PEBBLE_WFE_NONCEREJECT: "30" };
  const pebble = await startPebble(t, { httpPort, tlsPort, environment, macKeys: {} });
  const { directoryUrl, caRoot } = pebble;
  let shift = 0;
  const make = async (ports: { readonly http: boolean; readonly https: boolean }) => {
    const events: KeeperEvent[] = [];
    const files = new Map<string, CertificateFiles>();
    const keeper = new CertificateKeeper({
      groups: NAMES,
      issuers: [{ directoryUrl, caRoot, eab: null, profile: "shortlived" }],
      email: "admin@example.com",
      folder,
      dnsHook: null,
      environment: {},
      ports,
      userAgent: "typhon-test",
      onCertificate: ([name = ""], one) => void files.set(name, one),
      onEvent: (event) => void events.push(event),
      time: {
        now: () => Date.now() + shift,
        monotonic: () => performance.now(),
        delay: async (ms, signal) => {
          await sleep(ms, undefined, { signal });
        },
        random: Math.random,
      },
    });
    await keeper.load();
    world.reachable.push(keeper);
    t.after(async () => await keeper.stop());
    return { keeper, events, files };
  };

  const one = await make({ http: true, https: false });
  const two = await make({ http: false, https: true });
  await Promise.all([one.keeper.start(), two.keeper.start()]);
  const all = [...one.events, ...two.events];
  const count = (kind: string): number => all.filter((event) => event.kind === kind).length;
  assert.deepEqual([count("ordered"), count("adopted"), count("failed")], [2, 2, 0]);
  assert.deepEqual(one.files, two.files);
  const first = new X509Certificate(one.files.get("example.com")?.chainPem ?? "");
  assert.equal(first.checkHost("www.example.com"), "www.example.com");
  await Promise.all([one.keeper.stop(), two.keeper.stop()]);

  shift = 5 * DAY_MS;
  const later = await make({ http: true, https: true });
  assert.equal(
    new X509Certificate(later.files.get("example.com")?.chainPem ?? "").raw.equals(first.raw),
    true,
  );
  await later.keeper.start();
  const kinds = later.events.map(({ kind }) => kind).filter((kind) => kind !== "moved");
  assert.deepEqual(
    kinds.sort(),
    ["loaded", "loaded", "renewed", "renewed"],
    JSON.stringify(later.events),
  );
});
