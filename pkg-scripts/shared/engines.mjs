// One request to a model on each engine: the native command, the command under wasmtime, the package in Node and in
// Chromium. Tests compare what they answer, benchmarks how fast.

import { join } from "node:path";
import { buildPackage } from "../build.mjs";
import { WASI_BUILDS, buildWasi, buildWasmtimeRunner } from "../build-wasi.mjs";
import { ISOLATION, serve } from "../serve.mjs";
import { CHROMIUM_FLAGS, findChromium } from "./browser.mjs";
import { Failure, output, say } from "./command.mjs";
import { nomul, root, wasiModule, wasmtimeRunner } from "./folders.mjs";

/** The words that run the nomul command on the engine, with `folder` readable, up to the command's own words. */
const COMMANDS = {
  native: () => [nomul],
  "wasmtime simd": (folder) => [wasmtimeRunner, "--dir", `${folder}::${folder}`, wasiModule("simd")],
  "wasmtime relaxed": (folder) => [wasmtimeRunner, "--dir", `${folder}::${folder}`, wasiModule("relaxed")],
};

/** The engines that run the command. */
export const COMMAND_ENGINES = Object.keys(COMMANDS);

/**
 * Runs `nomul WORDS --json` on an engine that sees `folder`; answers with the object on the last line. `engineWords` are for
 * wasmtime's runner.
 */
export async function commandIn(engine, folder, words, engineWords = []) {
  const [program, ...before] = COMMANDS[engine](folder);
  const text = await output(program, [...engineWords, ...before, ...words, "--json"]);
  return JSON.parse(text.trimEnd().split("\n").at(-1));
}

/** Runs `nomul SUBCOMMAND FOLDER WORDS --json` on an engine; answers with the object on the last line. */
export const command = (engine, subcommand, folder, words, engineWords) =>
  commandIn(engine, folder, [subcommand, folder, ...words], engineWords);

/** The engines named in a list like "native, node", or all of `known` where there is no list. */
export function chosenEngines(list, known) {
  const names = list?.split(",").map((name) => name.trim()) ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Failure(`no engine ${unknown}; there are: ${known.join(", ")}`);
  return names;
}

/** Builds what the engines of these names run. */
export async function prepareEngines(names) {
  if (names.some((name) => name.startsWith("wasmtime"))) {
    await buildWasmtimeRunner();
    for (const build of Object.keys(WASI_BUILDS)) await buildWasi(build);
  }
  if (!names.every((name) => COMMAND_ENGINES.includes(name))) await buildPackage();
}

/** The number of an option `--rounds`. */
export function chosenRounds(text = "3") {
  if (!/^[1-9]\d*$/.test(text)) throw new Failure("--rounds has to be a number over 0");
  return Number(text);
}

/**
 * Measures one engine after the other, and all of them `rounds` times, so that a machine that slows down slows all of
 * them down. Answers with rows of what `measure(engine)` answers with.
 */
export async function inTurn(names, rounds, measure) {
  const rows = [];
  for (let round = 1; round <= rounds; round++) {
    for (const engine of names) {
      say(`- ${engine}, ${round} of ${rounds}`);
      rows.push({ engine, round, ...(await measure(engine)) });
    }
  }
  return rows;
}

/** Loads a model folder with the package in this Node, calls `work(model)`, and disposes of it. */
export async function inNode(folder, options, work) {
  const { load } = await import("nomul");
  const model = await load(folder, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

/**
 * A page in Chromium that can `import("/build/index.js")`, the package as it is published, and load `/model/`.
 * `isolated` serves it so that it can use threads. Answers with the page and `close()`.
 */
export async function packageInChromium(folder, { isolated = false } = {}) {
  const executablePath = findChromium();
  // Loaded late, as in serve.mjs: this module is imported before the npm packages are there.
  const { chromium } = await import("playwright-core");
  if (!executablePath) throw new Failure("no Chromium: install one, or name one in NOMUL_CHROMIUM");
  const served = await serve({ root: join(root, "web", "lib"), models: { model: folder }, isolated });
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  const page = await browser.newPage();
  // Only what stands in files of the page's own origin may run: no script in the page, no blob.
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";
  const headers = { "content-security-policy": policy, ...(isolated && ISOLATION) };
  await page.route(served.url, (route) =>
    route.fulfill({ contentType: "text/html", headers, body: "<!doctype html>" }),
  );
  await page.goto(served.url);
  const close = async () => {
    await browser.close();
    await served.close();
  };
  return { page, close };
}

/**
 * Loads a model folder with the package in Chromium and answers with `work(model, request)`, which runs in the page and so
 * knows nothing from outside. `options` are those of `load`.
 */
export async function inChromium(folder, options, request, work) {
  const { page, close } = await packageInChromium(folder, { isolated: options.threads > 1 });
  try {
    await page.evaluate(async (options) => {
      const { load } = await import("/build/index.js");
      globalThis.model = await load("/model/", { ...options, cache: false });
    }, options);
    // A function of its own, as the page's policy forbids to make one from text.
    const text = `(${work})(globalThis.model, ${JSON.stringify(request)})`;
    return await page.evaluate(text);
  } finally {
    await close();
  }
}

/** One text completion by the package in Chromium. `options` are those of `load`, `request` that of `model.complete`. */
export const completeInChromium = (folder, options, request) =>
  inChromium(folder, options, request, async (model, request) => ({
    ...(await model.complete(request)),
    info: model.info,
  }));
