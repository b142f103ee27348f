// Whether the version of Node that runs has known holes in TLS (docs/security.md). Pure. The Python package
// chooses its Node by the same versions (tools/render-node-floors.ts).

/** The oldest release line that runs Typhon. */
export const LEAST_MAJOR = 24;
/** The first version of each release line without the holes of November 2026 in TLS and HTTP/2. */
export const FLOORS = [
  [24, 22, 3],
  [26, 13, 1],
] as const;

/** A line for the operator if `version` ("v24.22.3") has known holes in TLS; else null. */
export function oldNodeWarning(version: string): string | null {
  const [major = 0, minor = 0, patch = 0] = version
    .replace(/^v/, "")
    .split(/[.-]/)
    .map((part) => Number.parseInt(part, 10));
  const newest = FLOORS[FLOORS.length - 1] ?? FLOORS[0];
  const floor = FLOORS.find(([line]) => line === major);
  const isOld =
    floor === undefined
      ? major < newest[0]
      : minor < floor[1] || (minor === floor[1] && patch < floor[2]);
  if (!isOld) return null;
  const wanted = FLOORS.map((one) => one.join(".")).join(" or ");
  return `Node ${version} has known holes in TLS: update Node to ${wanted} or later`;
}
