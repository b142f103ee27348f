// Usable cores under control groups of both versions, as Docker, Kubernetes and systemd arrange them.
// The trees are maps from paths to texts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { usableCores } from "../../src/config/cores.ts";

const V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate";

function coresOf(files: Readonly<Record<string, string>>, online = 64): number {
  return usableCores((path) => files[path] ?? null, online);
}

describe("usableCores", () => {
  test("without control groups it is the cores of the machine, or fewer by the affinity", () => {
    // Read from the kernel: Node's own number has the quota in it, rounded down.
    const status = (list: string): Record<string, string> => ({
      "/proc/self/status": `Name:\tnode\nCpus_allowed_list:\t${list}\nMems_allowed_list:\t0\n`,
    });
    assert.equal(coresOf({}, 6), 6);
    assert.equal(coresOf(status("3"), 6), 1);
    assert.equal(coresOf(status("0-2,5,8-11"), 64), 8);
    assert.equal(coresOf(status("0-127"), 6), 6);
  });

  test("version 2 with a namespace of its own (Docker)", () => {
    const files = {
      "/proc/self/cgroup": "0::/\n",
      "/proc/self/mountinfo": `${V2_MOUNT}\n`,
      "/sys/fs/cgroup/cpu.max": "200000 100000\n",
    };
    assert.equal(coresOf(files), 2);
    assert.equal(coresOf({ ...files, "/sys/fs/cgroup/cpu.max": "150000 100000\n" }), 2);
    assert.equal(coresOf({ ...files, "/sys/fs/cgroup/cpu.max": "20000 100000\n" }), 1);
    assert.equal(coresOf({ ...files, "/sys/fs/cgroup/cpu.max": "max 100000\n" }), 64);
    assert.equal(coresOf(files, 1), 1);
  });

  test("version 2: a group above may have the narrower limit (systemd slice)", () => {
    assert.equal(
      coresOf({
        "/proc/self/cgroup": "0::/web.slice/typhon.service\n",
        "/proc/self/mountinfo": `${V2_MOUNT}\n`,
        "/sys/fs/cgroup/web.slice/typhon.service/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/web.slice/cpu.max": "300000 100000\n",
      }),
      3,
    );
  });

  test("version 1 seen from the host", () => {
    assert.equal(
      coresOf({
        "/proc/self/cgroup": "5:memory:/a\n3:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/\n",
        "/proc/self/mountinfo":
          "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
          "33 23 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "400000\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
      }),
      4,
    );
  });

  test("version 1 in a container that sees the host's names (Docker without a namespace)", () => {
    assert.equal(
      coresOf({
        "/proc/self/cgroup": "3:cpu,cpuacct:/docker/0123\n",
        "/proc/self/mountinfo":
          "33 23 0:29 /docker/0123 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      }),
      3,
    );
  });

  test("a mount point with a space in its name", () => {
    assert.equal(
      coresOf({
        "/proc/self/cgroup": "0::/\n",
        "/proc/self/mountinfo": "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
        "/my groups/cpu.max": "200000 100000\n",
      }),
      2,
    );
  });

  test("nonsense is no limit", () => {
    assert.equal(
      coresOf({
        "/proc/self/cgroup": "0::/\ngarbage\n",
        "/proc/self/mountinfo": `short\n${V2_MOUNT}\n`,
        "/sys/fs/cgroup/cpu.max": "0 0\n",
      }),
      64,
    );
  });

  test("on this machine it is a whole number between 1 and its cores", () => {
    const cores = usableCores();
    assert.ok(Number.isInteger(cores) && cores >= 1);
    assert.ok(usableCores(() => null, 3) === 3);
  });
});
