// When a load that lasts is told of: after 1 s that it has begun, then every 5 s. What loads faster needs no line,
// and a mistake that ends a start soon stays the only one. Pure.

const BEGUN_MS = 1000;
const STEP_MS = 5000;

export class LoadWatch {
  #since = 0;
  #nextMs = BEGUN_MS;

  /** A load begins. */
  begin(now: number): void {
    this.#since = now;
    this.#nextMs = BEGUN_MS;
  }

  /** What is to be told now: that a load has begun, or that it still lasts. */
  due(now: number): "none" | "begun" | "lasts" {
    const lastedMs = this.lastedMs(now);
    if (lastedMs < this.#nextMs) return "none";
    const isFirst = this.#nextMs === BEGUN_MS;
    this.#nextMs = (Math.floor(lastedMs / STEP_MS) + 1) * STEP_MS;
    return isFirst ? "begun" : "lasts";
  }

  lastedMs(now: number): number {
    return now - this.#since;
  }
}
