// How nomul does beside the others, as numbers to multiply by.

import { rounded } from "../../shared/statistics.mjs";

const FIGURES = { decode: "decode_tokens_per_s", prefill: "prefill_tokens_per_s" };

const best = (rows, figure) => Math.max(...rows.map((row) => row[figure]));

/**
 * Speeds of `ours` over the best of `theirs`, both rows of the benchmark: on one thread (`decode_1t`, `prefill_1t`) and
 * on more (`decode_mt`, `prefill_mt`). null where the others were not measured.
 *
 * nomul runs on one thread whatever the machine has, so the best that it does stands against the others' best: its rows
 * on more threads where there are any, else those on one.
 */
export function ratios(ours, theirs) {
  const found = {};
  for (const [label, matches] of Object.entries({ "1t": (n) => n === 1, mt: (n) => n > 1 })) {
    const rivals = theirs.filter(({ threads }) => matches(threads));
    const alike = ours.filter(({ threads }) => matches(threads));
    const runners = alike.length > 0 || label === "1t" ? alike : ours;
    for (const [name, figure] of Object.entries(FIGURES)) {
      const measured = rivals.length > 0 && runners.length > 0;
      found[`${name}_${label}`] = measured ? rounded(best(runners, figure) / best(rivals, figure)) : null;
    }
  }
  return found;
}
