// A hundred conversations at once, each in an instance of its own of one image.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { output } from "../../pkg-scripts/shared/command.mjs";
import { edgeComponent, nomulEdge, root } from "../../pkg-scripts/shared/folders.mjs";

describe("a hundred conversations", () => {
  let folder, code;
  const run = async (...words) =>
    JSON.parse(await output(nomulEdge, ["crowd", code, "--memory", "64", "--texts", ...words]));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nomul-crowd-"));
    const image = join(folder, "image.wasm");
    code = join(folder, "image.cwasm");
    const model = join(root, "tests", "golden", "model-tiny");
    await output(nomulEdge, ["image", edgeComponent("nomul-simd"), model, "-o", image]);
    await output(nomulEdge, ["compile", image, "-o", code, "--memory", "64"]);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("all end, none starves, each says what it says alone, within a bound of memory", async (context) => {
    const { texts, ...all } = await run("--conversations", "100", "--tokens", "32", "--threads", "2");
    context.diagnostic(JSON.stringify(all));
    assert.equal(texts.length, 100);
    assert.ok(new Set(texts).size > 1, "the number in the prompt changes nothing");
    assert.ok(all.slowest_ms <= 2 * all.median_ms, `slowest ${all.slowest_ms} ms, median ${all.median_ms} ms`);
    if (all.memory_each_after_bytes !== null) {
      assert.ok(all.memory_each_idle_bytes <= 6e6, `${all.memory_each_idle_bytes} bytes each, idle`);
      assert.ok(all.memory_each_after_bytes <= 8e6, `${all.memory_each_after_bytes} bytes each`);
    }
    const few = await run("--conversations", "3", "--tokens", "32");
    assert.deepEqual(texts.slice(0, 3), few.texts);
  });
});
