// What becomes of visits: rows of the result, and how nomul does beside wllama.

import { median, rounded, spread } from "../../shared/statistics.mjs";

/** A rate as people read it; 0 is none. */
export const network = (rate) => (rate === 0 ? "unthrottled" : `${rate} Mbit/s`);

const MOMENTS = ["page", "usable", "first_token", "all"];

/** All visits of one engine by one network with one state of the cache, as a row. */
export function row({ engine, version, weights, weights_bytes }, rate, cache, visits) {
  const [first] = visits;
  const times = MOMENTS.filter((moment) => first[moment] !== undefined).map((moment) =>
    spread(
      `${moment}_s`,
      visits.map((visit) => visit[moment] / 1000),
    ),
  );
  const tasks = visits.map(({ longest_task }) => longest_task).filter((task) => task !== undefined);
  return {
    engine,
    version,
    weights,
    weights_bytes,
    network: network(rate),
    cache,
    ...Object.assign({}, ...times),
    transferred_bytes: Math.round(median(visits.map(({ transferred }) => transferred))),
    ...(engine === "page"
      ? { longest_task_ms: tasks.length > 0 ? rounded(Math.max(...tasks)) : null }
      : { prompt_tokens: first.prompt_tokens, answer: first.answer }),
  };
}

/**
 * Medians of nomul over those of wllama by each network, as `first_token_20mbit` and so on, with the cache in one state.
 * Those at 20 Mbit/s are null where they were not measured.
 */
export function ratios(rows, cache) {
  const found = { first_token_20mbit: null, all_planes_20mbit: null };
  const of = (engine, network) =>
    rows.find((row) => row.engine === engine && row.network === network && row.cache === cache);
  for (const network of new Set(rows.map((row) => row.network))) {
    const [ours, theirs] = [of("nomul", network), of("wllama", network)];
    const name = network.replace(" Mbit/s", "mbit");
    found[`first_token_${name}`] = rounded(ours.first_token_s / theirs.first_token_s);
    found[`all_planes_${name}`] = rounded(ours.all_s / theirs.all_s);
  }
  return found;
}
