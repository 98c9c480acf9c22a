// From an address to an answer, over a network: nomul, which answers before all of it is there, beside wllama.

import { build } from "../build.mjs";
import { modelFolder } from "../model.mjs";
import { Failure, fromUser } from "../shared/command.mjs";
import { chosenRounds } from "../shared/engines.mjs";
import { QUESTION, TOKENS, engines, smallCheckpoint } from "./start/engines.mjs";
import { LATENCY, measureVisits } from "./start/measure.mjs";
import { ratios, row } from "./start/rows.mjs";

const RATES = "20,100,0";

/** The numbers of the option `--rates`. */
function chosenRates(list) {
  const rates = list.split(",").map((rate) => (rate.trim() === "" ? NaN : Number(rate)));
  if (!rates.every((rate) => Number.isFinite(rate) && rate >= 0)) {
    throw new Failure("--rates has to be megabits a second, separated by commas; 0 is as fast as it gets");
  }
  return [...new Set(rates)];
}

async function run({ model, gguf, rounds, rates = RATES }) {
  const times = chosenRounds(rounds);
  const megabits = chosenRates(rates);
  await build();
  const folder = model ? fromUser(model) : await modelFolder();
  const all = await engines(folder, gguf ? fromUser(gguf) : await smallCheckpoint());
  const found = await measureVisits(all, megabits, times);
  const rows = found.flatMap(({ engine, rate, ...visits }) =>
    Object.keys(visits).map((cache) => row(engine, rate, cache, visits[cache])),
  );
  return {
    browser: found[0].cold[0].browser,
    latency_ms: LATENCY,
    question: QUESTION,
    ratios: ratios(rows, "cold"),
    ratios_warm: ratios(rows, "warm"),
    rows,
  };
}

const help = `
usage: npm run bench -- start [--model FOLDER] [--gguf FILE] [--rounds N] [--rates LIST] [--record] [--json]

Seconds from the navigation in headless Chromium until a model is usable, until the first token of its answer is there and
until all of it has come: nomul, started at its first level, beside wllama 2 with the same model in Q4_0. Both packages
are opened as they are published, by a page that is the same for both and asks "${QUESTION}" at once, with each engine's
own chat template, for at most ${TOKENS} tokens, greedy, on one thread, as without special headers.

  --model FOLDER   nomul's model (default: the default model)
  --gguf FILE      wllama's file (default: the checkpoint of the default model, Q4_1, rounded to Q4_0)
  --rounds N       how often each is measured (default: 3)
  --rates LIST     megabits a second, separated by commas; 0 is as fast as it gets (default: ${RATES})
  --record         also writes the result to tests/bench/records/
  --json           the last line is one object

cold is a new browser profile, warm the same profile again in a browser started anew, after a visitor has stayed for a
moment: both engines keep their model in the browser, nomul also what the system message has become. The server paces its
bytes, of all connections together, every 10 ms, and takes up each request ${LATENCY} ms late; where the rate is 0, it does
neither. It compresses text and code with brotli, as static hosts do, and sends weights as they are. transferred_bytes are
what it sent in a visit, headers included. An unmeasured visit of each comes first.

  usable        a question is taken
  first_token   the first token of the answer; what is asked before all planes are there is answered with fewer
  all           the last byte of the model is in its place; wllama can begin no sooner

ratios are medians of nomul over those of wllama on a first visit, below 1 where nomul is sooner; ratios_warm are the same
of a later one. Rows give medians, with the least and the greatest; the printed table is a part of what --json has.

The rows of page are nomul's own page as a visitor sees it: page_s is when it is there, and longest_task_ms the longest time
that its thread was busy at a stretch while the model came and answered, of all rounds (null: never for over 50 ms).
`;

export const benchmark = {
  help,
  browser: true,
  columns: ["engine", "network", "cache", "usable_s", "first_token_s", "all_s", "transferred_bytes", "longest_task_ms"],
  options: {
    model: { type: "string" },
    gguf: { type: "string" },
    rounds: { type: "string" },
    rates: { type: "string" },
  },
  run,
};
