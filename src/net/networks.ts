// Sets of addresses: single ones, CIDR ranges, Unix sockets, everybody. Pure.

import { BlockList, isIP } from "node:net";

export class Networks {
  readonly #list = new BlockList();
  readonly #hasAll: boolean;
  /** Whether peers on Unix sockets belong to the set: they have no address. */
  readonly #hasUnix: boolean;

  /** `entries`: addresses and CIDR ranges, "unix", "*" for everybody. Throws on an entry that is none of them. */
  constructor(entries: readonly string[]) {
    this.#hasAll = entries.includes("*");
    this.#hasUnix = this.#hasAll || entries.includes("unix");
    for (const entry of entries) if (entry !== "*" && entry !== "unix") this.#add(entry);
  }

  /** Whether a peer belongs to the set; "" is a peer on a Unix socket. */
  has(address: string): boolean {
    if (address === "") return this.#hasUnix;
    if (this.#hasAll) return true;
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? "ipv6" : "ipv4");
  }

  #add(entry: string): void {
    const [address = "", prefix] = entry.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) this.#list.addAddress(address, family);
    else this.#list.addSubnet(address, Number(prefix), family);
  }
}
