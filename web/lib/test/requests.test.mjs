// What can be asked of a model in one request, and what is refused.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { load, NomulError } from "nomul";
import { failsWith, folder } from "./support/model.mjs";

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

const tools = [{ type: "function", function: { name: "f" } }];

describe("options", () => {
  const cases = [
    [{ temprature: 1 }, /there is no option temprature; did you mean temperature\?/],
    [{ topP: 1 }, /there is no option topP; did you mean top_p\?/],
    [{ maxTokens: 1 }, /did you mean max_tokens\?/],
    [{ banana: 1 }, /there is no option banana; there are: /],
    [{ temperature: "hot" }, /temperature is "hot", not a number/],
    [{ max_tokens: 1.5 }, /max_tokens is 1.5, not a whole number of at least 0/],
    [{ max_tokens: -1 }, /max_tokens/],
    [{ stop: [1] }, /stop is \[1\], not a text or a list of texts/],
    [{ signal: {} }, /signal is \{\}, not an AbortSignal/],
    [{ n: 0 }, /n is 0, not a whole number from 1 to 16/],
    [{ logit_bias: { x: 1 } }, /logit_bias: the key x/],
    [{ logit_bias: { 1: "a" } }, /logit_bias of token 1 is "a"/],
    [{ logit_bias: { 1e9: 1 } }, /logit_bias of token 1000000000: the vocabulary has/],
    [{ truncation: "left" }, /truncation is "left", not "disabled" or "auto"/],
    [{ max_tokens: 1, max_completion_tokens: 2 }, /they mean the same/],
    [{ top_logprobs: 2 }, /top_logprobs asks for logprobs: true/],
    [{ logprobs: true, top_logprobs: 21 }, /top_logprobs is 21/],
    [{ tool_choice: "auto" }, /tool_choice: "auto" asks for tools/],
    [{ tool_choice: "required" }, /tool_choice: "required" asks for tools/],
    [{ tool_choice: "always" }, /tool_choice is "always", not "auto"/],
    [{ tools, tool_choice: { type: "function", function: { name: "g" } } }, /no tool is named g; there are: f/],
    [{ tools, tool_choice: { type: "function", function: {} } }, /tool_choice\.function: it has no name/],
    [{ tools, tool_choice: { type: "function", name: "f" } }, /there is no option name/],
    [{ tools: [{ type: "function" }] }, /tools\[0\]\.function/],
    [{ response_format: { type: "xml" } }, /response_format.type is "xml"/],
    [{ response_format: { type: "json_schema" } }, /response_format\.json_schema/],
    [{ messages: [] }, /there are no messages/],
    [{ messages: "hi" }, /messages is "hi", not a list of messages/],
    [{ messages: [{ content: "hi" }] }, /messages\[0\]: it has no role/],
    [{ messages: [{ role: "user" }] }, /messages\[0\]: it has no content/],
    [{ messages: [{ role: "user", content: 3 }] }, /messages\[0\]: content is 3/],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, /type is "image_url", not "text"/],
  ];
  for (const [options, line] of cases) {
    test(JSON.stringify(options), async () => {
      assert.match((await failsWith("input", model.chat({ messages, ...greedy, ...options }))).message, line);
      const streamed = collect(model.chat({ messages, ...greedy, ...options, stream: true }));
      assert.match((await failsWith("input", streamed)).message, line);
    });
  }

  test("of complete, of load, and of everything else", async () => {
    assert.match((await failsWith("input", model.complete({ prompts: "a" }))).message, /did you mean prompt\?/);
    await failsWith("input", model.complete({ ...greedy }));
    await failsWith("input", model.complete({ prompt: ["a"] }));
    await failsWith("input", model.complete());
    await failsWith("input", model.chat(null));
    assert.match((await failsWith("input", load(folder, { thread: 1 }))).message, /did you mean threads\?/);
    await failsWith("input", load(folder, { cache: "disk" }));
    assert.match((await failsWith("input", load(folder, { cache: false, evict: true }))).message, /evict/);
    await failsWith("input", load({ uri: "x" }));
    await failsWith("input", model.tokenize(3));
    await failsWith("input", model.tokenize("a", { addspecial: true }));
    await failsWith("input", model.logits([1], { timeout: 1 }));
    await failsWith("input", model.setPlanes("all"));
    await failsWith("input", model.perplexity(undefined));
    await failsWith("input", model.perplexity([1]));
    await failsWith("input", model.embed({}));
    await failsWith("input", model.loadState("x"));
  });

  test("after all of that the model answers", async () => {
    assert.equal((await model.complete({ prompt: [1], ...greedy })).choices[0].tokens.length, 12);
  });
});

