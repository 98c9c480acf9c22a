// Requests to a model: chat, completion, and the low-level calls.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { load } from "nomul";
import { failsWith, folder, goldenAnswer, isOther, shardList } from "./support/model.mjs";

let model;
before(async () => (model = await load(folder)));
after(() => model?.dispose());

const greedy = { temperature: 0, max_tokens: 12 };
const messages = [{ role: "user", content: "What is gravity?" }];

async function collect(parts) {
  const all = [];
  for await (const part of parts) all.push(part);
  return all;
}

describe("chat", () => {
  test("whole and streamed say the same", async () => {
    const whole = await model.chat({ messages, ...greedy });
    assert.equal(whole.object, "chat.completion");
    assert.equal(whole.choices[0].message.role, "assistant");
    assert.ok(["stop", "length"].includes(whole.choices[0].finish_reason));
    const { prompt_tokens, completion_tokens, total_tokens } = whole.usage;
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
    assert.ok(completion_tokens <= 12);

    const parts = await collect(model.chat({ messages, ...greedy, stream: true }));
    assert.ok(parts.every(({ object, id }) => object === "chat.completion.chunk" && id === parts[0].id));
    assert.equal(parts[0].choices[0].delta.role, "assistant");
    assert.equal(parts.map(({ choices }) => choices[0].delta.content ?? "").join(""), whole.choices[0].message.content);
    assert.deepEqual(
      parts.slice(0, -1).map(({ choices }) => choices[0].finish_reason),
      parts.slice(1).map(() => null),
    );
    assert.equal(parts.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
    // The second time, the prompt is there already, but for the token that the answer follows from.
    const prompt_tokens_details = { cached_tokens: prompt_tokens - 1 };
    assert.deepEqual(parts.at(-1).usage, { ...whole.usage, prompt_tokens_details });
  });

  test("timings", async () => {
    const { timings } = await model.complete({ prompt: "Once upon a time", ...greedy });
    assert.ok(timings.time_to_first_token_s > 0);
    assert.ok(timings.prefill_tokens_per_s >= 0);
    assert.ok(timings.decode_tokens_per_s > 0);
  });

  test("a longer conversation", async () => {
    const first = await model.chat({ messages, ...greedy });
    const longer = [...messages, first.choices[0].message, { role: "user", content: "And why?" }];
    const second = await model.chat({ messages: longer, ...greedy });
    assert.ok(second.usage.prompt_tokens > first.usage.prompt_tokens);
  });

  test("no messages", () => failsWith("input", model.chat({ messages: [] })));
});

describe("completion", () => {
  test("whole and streamed give the same tokens", async () => {
    const prompt = await model.tokenize("Once upon a time");
    const whole = await model.complete({ prompt, ...greedy });
    assert.equal(whole.object, "text_completion");
    assert.equal(whole.usage.prompt_tokens, prompt.length);
    assert.equal(whole.choices[0].tokens.length, whole.usage.completion_tokens);
    const parts = await collect(model.complete({ prompt, ...greedy, stream: true }));
    assert.deepEqual(
      parts.flatMap(({ choices }) => choices[0].tokens),
      whole.choices[0].tokens,
    );
    assert.equal(parts.map(({ choices }) => choices[0].text).join(""), whole.choices[0].text);
  });

  test("greedy, the tokens are those of the native command", { skip: isOther }, async () => {
    const { prompt, prompt_tokens, tokens } = await goldenAnswer();
    assert.deepEqual(await model.tokenize(prompt), prompt_tokens);
    const { choices } = await model.complete({ prompt, temperature: 0, max_tokens: tokens.length });
    assert.deepEqual(choices[0].tokens, tokens);
  });

  test("greedy takes the largest logit", async () => {
    const prompt = await model.tokenize("Once upon a time");
    const logits = await model.logits(prompt);
    const { choices } = await model.complete({ prompt, temperature: 0, max_tokens: 1 });
    assert.equal(choices[0].tokens[0], logits.indexOf(Math.max(...logits)));
  });

  test("the seed decides", async () => {
    const ask = async (seed) =>
      (await model.complete({ prompt: [1], max_tokens: 12, temperature: 1, top_p: 1, top_k: 0, seed })).choices[0]
        .tokens;
    assert.deepEqual(await ask(7), await ask(7));
    assert.notDeepEqual(await ask(7), await ask(8));
  });

  test("a bias forbids a token", async () => {
    const free = await model.complete({ prompt: [1], ...greedy, max_tokens: 1 });
    const [forbidden] = free.choices[0].tokens;
    const bound = await model.complete({ prompt: [1], ...greedy, max_tokens: 1, logit_bias: { [forbidden]: -1000 } });
    assert.notEqual(bound.choices[0].tokens[0], forbidden);
  });

  test("a stop text ends it and is not part of it", async () => {
    // Drawn, not greedy: a model of random weights repeats itself or says halves of characters.
    const request = { prompt: "Once", temperature: 1, seed: 3, max_tokens: 40 };
    const { text } = (await model.complete(request)).choices[0];
    const [stop] = text.slice(1).match(/[^\uFFFD]{2}/u) ?? [];
    assert.ok(stop !== undefined, `two whole characters in ${JSON.stringify(text)}`);
    const stopped = await model.complete({ ...request, stop });
    assert.equal(stopped.choices[0].text, text.slice(0, text.indexOf(stop)));
    assert.equal(stopped.choices[0].finish_reason, "stop");
  });

  test("what cannot be", async () => {
    await failsWith("input", model.complete({ prompt: [] }));
    await failsWith("input", model.complete({ prompt: [1], temperature: -1 }));
    await failsWith("input", model.complete({ prompt: [2 ** 31] }));
    await failsWith("capacity", model.complete({ prompt: new Array(model.info.contextLength + 1).fill(1) }));
    // The model still answers.
    assert.equal((await model.complete({ prompt: [1], ...greedy, max_tokens: 1 })).choices[0].tokens.length, 1);
  });

  test("the prompt's progress is told", async () => {
    const seen = [];
    await model.complete({ prompt: new Array(100).fill(1), ...greedy, onPrefill: (...pair) => seen.push(pair) });
    assert.ok(seen.length > 1);
    assert.ok(
      seen.every(([done, total], i) => total === seen[0][1] && done <= total && (i === 0 || done > seen[i - 1][0])),
    );
  });
});

describe("stopping", () => {
  const long = { prompt: [1], max_tokens: 200, temperature: 1, seed: 1, stream: true };

  test("by a signal", async () => {
    const controller = new AbortController();
    let count = 0;
    await assert.rejects(
      async () => {
        for await (const _ of model.complete({ ...long, signal: controller.signal })) {
          if (++count === 3) controller.abort();
        }
      },
      { name: "AbortError" },
    );
    assert.equal(count, 3);
  });

  test("by a signal that has fired, and by one with a reason of its own", async () => {
    await assert.rejects(model.complete({ ...long, stream: false, signal: AbortSignal.abort() }), {
      name: "AbortError",
    });
    const odd = AbortSignal.abort("changed my mind");
    await assert.rejects(collect(model.complete({ ...long, signal: odd })), { name: "AbortError" });
  });

  test("by leaving the loop", async () => {
    for await (const _ of model.complete(long)) break;
    // The engine is free for the next request at once.
    assert.equal((await model.complete({ prompt: [1], ...greedy, max_tokens: 1 })).choices[0].tokens.length, 1);
  });

  test("requests wait for each other, and one that waits can be stopped", async () => {
    const controller = new AbortController();
    const first = model.complete({ prompt: [1], ...greedy });
    const second = model.complete({ prompt: [1], ...greedy, signal: controller.signal });
    const third = model.complete({ prompt: [1], ...greedy });
    controller.abort();
    await assert.rejects(second, { name: "AbortError" });
    assert.deepEqual((await first).choices[0].tokens, (await third).choices[0].tokens);
  });
});

test("text and tokens", async () => {
  for (const text of ["Once upon a time", "größer ☂ 猫 \n\t x  y", ""]) {
    assert.equal(await model.detokenize(await model.tokenize(text)), text);
  }
  await failsWith("input", model.detokenize([2 ** 31]));
});

test("every matrix is told", async () => {
  const matrices = await model.inspect();
  const layers = Math.max(...matrices.map(({ layer }) => layer)) + 1;
  assert.equal(matrices.filter(({ kind }) => !["embedding", "head"].includes(kind)).length, 7 * layers);
  for (const { name, rows, columns, planes, planes_ready, bytes, error, reason } of matrices) {
    assert.ok(name && reason, name);
    assert.ok(planes >= 1 && planes_ready === planes && error >= 0, name);
    assert.ok(bytes >= (rows * columns * planes) / 8, name);
  }
});

test("fewer planes are another model, all of them the first again", async () => {
  const ask = async () => [...(await model.logits([1, 2, 3]))];
  const all = await ask();
  // The first shard is the base; a shard of planes may hold several planes of a matrix.
  const levels = (await shardList()).length - 1;
  await model.setPlanes(levels - 1);
  assert.notDeepEqual(await ask(), all);
  await model.setPlanes(undefined);
  assert.deepEqual(await ask(), all);
  await failsWith("input", model.setPlanes(levels + 1));
});
