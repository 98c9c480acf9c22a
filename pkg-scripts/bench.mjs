// npm run bench -- NAME: one file of bench/ a benchmark, each with its title, its options and what it measures.

import { readdirSync } from "node:fs";
import { setup } from "./setup.mjs";
import { Failure, isScript, main, say } from "./shared/command.mjs";
import { machine } from "./shared/machine.mjs";
import { record } from "./shared/record.mjs";

const NAMES = readdirSync(new URL("./bench/", import.meta.url))
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.slice(0, -".mjs".length));

const HELP = `
usage: npm run bench -- NAME [OPTION]... [--record] [--json]

Measures, and prints the figures with the machine, the flags and the commit they belong to.
NAME is one of: ${NAMES.join(", ")}

  --json    the last line is one object
  --record  also writes the result to tests/bench/records/
  --help    this text, or after NAME the options of that benchmark
`;

/** Prints an object's values as aligned lines; lists of objects become tables, of these columns or of all. */
function show(result, columns) {
  for (const [name, value] of Object.entries(result)) {
    if (Array.isArray(value) && value.every((row) => row !== null && typeof row === "object")) {
      process.stdout.write(`${name}\n`);
      console.table(value, columns);
    } else {
      process.stdout.write(`${name}: ${typeof value === "object" ? JSON.stringify(value) : value}\n`);
    }
  }
}

/** Runs the benchmark `name` with the words of its command line. */
async function bench(name, words) {
  const { benchmark } = await import(`./bench/${name}.mjs`);
  const options = { ...benchmark.options, json: { type: "boolean" }, record: { type: "boolean" } };
  await main({ help: benchmark.help, options, args: words }, async ({ values: { json, record: keep, ...values } }) => {
    await setup({ tests: benchmark.browser, others: false });
    const result = { benchmark: name, flags: words, machine: machine(), ...(await benchmark.run(values)) };
    show(result, benchmark.columns);
    if (keep) say(`- written: ${await record(result)}`);
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  });
}

if (isScript(import.meta.url)) {
  const [name, ...words] = process.argv.slice(2);
  if (NAMES.includes(name)) await bench(name, words);
  else {
    await main({ help: HELP, positionals: true }, () => {
      throw new Failure(
        `${name === undefined ? "no benchmark named" : `no benchmark ${name}`}; there are: ${NAMES.join(", ")}`,
      );
    });
  }
}
