// The component in hosts of several languages: each example says what the native command says.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { componentWit } from "@bytecodealliance/jco-transpile/wasm-tools";
import { output } from "../../pkg-scripts/shared/command.mjs";
import { edgeComponent, edgeRust, nomul, root } from "../../pkg-scripts/shared/folders.mjs";
import { pythonWith } from "../../pkg-scripts/shared/python.mjs";

const folder = join(root, "tests", "golden", "model-tiny");
const component = edgeComponent("nomul-simd");
const question = "What is gravity?";
const examples = join(root, "examples");

const expected = await output(nomul, ["run", folder, "-p", question, "--chat", "-n", "24"]);

test("the component imports nothing, and exports what its WIT says", async () => {
  const wit = await componentWit(await readFile(component));
  assert.doesNotMatch(wit, /^\s*import /m);
  const exports = [...wit.matchAll(/^\s*export nomul:runtime\/([\w-]+)@0\.1\.0;/gm)].map(([, name]) => name);
  assert.deepEqual(exports.sort(), ["documents", "graphs", "models", "resident", "search", "types"]);
});

test("the server imports HTTP, clocks, folders and the environment, no sockets and no way out", async () => {
  const wit = await componentWit(await readFile(edgeComponent("server-simd")));
  const imports = [...wit.matchAll(/^\s*import (.*);/gm)].map(([, name]) => name);
  const known =
    /^wasi:(http\/types|io\/(error|poll|streams)|clocks\/(wall|monotonic)-clock|cli\/environment|filesystem\/(types|preopens))@0\.2\.\d+$/;
  assert.deepEqual(
    imports.filter((name) => !known.test(name)),
    [],
  );
});

test("Rust", async () => {
  assert.equal(await output(edgeRust, [component, folder, question]), expected);
});

test("JavaScript, by jco", async () => {
  const words = [join(examples, "edge-js", "main.mjs"), component, folder, question];
  assert.equal(await output(process.execPath, words), expected);
});

test("Python", async () => {
  const { python, env } = await pythonWith(["wasmtime==50.0.1"]);
  const words = [join(examples, "edge-python", "main.py"), component, folder, question];
  assert.equal(await output(python, words, { env }), expected);
});
