/** Lets the worker's event loop go round once. A timer would wait four milliseconds, this does not wait. */
export const turn: () => Promise<void> = typeof setImmediate === "function" ? immediateTurn : messageTurn();

function immediateTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function messageTurn(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  // An answer may be written while weights are still being read: both take turns.
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(undefined);
    });
}