describe("several answers", () => {
  const drawn = { prompt: "Once", temperature: 1, top_p: 1, top_k: 0, seed: 5, max_tokens: 6, n: 3 };

  test("each has the seed after the one before", async () => {
    const { choices, usage } = await model.complete(drawn);
    assert.deepEqual(
      choices.map(({ index }) => index),
      [0, 1, 2],
    );
    assert.equal(usage.completion_tokens, choices.flatMap(({ tokens }) => tokens).length);
    const second = await model.complete({ ...drawn, n: 1, seed: 6 });
    assert.deepEqual(choices[1].tokens, second.choices[0].tokens);
    assert.notDeepEqual(choices[0].tokens, choices[1].tokens);
  });

  test("streamed they say the same", async () => {
    const { choices } = await model.complete(drawn);
    const parts = await collect(model.complete({ ...drawn, stream: true }));
    for (const { index, tokens } of choices) {
      const found = parts.flatMap(({ choices: [choice] }) => (choice.index === index ? choice.tokens : []));
      assert.deepEqual(found, tokens);
    }
    assert.equal(parts.filter(({ usage }) => usage !== undefined).length, 1);
  });
});

describe("probabilities", () => {
  test("of a chat, with the likeliest tokens", async () => {
    const request = { messages, ...greedy, max_tokens: 5, logprobs: true, top_logprobs: 4 };
    const { choices } = await model.chat(request);
    const { content } = choices[0].logprobs;
    assert.equal(content.length, 5);
    for (const { logprob, bytes, token, top_logprobs } of content) {
      assert.ok(logprob <= 0 && bytes.length > 0);
      assert.equal(token, new TextDecoder().decode(Uint8Array.from(bytes)));
      assert.equal(top_logprobs.length, 4);
      // Greedy takes the likeliest.
      assert.equal(top_logprobs[0].logprob, logprob);
      assert.ok(top_logprobs.every((each, i) => i === 0 || each.logprob <= top_logprobs[i - 1].logprob));
    }
    const parts = await collect(model.chat({ ...request, stream: true }));
    assert.deepEqual(
      parts.flatMap(({ choices: [{ logprobs }] }) => logprobs?.content ?? []),
      content,
    );
    assert.equal((await model.chat({ messages, ...greedy })).choices[0].logprobs, undefined);
  });

  test("are those of the logits", async () => {
    const prompt = await model.tokenize("Once upon a time");
    const logits = await model.logits(prompt);
    const most = Math.max(...logits);
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most;
    // Neither a bias nor a temperature changes them.
    const { choices } = await model.complete({ prompt, max_tokens: 1, temperature: 2, seed: 1, logprobs: 2 });
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0].logprobs;
    assert.ok(Math.abs(token_logprobs[0] - (logits[choices[0].tokens[0]] - total)) < 1e-4);
    assert.ok(Math.abs(Math.max(...Object.values(top_logprobs[0])) - (most - total)) < 1e-4);
    assert.deepEqual([tokens.length, text_offset], [1, [0]]);
  });

  test("a text's perplexity follows from them", async () => {
    const ids = await model.tokenize("Once upon a time there was a king");
    const { perplexity, tokens, logprobs } = await model.perplexity(ids);
    assert.equal(tokens, ids.length - 1);
    let sum = 0;
    for (let place = 1; place < ids.length; place++) {
      const logits = await model.logits(ids.slice(0, place));
      const most = Math.max(...logits);
      const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) + most;
      assert.ok(Math.abs(logprobs[place - 1] - (logits[ids[place]] - total)) < 1e-4, String(place));
      sum += logits[ids[place]] - total;
    }
    assert.ok(Math.abs(Math.log(perplexity) + sum / tokens) < 1e-4);
  });
});

