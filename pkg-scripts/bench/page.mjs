// The page as a visitor meets it: when it is there, how much script it takes until then, and how long it is ever busy at a
// stretch while the model loads and answers.

import { gzipSync } from "node:zlib";
import { build } from "../build.mjs";
import { modelFolder } from "../model.mjs";
import { serve } from "../serve.mjs";
import { fromUser, say } from "../shared/command.mjs";
import { chosenRounds } from "../shared/engines.mjs";
import { dist } from "../shared/folders.mjs";
import { spread } from "../shared/statistics.mjs";
import { CATEGORIES, longestTask } from "./page/tasks.mjs";
import { measureTreemap } from "./page/treemap.mjs";
import { withProfile } from "./start/measure.mjs";
import { visitPage } from "./start/visit.mjs";

const QUESTION = "What is gravity?";
const PATIENCE_MS = 180_000;
/** A tree of so many leaves in groups of ten, weights from 1 down to 1e-6. */
const LEAVES = 10_000;

/** Stretches of a visit, from the moment to the moment that the page marks. */
const SPANS = {
  loading: ["begin", "usable"],
  filling: ["usable", "all"],
  answering: ["asked", "stopped"],
  treemap: ["map", "drawn"],
};

async function run({ model, rounds }) {
  const times = chosenRounds(rounds);
  await build();
  const folder = model ? fromUser(model) : await modelFolder();
  const { url, close } = await serve({ root: dist, models: { model: folder } });
  const visits = { cold: [], warm: [] };
  try {
    for (let round = 0; round < times; round++) {
      say(`- visit ${round + 1} of ${times}`);
      await withProfile(async (profile) => {
        for (const each of Object.values(visits)) each.push(await visitPage(profile, url, PATIENCE_MS, QUESTION));
      });
    }
    // Tracing costs time itself, so it has a visit of its own.
    say("- a visit that is traced");
    const { trace, cells } = await withProfile((profile) =>
      visitPage(profile, url, PATIENCE_MS, QUESTION, { trace: CATEGORIES }),
    );
    const [{ browser, scripts }] = visits.cold;
    const rows = Object.entries(visits).map(([cache, all]) => row(cache, all));
    return {
      browser,
      page: {
        longest_task_ms: Object.fromEntries(
          Object.entries(SPANS).map(([name, [from, to]]) => [name, longestTask(trace, from, to)]),
        ),
        cells,
        first_paint_ms: rows[0].first_paint_ms,
        js_gzipped_before_a_panel: await gzippedBytes(scripts),
      },
      treemap: await measureTreemap(LEAVES, Math.max(times, 9)),
      visits: rows,
    };
  } finally {
    await close();
  }
}

function row(cache, visits) {
  const tasks = visits.flatMap(({ tasks }) => tasks);
  return {
    cache,
    ...spread(
      "first_paint_ms",
      visits.map(({ first_paint }) => first_paint),
    ),
    ...spread(
      "usable_ms",
      visits.map(({ usable }) => usable),
    ),
    longest_task_ms: tasks.length > 0 ? Math.max(...tasks) : null,
    tasks_over_50_ms: tasks.length / visits.length,
  };
}

/** What scripts are as gzip sends them. */
async function gzippedBytes(scripts) {
  const bodies = await Promise.all(scripts.map(async (url) => Buffer.from(await (await fetch(url)).arrayBuffer())));
  return bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
}

const help = `
usage: npm run bench -- page [--model FOLDER] [--rounds N] [--record] [--json]

Visits the built page in headless Chromium, served locally and unthrottled, asks "${QUESTION}" and waits until all of the
model is there: first with a new profile, then with the same profile in a browser started anew.

  --model FOLDER   a model folder (default: the default model)
  --rounds N       how often (default: 3)
  --record         also writes the result to tests/bench/records/
  --json           the last line is one object

  page.longest_task_ms        of the page's thread, of one more first visit that is traced: wall_ms on the clock, cpu_ms on the
                              processor. Loading is up to the first level, filling from then until all cells are full,
                              answering from the question until the answer is stopped, treemap drawing it
  first_paint_ms              from the navigation to the first contentful paint, median of first visits
  js_gzipped_before_a_panel   bytes of all scripts that the page had asked for at its first paint
  treemap                     milliseconds for the polygons of ${LEAVES} leaves whose weights span six orders of magnitude,
                              once the browser has compiled all of it, and first_ms of the first call; and the worst aspect
                              ratio (diameter squared over area, 2 for a square) of a leaf, beside that of d3-hierarchy's
                              squarified rectangles
  visits                      of each kind: longest_task_ms and tasks_over_50_ms are as the browser tells pages (null: none)
`;

export const benchmark = {
  help,
  browser: true,
  options: { model: { type: "string" }, rounds: { type: "string" } },
  run,
};
