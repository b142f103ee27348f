// Abuse of HTTP/2 against the real command (test/support/h2-attacks.ts): the connection is ended with the right
// code, another client is served all the time, and the front's memory stays small.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type ClientHttp2Session } from "node:http2";
import { before, describe, it } from "node:test";

import { makeCertificate } from "../../support/openssl-certificate.ts";
import { PATIENCE_MS, until, within } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { INSPECTABLE, readLiveHeap } from "../../support/front-heap.ts";
import { attack, ATTACKS } from "../../support/h2-attacks.ts";
import type { FrameTarget } from "../../support/h2-frames.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";

/** While the connection is open: 100 streams may each have 256 KiB of a response waiting, and some more. */
const MAX_HELD_BYTES = 48 << 20;
/** When it is closed: buffers that are kept for reuse. */
const MAX_LEFT_BYTES = 8 << 20;
/** So far the front's memory may rise while all attacks go on, garbage included. */
const MAX_PEAK_BYTES = 192 << 20;

/** The most memory that a process has had, bytes. */
function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
}

/** One request on a connection that is kept; the time it takes is not judged. */
async function ask(session: ClientHttp2Session): Promise<string> {
  const stream = session.request({ ":path": "/" });
  stream.setEncoding("utf8");
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let content = "";
  stream.on("data", (more: string) => void (content += more));
  stream.on("end", () => resolve(content)).on("error", reject);
  return await within(PATIENCE_MS, promise, "another client is served");
}

for (const scheme of ["https", "http"] as const)
  describe(`over ${scheme}`, () => {
    let typhon: Typhon;
    let target: FrameTarget;
    let other: ClientHttp2Session;
    let heapAtRest: number;
    const heap = (): Promise<number> => readLiveHeap({ log: typhon.output.all });

    const freed = async (): Promise<void> => {
      let left = 0;
      const isFree = async (): Promise<boolean> => {
        left = (await heap()) - heapAtRest;
        return left <= MAX_LEFT_BYTES;
      };
      await until("the memory is free again", isFree).catch((error: unknown) => {
        throw new Error(`${(left / 2 ** 20).toFixed(1)} MiB were left`, { cause: error });
      });
    };

    before(async () => {
      const { certfile, keyfile, authority } = makeCertificate(FILE);
      const secure = ["--certfile", certfile, "--keyfile", keyfile];
      const words = ["http2_pages:asgi", "--app-dir", import.meta.dirname, "--workers", "1"];
      const options = [...words, ...(scheme === "https" ? secure : ["--h2c"])];
      typhon = await startTyphon(FILE, options, { env: INSPECTABLE });
      const ca = readFileSync(authority);
      target = { port: typhon.port, authority: scheme === "https" ? ca : null };
      other = connect(`${scheme}://localhost:${typhon.port}`, { ca });
      FILE.after(() => other.destroy());
      other.on("error", () => undefined); // Its requests fail the tests.
      assert.equal(await ask(other), "Hello, World!");
      heapAtRest = await heap();
    });

    for (const one of ATTACKS)
      it(one.name, async () => {
        const going = attack(target, one);
        assert.equal(await ask(other), "Hello, World!");
        const client = await going;
        assert.equal(await ask(other), "Hello, World!");
        const kept = (await heap()) - heapAtRest;
        client.destroy();
        assert(kept <= MAX_HELD_BYTES, `${(kept / 2 ** 20).toFixed(1)} MiB were kept`);
        await freed();
      });

    it("leave nothing behind, and never took much memory", async () => {
      assert.equal(await ask(other), "Hello, World!");
      await freed();
      const peak = peakBytes(typhon.pid);
      assert(peak <= heapAtRest + MAX_PEAK_BYTES, `${(peak / 2 ** 20).toFixed(0)} MiB at the most`);
    });
  });
