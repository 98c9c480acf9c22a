// How long the page's main thread was busy at a stretch, from a trace of Chromium: on the clock, and on the processor, where
// what else the machine does is left out.

import { rounded } from "../../shared/statistics.mjs";

/** What is traced: tasks, names of threads, and the marks that the page sets. */
export const CATEGORIES = ["-*", "toplevel", "blink.user_timing", "__metadata"];

/**
 * The longest task of the thread that set the marks, between two of these: `{ wall_ms, cpu_ms, tasks }`. The longest on the
 * clock and the longest on the processor need not be the same. A mark that was not set is the beginning or the end.
 */
export function longestTask({ traceEvents }, from, to) {
  const marks = traceEvents.filter(
    ({ cat, name }) => cat?.includes("blink.user_timing") && (name === from || name === to),
  );
  const [first] = marks;
  if (first === undefined) throw new Error(`neither ${from} nor ${to} is in the trace`);
  const moment = (name) => marks.find((mark) => mark.name === name)?.ts;
  const [begin, end] = [moment(from) ?? -Infinity, moment(to) ?? Infinity];
  const tasks = traceEvents.filter(
    ({ ph, name, pid, tid, ts, dur = 0 }) =>
      ph === "X" && /RunTask$/.test(name) && pid === first.pid && tid === first.tid && ts + dur > begin && ts < end,
  );
  const most = (field) => rounded(tasks.reduce((most, task) => Math.max(most, task[field] ?? 0), 0) / 1000);
  return { wall_ms: most("dur"), cpu_ms: most("tdur"), tasks: tasks.length };
}
