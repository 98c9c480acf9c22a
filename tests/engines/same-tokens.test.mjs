// The same model folder, prompt and seed give the same tokens on every engine, bit for bit.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { join } from "node:path";
import { modelFolder } from "../../pkg-scripts/model.mjs";
import { COMMAND_ENGINES, command, completeInChromium, inNode } from "../../pkg-scripts/shared/engines.mjs";
import { root } from "../../pkg-scripts/shared/folders.mjs";
import { CHROMIUM_LOADS, NODE_LOADS } from "./loads.mjs";

const PROMPT = "Once upon a time, in a village of 27 houses,";

// Sampling at a high temperature makes every token depend on all logits, not on the largest alone.
const REQUESTS = {
  greedy: { temperature: 0, seed: 1 },
  sampled: { temperature: 1.2, seed: 20 },
};

/** Defines the tests of one model: `folder()` is where it is, `tokens` how many are generated. */
function sameTokens(title, folder, tokens) {
  describe(title, () => {
    for (const [name, { temperature, seed }] of Object.entries(REQUESTS)) {
      describe(name, () => {
        let where, native;

        before(async () => {
          where = await folder();
          native = await run("native");
        });

        const run = (engine, ...words) =>
          command(
            engine,
            "run",
            where,
            ["-p", PROMPT, "-n", tokens, "--temperature", temperature, "--seed", seed, ...words].map(String),
          );

        // The prompt goes in as the tokens of the native command, which may have put it into a chat template.
        const request = () => ({ prompt: native.prompt_tokens, max_tokens: tokens, temperature, seed });

        const same = (found) => assert.deepEqual(found, { tokens: native.tokens, text: native.text });

        test("native, twice", async () => {
          assert.ok(native.prompt_tokens.length > 0 && native.tokens.length > 0);
          assert.deepEqual((await run("native")).tokens, native.tokens);
        });

        for (const threads of [1, 2, 3]) {
          test(`native, ${threads} threads`, async () => {
            assert.deepEqual((await run("native", "--threads", threads)).tokens, native.tokens);
          });
        }

        for (const engine of COMMAND_ENGINES.filter((each) => each !== "native")) {
          test(engine, async () => {
            const { prompt_tokens, tokens, text } = await run(engine);
            assert.deepEqual(prompt_tokens, native.prompt_tokens);
            same({ tokens, text });
          });
        }

        for (const options of NODE_LOADS) {
          test(`Node, ${options.build}, threads: ${options.threads}`, async () => {
            const { info, ...answer } = await inNode(where, options, async (model) => ({
              ...(await model.complete(request())),
              info: model.info,
            }));
            assert.deepEqual([info.build, info.threads], [options.build, options.threads]);
            same({ tokens: answer.choices[0].tokens, text: answer.choices[0].text });
          });
        }

        for (const options of CHROMIUM_LOADS) {
          test(`Chromium, ${options.build}, threads: ${options.threads}`, async () => {
            const { info, choices } = await completeInChromium(where, options, request());
            assert.deepEqual([info.build, info.threads], [options.build, options.threads]);
            same({ tokens: choices[0].tokens, text: choices[0].text });
          });
        }
      });
    }
  });
}

sameTokens("a tiny model", async () => join(root, "tests", "golden", "model-tiny"), 40);
sameTokens("SmolLM2-135M-Instruct", () => modelFolder({ effort: "fast" }), 24);
