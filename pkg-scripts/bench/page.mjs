// The page as a visitor meets it: when it is there, how much script it takes until then, and how long it is ever busy at a
// stretch while the model loads and answers.

import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "../build.mjs";
import { modelFolder } from "../model.mjs";
import { serve } from "../serve.mjs";
import { Failure, fromUser, say } from "../shared/command.mjs";
import { chosenRounds, packageInChromium } from "../shared/engines.mjs";
import { dist, root } from "../shared/folders.mjs";
import { median, rounded, spread } from "../shared/statistics.mjs";
import { withProfile } from "./start/measure.mjs";
import { visitPage } from "./start/visit.mjs";

const QUESTION = "What is gravity?";
const PATIENCE_MS = 180_000;
/** The goal's size: a tree of so many leaves in groups of ten, weights from 1 down to 1e-6. */
const LEAVES = 10_000;

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
    const [{ browser, scripts }] = visits.cold;
    const rows = Object.entries(visits).map(([cache, all]) => row(cache, all));
    return {
      browser,
      page: {
        longest_task_ms: rounded(Math.max(0, ...rows.map(({ longest_task_ms }) => longest_task_ms ?? 0))) || null,
        first_paint_ms: rows[0].first_paint_ms,
        js_gzipped_before_a_panel: await gzippedBytes(scripts),
      },
      treemap: await treemap(times),
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

/** Milliseconds for the polygons of a large tree, in Chromium. */
async function treemap(rounds) {
  const { page, close } = await packageInChromium(join(root, "web", "app"));
  try {
    const times = await page.evaluate(
      async ({ leaves, rounds }) => {
        const { default: init, partition } = await import("/model/wasm/treemap/nomul.js");
        await init();
        const parents = [0];
        const weights = [0];
        for (let group = 0; group < leaves / 10; group++) {
          parents.push(0);
          weights.push(0);
          const parent = parents.length - 1;
          for (let leaf = 0; leaf < 10; leaf++) {
            parents.push(parent);
            weights.push(10 ** (-6 * ((group * 10 + leaf) / leaves)));
          }
        }
        const [a, b] = [Uint32Array.from(parents), Float64Array.from(weights)];
        return Array.from({ length: rounds + 2 }, () => {
          const before = performance.now();
          partition(a, b, 1600, 1000);
          return performance.now() - before;
        }).slice(2);
      },
      { leaves: LEAVES, rounds: Math.max(rounds, 5) },
    );
    return { leaves: LEAVES, milliseconds: rounded(median(times)), slowest: rounded(Math.max(...times)) };
  } catch (error) {
    throw new Failure(`the treemap's module: ${error.message.split("\n")[0]}`);
  } finally {
    await close();
  }
}

const help = `
usage: npm run bench -- page [--model FOLDER] [--rounds N] [--record] [--json]

Visits the built page in headless Chromium, served locally and unthrottled, asks "${QUESTION}" and waits until all of the
model is there: first with a new profile, then with the same profile in a browser started anew.

  --model FOLDER   a model folder (default: the default model)
  --rounds N       how often (default: 3)
  --record         also writes the result to tests/bench/records/
  --json           the last line is one object

  longest_task_ms             the longest time the page's thread was busy at a stretch from the navigation to the last byte of
                              the model and through an answer, of all visits (null: never for over 50 ms)
  first_paint_ms              from the navigation to the first contentful paint, median of first visits
  js_gzipped_before_a_panel   bytes of all scripts that the page had asked for at its first paint
  treemap                     milliseconds for the polygons of ${LEAVES} leaves whose weights span six orders of magnitude
`;

export const benchmark = {
  help,
  browser: true,
  options: { model: { type: "string" }, rounds: { type: "string" } },
  run,
};
