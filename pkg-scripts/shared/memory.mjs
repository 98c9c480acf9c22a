// How much memory another process took.

import { readFileSync } from "node:fs";

/** The most bytes that a running process held in memory so far; undefined where the system does not tell (not Linux). */
export function peakMemory(pid) {
  try {
    const [, kilobytes] = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmHWM:\s+(\d+) kB$/m);
    return Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
