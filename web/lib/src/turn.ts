/** Lets the worker's event loop go round once. A timer would wait four milliseconds, this does not wait. */
export const turn: () => Promise<void> = typeof setImmediate === "function" ? immediateTurn : messageTurn();

function immediateTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function messageTurn(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  let next: (() => void) | undefined;
  port1.onmessage = () => next?.();
  return () =>
    new Promise((resolve) => {
      next = resolve;
      port2.postMessage(undefined);
    });
}