test("a text has a vector of length one", async () => {
  const [a, b, same] = await Promise.all(["a king", "a queen", "a king"].map((text) => model.embed(text)));
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  assert.ok(Math.abs(dot(a, a) - 1) < 1e-5);
  assert.ok(dot(a, b) < 1 - 1e-6);
  assert.deepEqual(a, same);
  const raw = await model.embed("a king", { normalize: false });
  assert.ok(Math.abs(dot(a, raw) - Math.hypot(...raw)) < 1e-3);
});

describe("a schema", () => {
  const format = (schema) => ({ type: "json_schema", json_schema: { name: "x", schema } });
  const drawn = { temperature: 1, max_tokens: 300 };

  test("is followed, whatever is drawn", async () => {
    const schema = {
      type: "object",
      properties: {
        kind: { enum: ["cat", "dog"] },
        legs: { type: "integer", minimum: 0, maximum: 99 },
        tags: { type: "array", items: { enum: [1, 2] }, maxItems: 2 },
      },
      required: ["kind", "legs", "tags"],
      additionalProperties: false,
    };
    for (let seed = 0; seed < 5; seed++) {
      const { choices } = await model.chat({ messages, ...drawn, seed, response_format: format(schema) });
      // A model of random weights may write blanks until its tokens are used up.
      if (choices[0].finish_reason === "length") continue;
      const { kind, legs, tags } = JSON.parse(choices[0].message.content);
      assert.ok(["cat", "dog"].includes(kind) && Number.isInteger(legs) && legs <= 99 && tags.length <= 2);
    }
  });

  test("of one text leaves no choice, in a stream either", async () => {
    const response_format = format({ const: { a: [1, "b"] } });
    const parts = await collect(model.complete({ prompt: "x", ...drawn, seed: 1, response_format, stream: true }));
    const text = parts.map(({ choices }) => choices[0].text).join("");
    assert.deepEqual(JSON.parse(text), { a: [1, "b"] });
    assert.equal(parts.at(-1).choices[0].finish_reason, "stop");
    const probabilities = await model.complete({ prompt: "x", ...drawn, response_format, logprobs: 0 });
    assert.deepEqual(JSON.parse(probabilities.choices[0].text), { a: [1, "b"] });
  });

  test("that cannot be compiled is told, and the model answers on", async () => {
    for (const schema of [{ type: "wizard" }, { $ref: "#/nowhere" }, { minimum: "a" }, false]) {
      const error = await failsWith("input", model.chat({ messages, ...drawn, response_format: format(schema) }));
      assert.match(error.message, /^response_format: /, JSON.stringify(schema));
    }
    const circle = {};
    circle.properties = { circle };
    await failsWith("input", model.chat({ messages, ...drawn, response_format: format(circle) }));
    assert.equal((await model.complete({ prompt: [1], ...greedy })).choices[0].tokens.length, 12);
  });

  test("is not what tools are for", async () => {
    const error = await failsWith("input", model.chat({ messages, tools, response_format: { type: "json_object" } }));
    assert.match(error.message, /tools are not called/);
  });
});

