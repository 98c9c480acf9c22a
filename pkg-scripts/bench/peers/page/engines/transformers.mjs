// transformers.js: ONNX Runtime, on the processor. It would work on the page's own thread; here it gets a worker, as the
// others have one.

export async function open(options) {
  const worker = new Worker("engines/transformers-worker.mjs", { type: "module" });
  let onToken;
  const ask = (question) =>
    new Promise((done, failed) => {
      worker.onerror = ({ message }) => failed(new Error(message));
      worker.onmessage = ({ data: { token, answer, error } }) => {
        if (token !== undefined) onToken(token);
        else if (error !== undefined) failed(new Error(error));
        else done(answer);
      };
      worker.postMessage(question);
    });
  const opened = await ask({ open: options });
  return {
    ...opened,
    complete(prompt, tokens, each) {
      onToken = each;
      return ask({ complete: { prompt, tokens } });
    },
  };
}
