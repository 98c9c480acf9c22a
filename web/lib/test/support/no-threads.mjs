// The worker of a machine that starts no more threads.

import { syncBuiltinESMExports } from "node:module";
import threads from "node:worker_threads";

threads.Worker = class {
  constructor() {
    throw new Error("there are too many threads");
  }
};
syncBuiltinESMExports();

await import("../../build/worker.node.js");
