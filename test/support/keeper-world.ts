// An authority, a server that responds to its checks with what keepers have, and keepers whose clock the test moves.

import assert, { AssertionError } from "node:assert";
import { readdirSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import type { Server } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { createSecureContext, createServer as createTls, type SecureContext } from "node:tls";

import type { Issuer } from "../../src/acme/authority.ts";
import type { KeeperEvent } from "../../src/acme/keeper-event.ts";
import { CertificateKeeper, type CertificateFiles } from "../../src/acme/keeper.ts";
import { startAuthority, type AuthoritySettings, type TestAuthority } from "./acme-authority.ts";
import { PATIENCE_MS } from "./deadline.ts";
import { FakeTime } from "./fake-time.ts";
import { makeScratch, type Scope } from "./scratch.ts";

/** Waits of an order pass by themselves; a lock's beats, pauses and looks at the folder do not. */
const SHORT_MS = 10_000;

interface KeptFiles extends CertificateFiles {
  readonly names: readonly string[];
}

export interface TestKeeper {
  readonly keeper: CertificateKeeper;
  readonly time: FakeTime;
  readonly events: KeeperEvent[];
  /** What was handed over, oldest first. */
  readonly files: KeptFiles[];
  readonly folder: string;
}

export interface KeeperSettings {
  readonly names: readonly (readonly string[])[];
  readonly issuers: readonly Issuer[];
  readonly dnsHook: string | null;
  readonly ports: { readonly http: boolean; readonly https: boolean };
  readonly folder: string;
  readonly onCertificate: () => void;
}

export class KeeperWorld {
  readonly scope: Scope;
  readonly folder: string;
  /** Responds to checks: the keepers of the machines that the authority may reach. */
  readonly reachable: CertificateKeeper[] = [];
  /** Awaited before a check gets its response. */
  gate: Promise<void> = Promise.resolve();
  httpPort = 0;
  tlsPort = 0;

  constructor(scope: Scope) {
    this.scope = scope;
    this.folder = join(makeScratch(scope), "acme");
  }

  static async start(scope: Scope): Promise<KeeperWorld> {
    const world = new KeeperWorld(scope);
    const http = createHttp((request, response) => {
      const token = request.url?.replace("/.well-known/acme-challenge/", "") ?? "";
      void world.#respond(token).then((found) => {
        response.statusCode = found === null ? 404 : 200;
        return response.end(found ?? "");
      });
    });
    const tls = createTls({
      ALPNProtocols: ["acme-tls/1"],
      SNICallback: (name, callback) => void world.#choose(name, callback),
    });
    tls.on("secureConnection", (socket) => socket.on("error", () => {}).end());
    tls.on("tlsClientError", () => {});
    world.httpPort = await listen(http, scope);
    world.tlsPort = await listen(tls, scope);
    return world;
  }

  /** An authority whose clock is `time`. */
  async authority(
    time: FakeTime,
    settings: Partial<AuthoritySettings> = {},
  ): Promise<TestAuthority> {
    const { httpPort, tlsPort } = this;
    return await startAuthority(this.scope, {
      now: time.now,
      httpPort,
      tlsPort,
      retryAfter: "1",
      ...settings,
    });
  }

  /** A keeper that has loaded, and responds to checks. */
  async keeper(
    authority: TestAuthority,
    time: FakeTime,
    settings: Partial<KeeperSettings> = {},
  ): Promise<TestKeeper> {
    const { now, monotonic, delay } = time;
    const events: KeeperEvent[] = [];
    const files: KeptFiles[] = [];
    const {
      names = [["example.com"]],
      issuers = [issuerOf(authority)],
      dnsHook = null,
      ports = { http: true, https: false },
      folder = this.folder,
      onCertificate = () => {},
    } = settings;
    const keeper = new CertificateKeeper({
      groups: names,
      issuers,
      email: "",
      folder,
      dnsHook,
      environment: process.env,
      ports,
      userAgent: "test",
      onCertificate: (group, one) => {
        files.push({ names: group, ...one });
        onCertificate();
      },
      onEvent: (event) => void events.push(event),
      time: { now, monotonic, delay, random: () => 0.5 },
    });
    await keeper.load();
    this.reachable.push(keeper);
    this.scope.after(async () => await keeper.stop());
    return { keeper, time, events, files, folder };
  }

  async #respond(token: string): Promise<string | null> {
    await this.gate;
    return (await this.reachable.at(-1)?.challengeResponse(token)) ?? null;
  }

  async #choose(
    name: string,
    callback: (error: Error | null, context?: SecureContext) => void,
  ): Promise<void> {
    await this.gate;
    const found = (await this.reachable.at(-1)?.alpnCertificate(name)) ?? null;
    if (found === null) callback(null);
    else callback(null, createSecureContext({ cert: found.certPem, key: found.keyPem }));
  }
}

export function issuerOf(authority: TestAuthority): Issuer {
  return {
    directoryUrl: authority.directoryUrl,
    caRoot: authority.caRoot,
    eab: authority.settings.eab,
    profile: "",
  };
}

/** A clock that begins now, where the authority's own certificate is valid. */
export function makeTime(): FakeTime {
  return new FakeTime(Date.now(), SHORT_MS);
}

/** Lets time pass in steps until the next event of a kind, at most `ms` of the clock. */
export async function passUntil<K extends KeeperEvent["kind"]>(
  kept: TestKeeper,
  kind: K,
  { ms, stepMs = 60_000 }: { readonly ms: number; readonly stepMs?: number },
): Promise<Extract<KeeperEvent, { kind: K }>> {
  const { time, events } = kept;
  const before = events.length;
  const isIt = (event: KeeperEvent): event is Extract<KeeperEvent, { kind: K }> =>
    event.kind === kind;
  const end = time.now() + ms;
  for (;;) {
    await idle(kept);
    const found = events.slice(before).find(isIt);
    if (found !== undefined) return found;
    if (time.now() > end) throw new Error(`no event "${kind}" but ${JSON.stringify(events)}`);
    await time.advance(stepMs);
  }
}

/** Waits until every certificate of a keeper waits for its next minute. */
export async function idle({ time, keeper, folder }: TestKeeper): Promise<void> {
  const all = keeper.status().length;
  const last = performance.now() + PATIENCE_MS;
  // Turn by turn: thousands of minutes pass in a test.
  while (time.waiting < all || readdirSync(join(folder, "locks")).length > 0) {
    if (performance.now() > last) throw new AssertionError({ message: "the keeper never waits" });
    await setImmediate();
  }
}

async function listen(server: Server, scope: Scope): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  scope.after(() => void server.close());
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return address.port;
}
