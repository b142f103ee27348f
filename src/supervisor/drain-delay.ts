// The wait of --drain-delay: between the signal to stop and the stop the server serves on, while load balancers
// learn that it will be gone. Knows signals only as promises.

/**
 * Waits for `delayMs`, or until `second` resolves, which ends the wait. Resolves with the signal that ends
 * everything at once from then on: the next one.
 */
export async function waitOut(
  delayMs: number,
  second: Promise<unknown>,
): Promise<"second" | "third"> {
  const over = Promise.withResolvers<"second">();
  const timer = setTimeout(() => over.resolve("second"), delayMs);
  try {
    return await Promise.race([over.promise, second.then(() => "third" as const)]);
  } finally {
    clearTimeout(timer);
  }
}
