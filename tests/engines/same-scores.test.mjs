// The scores after each of 512 tokens are the same bits on every engine, and those of the golden file.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { COMMAND_ENGINES, command, inChromium, inNode } from "../../pkg-scripts/shared/engines.mjs";
import { root } from "../../pkg-scripts/shared/folders.mjs";
import { CHROMIUM_LOADS, NODE_LOADS } from "./loads.mjs";

const golden = join(root, "tests", "golden");
const folder = join(golden, "model-tiny");
const { ids, sha256 } = JSON.parse(await readFile(join(golden, "model-tiny.digest.json"), "utf8"));

describe("scores of a tiny model after 512 tokens", () => {
  for (const engine of COMMAND_ENGINES) {
    test(engine, async () => {
      const found = await command(engine, "digest", folder, ["--ids", ids.join(",")]);
      assert.deepEqual([found.tokens, found.sha256], [512, sha256]);
    });
  }

  for (const options of NODE_LOADS) {
    test(`Node, ${options.build}, threads: ${options.threads}`, async () => {
      const digest = createHash("sha256");
      const build = await inNode(folder, options, async (model) => {
        for (let n = 1; n <= ids.length; n++) digest.update(await model.logits(ids.slice(0, n)));
        return model.info.build;
      });
      assert.deepEqual([build, digest.digest("hex")], [options.build, sha256]);
    });
  }

  for (const options of CHROMIUM_LOADS) {
    test(`Chromium, ${options.build}, threads: ${options.threads}`, async () => {
      const found = await inChromium(folder, options, ids, async (model, ids) => {
        const scores = [];
        for (let n = 1; n <= ids.length; n++) scores.push(await model.logits(ids.slice(0, n)));
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(scores).arrayBuffer()));
        return [model.info.build, Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")];
      });
      assert.deepEqual(found, [options.build, sha256]);
    });
  }
});
