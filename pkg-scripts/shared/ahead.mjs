// What later suites need, built while earlier ones run: linking one module and waiting for a browser both leave cores idle.

import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { root } from "./folders.mjs";

/**
 * Runs scripts of this folder's parent one after the other, at the lowest priority. `scripts` are lists of words; the answer
 * has a promise for each, in order, which comes when it has ended, however: what has failed is built again, and its errors
 * told, by the suite that needs it.
 */
export function buildAhead(scripts) {
  let last = Promise.resolve();
  return scripts.map((words) => (last = last.then(() => inTheBackground(words))));
}

const inTheBackground = ([script, ...words]) =>
  new Promise((done) => {
    const child = spawn(process.execPath, [`pkg-scripts/${script}`, ...words], { cwd: root, stdio: "ignore" });
    const stop = () => child.kill();
    process.once("exit", stop);
    child.on("spawn", () => setPriority(child.pid, constants.priority.PRIORITY_LOW));
    child.on("error", done);
    child.on("close", () => {
      process.off("exit", stop);
      done();
    });
  });
