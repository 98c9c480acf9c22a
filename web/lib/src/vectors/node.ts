/** Features in Node: as in a page, with worker threads. */
import { Worker } from "node:worker_threads";
import { absolute, workerPort } from "../port.node.js";
import type { Platform } from "./platform.js";

export const node: Platform = {
  connect: (workerUrl) => workerPort(new Worker(new URL(workerUrl ?? "./worker.node.js", import.meta.url))),
  resolve: absolute,
};
