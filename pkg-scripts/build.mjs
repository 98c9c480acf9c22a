// npm run build: the wasm engines, the package, and the page as a static site in dist/.

import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { WASM_MODULES } from "./build-wasm.mjs";
import { setup } from "./setup.mjs";
import { fromUser, isScript, main, run, say } from "./shared/command.mjs";
import { atomically } from "./shared/atomic.mjs";
import { dist, root } from "./shared/folders.mjs";
import { haveRustSources } from "./shared/rust.mjs";
import { step } from "./shared/step.mjs";

/** What the wasm engines are made of. */
const ENGINE = [
  "Cargo.toml",
  "Cargo.lock",
  "rust-toolchain.toml",
  "crate/census",
  "crate/grammar",
  "crate/nomul",
  "crate/team",
  "crate/text",
  "crate/treemap",
  "crate/vectors",
  "crate/wasm",
  "pkg-scripts/build-wasm.mjs",
  "pkg-scripts/shared/wasm-opt.mjs",
  "pkg-scripts/shared/census.mjs",
];
/** What the package adds to them. */
const PACKAGE = [...ENGINE, "package-lock.json", "web/lib"];
/** What the page adds to the package. */
const PAGE = [...PACKAGE, "index.html", "vite.config.js", "svelte.config.js", "web/app"];

/** The package as npm would publish it: web/lib with its engines and its compiled TypeScript. */
export async function buildPackage() {
  await step(
    {
      name: "engines",
      title: "building the wasm engines",
      inputs: ENGINE,
      settings: { threads: haveRustSources() },
      outputs: WASM_MODULES,
    },
    () => run(process.execPath, ["pkg-scripts/build-wasm.mjs"]),
  );
  await step(
    {
      name: "package",
      title: "building the package",
      inputs: PACKAGE,
      outputs: [join(root, "web", "lib", "build", "index.js")],
    },
    () => run("npm", ["run", "--silent", "build", "-w", "web/lib"]),
  );
}

/** The package, then the page. */
export async function build() {
  await buildPackage();
  await step({ name: "page", title: "building the page", inputs: PAGE, outputs: [join(dist, "index.html")] }, () =>
    run("npm", ["run", "--silent", "build", "-w", "web/app"]),
  );
}

const HELP = `
usage: npm run build -- [--model FOLDER]

Builds the wasm engines, the npm package (web/lib) and the page into dist/, which any static host serves under any path.

  --model FOLDER   also copies this model folder to dist/model/, where the page looks first
  --help           this text
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, options: { model: { type: "string" } } }, async ({ values }) => {
    await setup();
    await build();
    if (values.model !== undefined) {
      const folder = join(dist, "model");
      await rm(folder, { recursive: true, force: true });
      await atomically(folder, (temporary) => cp(fromUser(values.model), temporary, { recursive: true }));
    }
    say("The static site:");
    process.stdout.write(`${dist}\n`);
  });
}
