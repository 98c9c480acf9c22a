// The last step of the package's build. What a page or Node loads becomes one file for the caller and one for the worker: without
// a bundler a browser would learn of each module only from the one that imports it, one journey to the server after another, and
// Node would read two dozen files for one import.
// The workers contain the library that renders chat templates, so that the package has no dependencies.

import { copyFile, writeFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const build = fileURLToPath(new URL("build", import.meta.url));

/** What stays a file of its own: modules of which there must be one for several entries. */
const ENTRIES = {
  "index.js": ["errors.js"],
  "index.node.js": ["errors.js"],
  "worker.js": ["tuning.js"],
  "worker.node.js": ["tuning.js"],
};

/** Leaves those files out, and everything that is not in the folder: the engines. */
const leaveOut = (names) => ({
  name: "leave-out",
  resolveId(source, importer) {
    // Anything else is of a library, of Node, or of the bundler itself.
    if (importer === undefined || !source.startsWith(".")) return null;
    const path = relative(build, resolve(dirname(importer), source));
    const stays = names.includes(path) || path.startsWith("..");
    return stays ? { id: path.startsWith("..") ? path : `./${path}`, external: true } : null;
  },
});

for (const [entry, names] of Object.entries(ENTRIES)) {
  const platform = entry.includes(".node.") ? "node" : "browser";
  const bundle = await rolldown({ input: resolve(build, entry), platform, plugins: [leaveOut(names)] });
  const { output } = await bundle.generate({ format: "es", codeSplitting: false });
  if (output.length !== 1) throw new Error(`${entry} became ${output.map(({ fileName }) => fileName)}`);
  await writeFile(resolve(build, entry), output[0].code);
  await bundle.close();
}

// The licences lie in the repository's first folder; who publishes this one needs them here.
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) {
  await copyFile(new URL(`../../${name}`, import.meta.url), new URL(name, import.meta.url));
}
