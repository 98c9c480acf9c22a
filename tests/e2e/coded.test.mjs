// The page's own reading of coded planes against what the core wrote.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { root } from "../../pkg-scripts/shared/folders.mjs";

const source = await readFile(join(root, "web/app/panels/why/coded.ts"), "utf8");
const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
const { outputText } = ts.transpileModule(source, { compilerOptions: options });
const { decode, mostBytes } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);

const golden = JSON.parse(await readFile(join(root, "tests/golden/coded.json"), "utf8"));

/** Signs of all levels, of each no more bytes taken than the first rows can need. */
function decoded(levels) {
  let from = 0;
  return levels.reduce((known, [to, hex]) => {
    const bytes = Buffer.from(hex, "hex").subarray(0, mostBytes(golden, from, to));
    from = to;
    return decode(bytes, golden, known, to);
  }, []);
}

test("the first 64 rows are those that were coded", () => {
  const planes = decoded(golden.levels);
  assert.equal(planes.length, golden.planes.length);
  planes.forEach((plane, number) => {
    const signs = Array.from(plane, (sign) => (sign === 1 ? "+" : "-")).join("");
    assert.equal(signs, golden.planes[number].slice(0, 64 * golden.columns), `plane ${number}`);
  });
});

test("damage is told", () => {
  const [[to, hex], ...others] = golden.levels;
  const damaged = `${hex.slice(0, -400)}${hex.slice(-400).replace(/^./, (digit) => (digit === "0" ? "1" : "0"))}`;
  assert.throws(() => decoded([[to, damaged], ...others]), /damaged/);
});
