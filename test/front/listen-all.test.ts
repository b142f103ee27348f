// The default address, and the second one without the right to the first.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { listenDefault } from "../../src/front/listen-all.ts";
import { listen, ListenError } from "../../src/front/listener.ts";
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
