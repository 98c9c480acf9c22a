// The Spark job, where the Python that `$NOMUL_PYTHON` names has pyspark: too large to be fetched for this alone.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import assert from "node:assert/strict";
import { answer, onPath, output } from "../../pkg-scripts/shared/command.mjs";
import { edgeComponent, nomulEdge, root, target } from "../../pkg-scripts/shared/folders.mjs";

const python = process.env.NOMUL_PYTHON;
const lacks = () => {
  if (!python || answer(python, ["-c", "import pyspark, pyarrow, pandas, wasmtime"]) === undefined)
    return "$NOMUL_PYTHON names no Python with pyspark, pyarrow, pandas and wasmtime";
  return onPath("java") ? false : "no java";
};

test("Spark's executors make the vectors of one process", { skip: lacks() }, async () => {
  const component = edgeComponent("nomul-simd");
  const image = join(target, "edge", "spark-test.component.wasm");
  await output(nomulEdge, ["image", component, join(root, "tests", "golden", "model-tiny"), "-o", image]);
  try {
    const script = join(root, "tests", "edge", "spark.py");
    const said = await output(python, [script, component, image], { env: { PYSPARK_PYTHON: python } });
    assert.match(said, /60 documents and 8 texts/);
  } finally {
    await rm(image, { force: true });
  }
});
