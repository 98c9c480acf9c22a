// Every snippet of the guides: its types are right, and what runs in Node does.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import ts from "typescript";
import { encoderFolder as encoder, folder as model } from "./support/model.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));
const files = [
  ...(await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md")).map((name) => join(root, "docs", name)),
  join(root, "web", "lib", "README.md"),
];

/** `{ name, code, runs, model }` for each block of JavaScript. */
const snippets = (
  await Promise.all(
    files.map(async (file) => {
      const blocks = [...(await readFile(file, "utf8")).matchAll(/^```js( run)?\n(.*?)^```$/gms)];
      return blocks.map(([, runs, code], place) => ({
        name: `${file.slice(root.length)}, snippet ${place + 1}`,
        code,
        runs: runs !== undefined,
        model: file.endsWith("embeddings.md") ? encoder : model,
      }));
    }),
  )
).flat();

// Beside node_modules, so that the package is found by its name.
let place;
before(async () => {
  await mkdir(join(root, "test-results"), { recursive: true });
  place = await mkdtemp(join(root, "test-results", "snippets-"));
  await Promise.all(snippets.map(({ code }, index) => writeFile(join(place, `${index}.mjs`), code)));
});
after(() => rm(place, { recursive: true, force: true }));

test("types", () => {
  // `ai` is not installed here.
  const checked = snippets
    .map(({ code }, index) => ({ code, index }))
    .filter(({ code }) => !code.includes('from "ai"'));
  const names = checked.map(({ index }) => join(place, `${index}.mjs`));
  const program = ts.createProgram(names, {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    skipLibCheck: true,
  });
  const wrong = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const index = Number(/(\d+)\.mjs$/.exec(file?.fileName ?? "")?.[1]);
    return `${snippets[index]?.name ?? file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
  // What a page sends along may have any type.
  assert.deepEqual(
    wrong.filter((line) => !line.includes("implicitly has an 'any' type")),
    [],
  );
});

for (const [index, { name, runs, model }] of snippets.entries()) {
  if (!runs) continue;
  test(name, { timeout: 60_000 }, async () => {
    const { stdout } = await run(process.execPath, [join(place, `${index}.mjs`), model]);
    assert.ok(stdout.length > 1);
  });
}
