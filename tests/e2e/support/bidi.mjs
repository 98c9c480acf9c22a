// WebDriver BiDi, as far as a smoke test needs it: JSON over a WebSocket that Firefox itself opens, so that no driver has to
// be installed beside the browser.

import WebSocket from "ws";

/** Opens a session at the browser's address. Answers with `go(url)`, `run(script)` and `close()`. */
export async function bidi(address) {
  const socket = new WebSocket(`${address}/session`);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const waiting = new Map();
  let next = 1;
  socket.on("message", (data) => {
    const { id, type, result, message } = JSON.parse(String(data));
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (type === "error") reject?.(new Error(message));
    else resolve?.(result);
  });
  socket.on("close", () => waiting.forEach(({ reject }) => reject(new Error("the browser is gone"))));
  const ask = (method, params = {}) =>
    new Promise((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });

  await ask("session.new", { capabilities: {} });
  const { contexts } = await ask("browsingContext.getTree");
  const { context } = contexts[0];
  return {
    go: (url) => ask("browsingContext.navigate", { context, url, wait: "complete" }),
    // What a script answers with comes as JSON: the protocol's own form of values is for others.
    async run(script) {
      const expression = `JSON.stringify((() => { ${script} })() ?? null)`;
      const answer = await ask("script.evaluate", { expression, target: { context }, awaitPromise: false });
      if (answer.type === "exception") throw new Error(answer.exceptionDetails.text);
      return JSON.parse(answer.result.value);
    },
    async close() {
      await ask("session.end").catch(() => undefined);
      socket.terminate();
    },
  };
}
