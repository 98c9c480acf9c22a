// npm test: everything that is checked, on every engine at hand.

import "./shared/quick.mjs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { buildEdge } from "./build-edge.mjs";
import { WASI_BUILDS, buildWasmtimeRunner, wasiEnvironment } from "./build-wasi.mjs";
import { checkAll } from "./check.mjs";
import { modelFolder } from "./model.mjs";
import { setup } from "./setup.mjs";
import { Failure, isScript, main } from "./shared/command.mjs";
import { buildAhead } from "./shared/ahead.mjs";
import { COMMAND_ENGINES, prepareEngines } from "./shared/engines.mjs";
import { edgeComponent, edgeHost, edgeHostTarget, profile, root } from "./shared/folders.mjs";
import { all, check, nodeTests } from "./shared/suite.mjs";

/** Fast enough for tests that quantise, and compiled soon. */
const QUICK = ["--profile", profile];

/** Of components, of each kind one: the other differs in the kernel's instructions, which other suites hold to the same bits. */
const COMPONENTS = ["nomul-simd", "server-simd"];

/** What is built ahead: scripts and their words, in the order in which suites need it. */
const AHEAD = {
  package: ["build.mjs"],
  wasi: ["build-wasi.mjs", "--host"],
  edge: ["build-edge.mjs", ...COMPONENTS],
};

/** The suites in the order that tells most in the least time; `needs` are of [`AHEAD`]. Each answers with { passed, failed }. */
const SUITES = {
  rust: {
    title: "Rust, native",
    // The core with the checks of a debug build, which catch overflows; what fits planes is too slow for that.
    run: () =>
      all([
        () => check("cargo", ["test", "--quiet", "--no-fail-fast", "-p", "nomul"], { counts: "cargo" }),
        () =>
          check("cargo", ["test", "--quiet", "--no-fail-fast", ...QUICK, "--workspace", "--exclude", "nomul"], {
            counts: "cargo",
          }),
      ]),
  },
  check: { title: "Formatting, lints and types", needs: ["package"], prepare: build, run: checkAll },
  scripts: { title: "Scripts", run: () => nodeTests("pkg-scripts") },
  wasm: {
    title: "Rust, compiled to WebAssembly, under wasmtime",
    needs: ["wasi"],
    prepare: buildWasmtimeRunner,
    run: () =>
      all(
        Object.keys(WASI_BUILDS).map((build) => () => {
          process.stdout.write(`- ${build}\n`);
          const words = ["test", "--quiet", ...QUICK, "-p", "nomul", "--target", "wasm32-wasip1"];
          return check("cargo", words, { counts: "cargo", env: wasiEnvironment(build) });
        }),
      ),
  },
  package: { title: "The package, in Node", needs: ["package"], prepare: build, run: () => nodeTests("web/lib/test") },
  engines: {
    title: "The same tokens on every engine",
    needs: ["package", "wasi"],
    prepare: () => prepareEngines([...COMMAND_ENGINES, "node", "chromium"]),
    run: async () => nodeTests("tests/engines", { env: await testEnvironment() }),
  },
  edge: {
    title: "Components, their hosts and the server, under wasmtime",
    needs: ["wasi", "edge"],
    prepare: async () => {
      await prepareEngines(COMMAND_ENGINES);
      for (const build of COMPONENTS) await buildEdge(build);
    },
    run: () =>
      all([
        () => {
          const words = ["test", "--release", "--quiet", "--manifest-path", edgeHost, "--target-dir", edgeHostTarget];
          return check("cargo", [...words, "--workspace", "--test", "component"], {
            counts: "cargo",
            env: { NOMUL_EDGE_COMPONENT: edgeComponent("nomul-simd"), NOMUL_GOLDEN: join(root, "tests", "golden") },
          });
        },
        () => nodeTests("tests/edge"),
      ]),
  },
  e2e: {
    title: "The page and the package, in Chromium, some of it in Firefox and WebKit",
    needs: ["package"],
    prepare: build,
    run: async () => nodeTests("tests/e2e", { env: await testEnvironment() }),
  },
};

/** Tests run on the checkpoint of the default model, quantised in seconds, once, before they begin. */
const testEnvironment = async () => ({ NOMUL_MODEL: await modelFolder({ effort: "fast" }) });

const HELP = `
usage: npm test -- [SUITE]...

Sets up what is missing and runs the named suites, or all of them:
${Object.entries(SUITES)
  .map(([name, { title }]) => `  ${name.padEnd(10)} ${title}`)
  .join("\n")}

The last line says how many tests passed and failed; the status is 1 if any failed.
`;

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(0)} s`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, positionals: true }, async ({ positionals }) => {
    const unknown = positionals.find((name) => !Object.hasOwn(SUITES, name));
    if (unknown) throw new Failure(`no suite ${unknown}; there are: ${Object.keys(SUITES).join(", ")}`);
    const names = positionals.length > 0 ? positionals : Object.keys(SUITES);

    const began = performance.now();
    process.stdout.write("== Set-up\n");
    await setup({ tests: true });
    const results = [{ name: "set-up", time: seconds(began), passed: 0, failed: 0 }];
    const needed = Object.keys(AHEAD).filter((part) => names.some((name) => SUITES[name].needs?.includes(part)));
    const endings = buildAhead(needed.map((part) => AHEAD[part]));
    const ahead = Object.fromEntries(needed.map((part, i) => [part, endings[i]]));
    for (const name of names) {
      const { title, needs = [], prepare, run } = SUITES[name];
      process.stdout.write(`\n== ${title}\n`);
      const since = performance.now();
      let sum;
      try {
        await Promise.all(needs.map((part) => ahead[part]));
        await prepare?.();
        sum = await run();
      } catch (error) {
        // What cannot be built fails its own suite; the others still tell their part.
        process.stdout.write(`error: ${error instanceof Failure ? error.message : error.stack}\n`);
        sum = { passed: 0, failed: 1 };
      }
      results.push({ name, time: seconds(since), ...sum });
    }

    process.stdout.write(`\n== Together, in ${seconds(began)}\n`);
    for (const { name, time, passed, failed } of results) {
      process.stdout.write(
        `${name.padEnd(10)} ${String(passed).padStart(5)} passed ${String(failed).padStart(5)} failed  ${time}\n`,
      );
    }
    const passed = results.reduce((sum, result) => sum + result.passed, 0);
    const failed = results.reduce((sum, result) => sum + result.failed, 0);
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    if (failed > 0) process.exitCode = 1;
  });
}
