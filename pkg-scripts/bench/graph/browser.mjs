// The random graph in headless Chromium, on the one thread of a worker.

import { readFileSync, readdirSync } from "node:fs";
import { packageInChromium } from "../../shared/engines.mjs";
import { peakMemory } from "../../shared/memory.mjs";

/** Processes that this one has started, directly or not, whose command line has the word. */
function children(word) {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      parents.set(
        Number(pid),
        Number(
          readFileSync(`/proc/${pid}/stat`, "utf8")
            .replace(/^.*\) \S+ /s, "")
            .split(" ")[0],
        ),
      );
    } catch {
      // It has just ended.
    }
  }
  const isOurs = (pid) => pid === process.pid || (pid > 1 && parents.has(pid) && isOurs(parents.get(pid)));
  return [...parents.keys()].filter((pid) => {
    try {
      return isOurs(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
    } catch {
      return false;
    }
  });
}

/**
 * Seconds from arrays that the page already has to all vectors, which are taken some at a time, and the peak of memory of the page's process (Linux). `files`
 * says for each array the file that it is in.
 */
export async function inChromium(folder, files, options) {
  const { page, close } = await packageInChromium(folder);
  try {
    const seconds = await page.evaluate(
      async ([files, options]) => {
        const { embedGraph } = await import("/build/vectors/graph.js");
        // The engine is compiled and cached.
        await (await embedGraph("1 2\n", options)).dispose();
        const graph = {};
        for (const [array, file] of Object.entries(files)) {
          graph[array] = new Uint32Array(await (await fetch(`/model/${file}.u32`)).arrayBuffer());
        }
        const began = performance.now();
        const embedding = await embedGraph(graph, options);
        // A million vectors at once would be the largest part of the memory.
        const [{ nodes }, part] = [embedding.info, 1 << 16];
        let [taken, sum] = [0, 0];
        for (let first = 0; first < nodes; first += part) {
          const { rows } = await embedding.integers({ first, count: Math.min(part, nodes - first) });
          taken += rows.length;
          sum += Math.abs(rows[0]) + Math.abs(rows.at(-1));
        }
        const seconds = (performance.now() - began) / 1000;
        if (taken !== nodes * embedding.info.dimensions || sum === 0) throw new Error("no vectors");
        return seconds;
      },
      [files, options],
    );
    const peaks = children("--type=renderer")
      .map(peakMemory)
      .filter((peak) => peak !== undefined);
    return { seconds, peak: peaks.length > 0 ? Math.max(...peaks) : undefined };
  } finally {
    await close();
  }
}
