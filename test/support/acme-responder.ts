// Responds to challenges in tests: a server for http-01, one for tls-alpn-01, and TXT records for dns-01.

import assert from "node:assert/strict";
import { createServer as createHttp } from "node:http";
import type { Server } from "node:net";
import { createSecureContext, createServer as createTls, type SecureContext } from "node:tls";

import type {
  ChallengeResponder,
  ChallengeType,
  PresentedChallenge,
} from "../../src/acme/authorization.ts";
import type { Identifier } from "../../src/acme/identifier.ts";
import { dnsRecordValue, makeChallengeCertificate } from "../../src/acme/proof.ts";
import type { Scope } from "./scratch.ts";

export class TestResponder implements ChallengeResponder {
  /** What is presented now. */
  readonly presented = new Set<PresentedChallenge>();
  /** "present http-01 example.com", in the order of the calls. */
  readonly calls: string[] = [];
  kinds: readonly ChallengeType[] = ["http-01", "tls-alpn-01", "dns-01"];
  /** Runs inside `present`. */
  onPresent: (challenge: PresentedChallenge) => Promise<void> | void = () => {};
  /** Runs inside `remove`. */
  onRemove: (challenge: PresentedChallenge) => Promise<void> | void = () => {};
  httpPort = 0;
  tlsPort = 0;
  readonly #contexts = new Map<string, SecureContext>();

  async start(scope: Scope, host = "127.0.0.1"): Promise<this> {
    const http = createHttp((request, response) => {
      const token = request.url?.replace("/.well-known/acme-challenge/", "");
      const found = [...this.presented].find(
        (one) => one.type === "http-01" && one.token === token,
      );
      response.statusCode = found === undefined ? 404 : 200;
      response.end(found?.keyAuthorization ?? "nothing");
    });
    const tls = createTls({
      ALPNProtocols: ["acme-tls/1"],
      SNICallback: (name, callback) => callback(null, this.#contexts.get(name)),
    });
    tls.on("secureConnection", (socket) => socket.on("error", () => {}).end());
    tls.on("tlsClientError", () => {});
    this.httpPort = await listen(http, scope, host);
    this.tlsPort = await listen(tls, scope, host);
    return this;
  }

  types(_identifier: Identifier, isWildcard: boolean): readonly ChallengeType[] {
    return isWildcard ? this.kinds.filter((kind) => kind === "dns-01") : this.kinds;
  }

  txtRecords(name: string): readonly string[] {
    return [...this.presented]
      .filter((one) => one.type === "dns-01" && `_acme-challenge.${one.identifier.value}` === name)
      .map((one) => dnsRecordValue(one.keyAuthorization));
  }

  async present(challenge: PresentedChallenge): Promise<void> {
    const { type, identifier, keyAuthorization } = challenge;
    this.calls.push(`present ${type} ${identifier.value}`);
    await this.onPresent(challenge);
    this.presented.add(challenge);
    if (type !== "tls-alpn-01") return;
    const made = makeChallengeCertificate(identifier, keyAuthorization, Date.now());
    const context = createSecureContext({ cert: made.certificate, key: made.key });
    this.#contexts.set(made.serverName, context);
  }

  async remove(challenge: PresentedChallenge): Promise<void> {
    const { type, identifier } = challenge;
    this.calls.push(`remove ${type} ${identifier.value}`);
    this.presented.delete(challenge);
    await this.onRemove(challenge);
  }
}

async function listen(server: Server, scope: Scope, host: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  scope.after(() => void server.close());
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return address.port;
}
