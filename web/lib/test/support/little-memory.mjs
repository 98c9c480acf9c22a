// The worker of a machine that refuses shared memories of more than NOMUL_TEST_PAGES pages.

const most = Number(process.env.NOMUL_TEST_PAGES);
const { Memory } = WebAssembly;

WebAssembly.Memory = function (descriptor) {
  if (descriptor.shared && descriptor.maximum > most) throw new RangeError("could not allocate memory");
  return new Memory(descriptor);
};
WebAssembly.Memory.prototype = Memory.prototype;

await import("../../build/worker.node.js");
