// How much WebAssembly memory an engine takes. Such memory never shrinks, so what is there at the end is the peak.
//
// The browser does not tell, so this module is evaluated before an engine's own code, in the page and in the workers
// that the page starts, and remembers every memory that is made. The workers' own workers share theirs.

const memories = new Set();

WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
  construct(Memory, [descriptor]) {
    const memory = new Memory(descriptor);
    memories.add(memory);
    return memory;
  },
});

for (const name of ["instantiate", "instantiateStreaming"]) {
  const instantiate = WebAssembly[name];
  WebAssembly[name] = async (...words) => {
    const made = await instantiate.apply(WebAssembly, words);
    for (const memory of Object.values((made.instance ?? made).exports)) {
      if (memory instanceof WebAssembly.Memory) memories.add(memory);
    }
    return made;
  };
}

const here = () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);

const channel = new BroadcastChannel("meter");
const workers = new Set();

if (globalThis.document) {
  globalThis.Worker = class extends Worker {
    constructor(url, options) {
      const modules = [import.meta.url, new URL(url, location.href).href];
      const script = modules.map((module) => `import ${JSON.stringify(module)};`).join("\n");
      const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      super(address, { ...options, type: "module" });
      workers.add(this);
    }
    terminate() {
      workers.delete(this);
      super.terminate();
    }
  };
} else {
  channel.onmessage = () => channel.postMessage(here());
}

/** Bytes, of the page and its workers together; undefined where a worker is too busy to tell. */
export async function wasmMemory() {
  const answers = [here()];
  const all = new Promise((done) => {
    channel.onmessage = ({ data }) => answers.push(data) > workers.size && done();
    channel.postMessage("ask");
    setTimeout(done, 3000);
  });
  if (workers.size > 0) await all;
  return answers.length > workers.size ? answers.reduce((sum, bytes) => sum + bytes) : undefined;
}