describe("a call that is asked for", () => {
  const weather = {
    name: "weather",
    parameters: {
      type: "object",
      properties: { city: { enum: ["Rome", "Oslo"] }, unit: { $ref: "#/$defs/unit" } },
      required: ["city", "unit"],
      additionalProperties: false,
      $defs: { unit: { enum: ["C", "F"] } },
    },
  };
  const add = {
    name: "add",
    parameters: {
      type: "object",
      properties: { a: { enum: [1, 2] } },
      required: ["a"],
      additionalProperties: false,
    },
  };
  const tools = [weather, add].map((named) => ({ type: "function", function: named }));
  const drawn = { temperature: 1, max_tokens: 200 };
  const holds = ({ name, arguments: given }) => {
    const said = JSON.parse(given);
    if (name === "add") return assert.ok([1, 2].includes(said.a), given);
    assert.equal(name, "weather");
    assert.ok(["Rome", "Oslo"].includes(said.city) && ["C", "F"].includes(said.unit), given);
  };

  test("of any tool, or of one that is named", async () => {
    const named = (name) => ({ type: "function", function: { name } });
    for (const [tool_choice, names] of [
      ["required", ["weather", "add"]],
      [named("weather"), ["weather"]],
      [named("add"), ["add"]],
    ]) {
      for (let seed = 0; seed < 3; seed++) {
        const { choices } = await model.chat({ messages, ...drawn, seed, tools, tool_choice });
        const [{ message, finish_reason }] = choices;
        assert.deepEqual([message.content, message.tool_calls.length, finish_reason], ["", 1, "tool_calls"]);
        assert.ok(names.includes(message.tool_calls[0].function.name));
        holds(message.tool_calls[0].function);
      }
    }
  });

  test("in a stream", async () => {
    const parts = await collect(
      model.chat({ messages, ...drawn, seed: 4, tools, tool_choice: "required", stream: true }),
    );
    const deltas = parts.map(({ choices }) => choices[0].delta);
    assert.equal(deltas.map(({ content }) => content ?? "").join(""), "");
    const calls = deltas.flatMap(({ tool_calls }) => tool_calls ?? []);
    assert.equal(calls.length, 1);
    holds(calls[0].function);
    assert.equal(parts.at(-1).choices[0].finish_reason, "tool_calls");
  });

  test("whose parameters cannot be compiled is told, and the model answers on", async () => {
    const circle = {};
    circle.properties = { circle };
    for (const parameters of [{ type: "wizard" }, { $ref: "#/nowhere" }, circle]) {
      const bad = [{ type: "function", function: { name: "f", parameters } }];
      const error = await failsWith("input", model.chat({ messages, ...drawn, tools: bad, tool_choice: "required" }));
      assert.match(error.message, /^tools: /);
    }
    assert.equal((await model.complete({ prompt: [1], ...greedy })).choices[0].tokens.length, 12);
  });
});

describe("a prompt that is too long", () => {
  const long = "word ".repeat(60);
  const history = [
    { role: "system", content: "Be brief." },
    ...Array.from({ length: 80 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `${i} ${long}` })),
    { role: "user", content: "And now?" },
  ];

  test("is refused, or cut if that is asked for", async () => {
    await failsWith("capacity", model.chat({ messages: history, ...greedy }));
    const { usage } = await model.chat({ messages: history, ...greedy, truncation: "auto" });
    const { truncated } = usage.prompt_tokens_details;
    assert.ok(truncated > 0 && truncated % 2 === 0, String(truncated));
    assert.ok(usage.prompt_tokens + 12 <= model.info.contextLength);
    // What is left is as if it had been all.
    const kept = [history[0], ...history.slice(1 + truncated)];
    const same = await model.chat({ messages: kept, ...greedy });
    assert.equal(same.usage.prompt_tokens, usage.prompt_tokens);
    const text = await model.complete({ prompt: new Array(9999).fill(1), ...greedy, truncation: "auto" });
    assert.equal(text.usage.prompt_tokens, model.info.contextLength - 12);
  });

  test("the last message is never cut", async () => {
    const messages = [{ role: "user", content: long.repeat(200) }];
    await failsWith("capacity", model.chat({ messages, ...greedy, truncation: "auto" }));
  });
});

