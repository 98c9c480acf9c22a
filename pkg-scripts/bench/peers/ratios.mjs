// How nomul does beside the others, as numbers to multiply by.

import { rounded } from "../../shared/statistics.mjs";

const FIGURES = { decode: "decode_tokens_per_s", prefill: "prefill_tokens_per_s" };

const best = (rows, figure) => Math.max(...rows.map((row) => row[figure]));

/**
 * Speeds of `ours` over the best of `theirs`, both rows of the benchmark: on one thread (`decode_1t`, `prefill_1t`) and
 * on more (`decode_mt`, `prefill_mt`). null where one of the two was not measured.
 */
export function ratios(ours, theirs) {
  const found = {};
  for (const [label, matches] of Object.entries({ "1t": (n) => n === 1, mt: (n) => n > 1 })) {
    const rivals = theirs.filter(({ threads }) => matches(threads));
    const runners = ours.filter(({ threads }) => matches(threads));
    for (const [name, figure] of Object.entries(FIGURES)) {
      const measured = rivals.length > 0 && runners.length > 0;
      found[`${name}_${label}`] = measured ? rounded(best(runners, figure) / best(rivals, figure)) : null;
    }
  }
  return found;
}

/** Speeds of rows of one engine on the most threads over those on one; null where there is one alone. */
export function byThreads(rows) {
  const most = Math.max(...rows.map(({ threads }) => threads));
  const [alone, together] = [1, most].map((count) => rows.find(({ threads }) => threads === count));
  const over = ([name, figure]) => [name, rounded(together[figure] / alone[figure])];
  return most > 1 && alone !== undefined ? Object.fromEntries(Object.entries(FIGURES).map(over)) : null;
}
