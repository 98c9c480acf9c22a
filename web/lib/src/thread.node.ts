/** A thread of an engine, in Node. */
import { parentPort } from "node:worker_threads";
import { join, type Joining } from "./threads.js";

parentPort?.once("message", (joining: Joining) => join(joining, (trouble) => parentPort?.postMessage(trouble)));