describe("keys and values", () => {
  const prompt = Array.from({ length: 90 }, (_, i) => 3 + ((i * 37) % 300));
  const cached = async (conversation, ids) =>
    (await conversation.complete({ prompt: ids, ...greedy, max_tokens: 2 })).usage.prompt_tokens_details.cached_tokens;

  test("are saved, and gone on with in another model", async () => {
    const first = await model.complete({ prompt, ...greedy });
    const state = await model.saveState();
    assert.ok(state instanceof Uint8Array);
    await using(async (other) => {
      await other.loadState(state);
      const second = await other.complete({ prompt, ...greedy });
      assert.equal(second.usage.prompt_tokens_details.cached_tokens, prompt.length - 1);
      assert.deepEqual(second.choices[0].tokens, first.choices[0].tokens);
      const damaged = state.slice();
      damaged[200] ^= 1;
      await failsWith("checksum", other.loadState(damaged));
      await failsWith("format", other.loadState(new ArrayBuffer(5)));
    });
    assert.equal(state[0], "n".charCodeAt(0), "the caller's bytes are still there");
  });

  test("of a fork and of its origin do not disturb each other", async () => {
    await cached(model, prompt);
    const fork = await model.fork();
    const other = [...prompt.slice(0, 50), 7, 8, 9];
    assert.equal(await cached(fork, other), 50);
    assert.equal(await cached(model, prompt), prompt.length - 1);
    assert.equal(await cached(fork, other), other.length - 1);
    assert.ok((await model.stats()).kept > 0);
    // Reading a text leaves conversations as they are.
    await model.perplexity(prompt.slice(20));
    assert.equal(await cached(model, prompt), prompt.length - 1);
    await fork.dispose();
    await model.complete({ prompt, ...greedy });
    assert.equal((await model.stats()).kept, 0);
  });

  test("stats", async () => {
    const before = await model.stats();
    await model.complete({ prompt, ...greedy });
    const { memory, requests, completion_tokens, timings, context_length } = await model.stats();
    assert.ok(memory > 1e6);
    assert.equal(requests, before.requests + 1);
    assert.equal(completion_tokens, before.completion_tokens + 12);
    assert.equal(context_length, model.info.contextLength);
    assert.ok(timings.decode_tokens_per_s > 0);
  });

  async function using(work) {
    const other = await load(folder, { contextLength: 128 });
    try {
      await work(other);
    } finally {
      await other.dispose();
    }
  }
});

test("after dispose everything fails, at once and with a code", async () => {
  const gone = await load(folder);
  const fork = await gone.fork();
  const waiting = failsWith("disposed", gone.complete({ prompt: [1], max_tokens: 500 }));
  await gone.dispose();
  await gone.dispose();
  await waiting;
  const calls = [
    gone.chat({ messages }),
    collect(gone.chat({ messages, stream: true })),
    gone.complete({ prompt: [1] }),
    fork.complete({ prompt: [1] }),
    gone.tokenize("a"),
    gone.detokenize([1]),
    gone.logits([1]),
    gone.perplexity("a b"),
    gone.embed("a"),
    gone.inspect(),
    gone.setPlanes(undefined),
    gone.stats(),
    gone.saveState(),
    gone.loadState(new ArrayBuffer(1)),
    gone.fork(),
  ];
  await Promise.all(calls.map((call) => failsWith("disposed", call)));
  await fork.dispose();
  const error = await gone.tokenize("a").catch((error) => error);
  assert.ok(error instanceof NomulError);
});

test("what `await using` calls disposes", async () => {
  // The words themselves are not in Node 20.
  const model = await load(folder);
  await model[Symbol.asyncDispose]();
  await failsWith("disposed", model.tokenize("a"));
});
