// The products of one token alone: every matrix of a model once, without attention, norms or sampling.

import { modelFolder } from "../model.mjs";
import { fromUser } from "../shared/command.mjs";
import { COMMAND_ENGINES, chosenEngines, chosenRounds, command, inTurn, prepareEngines } from "../shared/engines.mjs";

async function run({ model, engines, rounds }) {
  const times = chosenRounds(rounds);
  const names = chosenEngines(engines, COMMAND_ENGINES);
  await prepareEngines(names);
  const folder = model ? fromUser(model) : await modelFolder();
  const words = ["--prompt", "1", "-n", "1", "--rounds", "5"];
  const products = await inTurn(names, times, async (engine) => {
    const { back_end, model_megabytes, kernel_ms_per_token } = await command(engine, "bench", folder, words);
    return { back_end, kernel_ms_per_token, gigabytes_per_s: model_megabytes / kernel_ms_per_token };
  });
  return { model: folder, products };
}

const help = `
usage: npm run bench -- kernels [--model FOLDER] [--engines LIST] [--rounds N]
                              [--record] [--json]

The time that the products of one token take, and how fast the model is read meanwhile.

  --model FOLDER    the model (default: the default model)
  --engines LIST    separated by commas, out of: ${COMMAND_ENGINES.join(", ")}
  --rounds N        how often each engine is measured (default: 3)
  --record          also writes the result to tests/bench/records/
  --json            the last line is one object
`;

export const benchmark = {
  help,
  options: { model: { type: "string" }, engines: { type: "string" }, rounds: { type: "string" } },
  run,
};
