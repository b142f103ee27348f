// The default address, and the second one without the right to the first.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";

import { listenDefault, listenForDomains, listenHttps } from "../../src/front/listen-all.ts";
import { listen, ListenError } from "../../src/front/listener.ts";
import { until } from "../support/deadline.ts";
import type { ListenAddress } from "../../src/net/address.ts";

const ANY: ListenAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };

test("takes the first address if possible, without a notice", async () => {
  const { listeners, notice } = await listenDefault(() => undefined, ANY, ANY);
  assert.equal(listeners.length, 1);
  assert.equal(notice, null);
  for (const listener of listeners) listener.close();
});

test("a busy first address is an error, not a reason to go elsewhere", async () => {
  const busy = await listen(ANY, () => undefined);
  await assert.rejects(
    listenDefault(() => undefined, busy.address, ANY),
    (error) => error instanceof ListenError && error.code === "EADDRINUSE",
  );
  busy.close();
});

function urlsOf({ listeners }: Awaited<ReturnType<typeof listenHttps>>): string[] {
  for (const listener of listeners) listener.close();
  return listeners.map(({ url }) => url.replace(/\[::\]|0\.0\.0\.0/, "all").replace(/\d+$/, ""));
}

const FREE = { https: 0, http: 0, local: 0 };

test("with certificates it listens at all addresses, for TLS and for the redirect", async () => {
  const both = await listenHttps(() => undefined, true, FREE);
  assert.equal(both.notice, null);
  assert.deepEqual(urlsOf(both), ["https://all:", "http://all:"]);
  assert.deepEqual(urlsOf(await listenHttps(() => undefined, false, FREE)), ["https://all:"]);
  assert.deepEqual(urlsOf(await listenForDomains(() => undefined, FREE)), [
    "https://all:",
    "http://all:",
  ]);
});

test("each connection has the scheme of its address", async () => {
  const schemes: string[] = [];
  const { listeners } = await listenHttps(
    (socket, scheme) => {
      schemes.push(scheme);
      socket.destroy();
    },
    true,
    FREE,
  );
  for (const { address } of listeners) {
    assert(address.kind === "tcp");
    // By IPv4 as well, where the listener is IPv6.
    await once(connect(address.port, "127.0.0.1").resume(), "close");
  }
  assert.deepEqual(schemes, ["https", "http"]);
  for (const listener of listeners) listener.close();
});

test("a busy port of the redirect is a notice; for a domain it is an error, and nothing stays open", async () => {
  const busy = await listen({ kind: "tcp", host: "::", port: 0 }, () => undefined);
  assert(busy.address.kind === "tcp");
  const ports = { ...FREE, http: busy.address.port };
  const found = await listenHttps(() => undefined, true, ports);
  assert.match(found.notice ?? "", /^no redirect from http: .* is in use/);
  assert.deepEqual(urlsOf(found), ["https://all:"]);
  const isBusy = (error: unknown): boolean =>
    error instanceof ListenError && error.code === "EADDRINUSE";
  const servers = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length;
  await until("only the busy port is listened at", () => servers() === 1);
  await assert.rejects(
    listenForDomains(() => undefined, ports),
    isBusy,
  );
  await until("the first listener is closed", () => servers() === 1);
  await assert.rejects(
    listenHttps(() => undefined, true, { ...FREE, https: ports.http }),
    isBusy,
  );
  busy.close();
});

test("without the right to low ports TLS is for this machine only, and a domain is an error with the remedy", () => {
  const program = `
    import { listenForDomains, listenHttps } from ${JSON.stringify(new URL("../../src/front/listen-all.ts", import.meta.url).href)};
    if (process.getuid?.() === 0) { process.setgid(65534); process.setuid(65534); }
    const ports = { https: 443, http: 80, local: 0 };
    const told = async (start) => {
      try {
        const { listeners, notice } = await start();
        for (const listener of listeners) listener.close();
        return { urls: listeners.map(({ url }) => url), notice };
      } catch (error) {
        return { code: error.code, text: error.message };
      }
    };
    const tls = await told(() => listenHttps(() => undefined, true, ports));
    const domain = await told(() => listenForDomains(() => undefined, ports));
    console.log(JSON.stringify({ tls, domain }));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  const result: Record<"tls" | "domain", Record<"code" | "notice" | "text", string | undefined>> & {
    tls: { urls?: string[] };
  } = JSON.parse(output);
  const { tls, domain } = result;
  // Where every user may bind port 443 it is bound, or busy.
  if (domain.code !== "EACCES") return;
  assert.match(tls.urls?.[0] ?? "", /^https:\/\/127\.0\.0\.1:\d+$/);
  assert.match(tls.notice ?? "", /^listening on this machine only: port 443 needs root.*--bind/);
  assert.match(
    domain.text ?? "",
    /^--domain: an authority has to reach ports 443 and 80.*setcap.*--bind/,
  );
});

test("without the right to the first address it takes the second, and the notice says how to get the first", () => {
  // A process of its own, since root may bind everything: it gives its rights away.
  const program = `
    import { listenDefault } from ${JSON.stringify(new URL("../../src/front/listen-all.ts", import.meta.url).href)};
    import { ListenError } from ${JSON.stringify(new URL("../../src/front/listener.ts", import.meta.url).href)};
    const second = { kind: "tcp", host: "127.0.0.1", port: 0 };
    if (process.getuid?.() === 0) { process.setgid(65534); process.setuid(65534); }
    try {
      const { listeners, notice } = await listenDefault(() => undefined, { kind: "tcp", host: "127.0.0.1", port: 80 }, second);
      console.log(JSON.stringify({ url: listeners[0].url, notice }));
      listeners[0].close();
    } catch (error) {
      console.log(JSON.stringify({ code: error instanceof ListenError ? error.code : String(error) }));
    }`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  const result: { url?: string; notice?: string | null; code?: string } = JSON.parse(output);
  // Where every user may bind port 80 (net.ipv4.ip_unprivileged_port_start), it is taken or busy.
  if (result.code === undefined && result.notice === null) assert.match(result.url ?? "", /:80$/);
  else if (result.code !== undefined) assert.equal(result.code, "EADDRINUSE");
  else assert.match(result.notice ?? "", /CAP_NET_BIND_SERVICE.*--bind/);
});
