// The AI SDK's interface: requests as the SDK makes them, answers as it expects them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { load } from "nomul";
import { aiSdkModel } from "nomul/ai-sdk";
import { folder } from "./support/model.mjs";

let model, sdk;
before(async () => {
  model = await load(folder);
  sdk = aiSdkModel(model, { modelId: "tiny" });
});
after(() => model?.dispose());

const prompt = [
  { role: "system", content: "Be brief." },
  { role: "user", content: [{ type: "text", text: "What is gravity?" }] },
];
const messages = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "What is gravity?" },
];

test("an answer is that of the model's own interface", async () => {
  const own = await model.chat({ messages, max_tokens: 9, temperature: 0 });
  const { content, finishReason, usage, warnings } = await sdk.doGenerate({
    prompt,
    maxOutputTokens: 9,
    temperature: 0,
  });
  assert.deepEqual([sdk.specificationVersion, sdk.provider, sdk.modelId], ["v3", "nomul", "tiny"]);
  assert.deepEqual(content, [{ type: "text", text: own.choices[0].message.content }]);
  assert.deepEqual(finishReason, { unified: own.choices[0].finish_reason, raw: own.choices[0].finish_reason });
  assert.equal(usage.inputTokens.total, own.usage.prompt_tokens);
  assert.equal(usage.outputTokens.total, 9);
  assert.deepEqual(warnings, []);
});

test("a stream says the same, in order", async () => {
  const whole = await sdk.doGenerate({ prompt, maxOutputTokens: 9, temperature: 0 });
  const { stream } = await sdk.doStream({ prompt, maxOutputTokens: 9, temperature: 0 });
  const parts = [];
  for await (const part of stream) parts.push(part);
  assert.deepEqual(
    parts.map(({ type }) => type).filter((type) => type !== "text-delta"),
    ["stream-start", "text-start", "text-end", "finish"],
  );
  assert.equal(parts.map(({ delta }) => delta ?? "").join(""), whole.content[0].text);
  assert.deepEqual(parts.at(-1).finishReason, whole.finishReason);
});

test("a stream that is not wanted any more, and one that is aborted", async () => {
  const { stream } = await sdk.doStream({ prompt });
  const reader = stream.getReader();
  for (let i = 0; i < 4; i++) await reader.read();
  await reader.cancel();
  const controller = new AbortController();
  const aborted = await sdk.doStream({ prompt, abortSignal: controller.signal });
  const parts = [];
  for await (const part of aborted.stream) {
    parts.push(part);
    if (parts.length === 4) controller.abort();
  }
  assert.equal(parts.at(-1).type, "error");
  assert.equal(parts.at(-1).error.name, "AbortError");
  // The model is free.
  assert.equal((await model.complete({ prompt: [1], max_tokens: 1 })).choices[0].tokens.length, 1);
});

/** A model that says what it is told to, and tells what it was asked. */
function fake(...chunks) {
  const asked = [];
  const chat = async function* (request) {
    asked.push(request);
    for (const delta of chunks) yield { choices: [{ index: 0, delta, finish_reason: null }] };
    const usage = {
      prompt_tokens: 5,
      completion_tokens: 2,
      total_tokens: 7,
      prompt_tokens_details: { cached_tokens: 1 },
    };
    yield { choices: [{ index: 0, delta: {}, finish_reason: chunks.length ? "tool_calls" : "stop" }], usage };
  };
  return { asked, sdk: aiSdkModel({ chat }) };
}

test("tools, calls and what they gave go through", async () => {
  const call = { index: 0, id: "c1", type: "function", function: { name: "f", arguments: '{"a":1}' } };
  const { asked, sdk } = fake({ tool_calls: [call] });
  const tools = [
    { type: "function", name: "f", description: "d", inputSchema: { type: "object" } },
    { type: "provider", id: "x.y", name: "y", args: {} },
  ];
  const history = [
    ...prompt,
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "c0", toolName: "f", input: { a: 0 } }] },
    {
      role: "tool",
      content: [{ type: "tool-result", toolCallId: "c0", toolName: "f", output: { type: "json", value: [1] } }],
    },
  ];
  const { content, finishReason, warnings } = await sdk.doGenerate({
    prompt: history,
    tools,
    toolChoice: { type: "required" },
  });
  assert.deepEqual(content, [{ type: "tool-call", toolCallId: "c1", toolName: "f", input: '{"a":1}' }]);
  assert.equal(finishReason.unified, "tool-calls");
  assert.deepEqual(
    warnings.map(({ type, feature }) => `${type}: ${feature}`),
    ["unsupported: provider-defined tool x.y"],
  );
  assert.equal(asked[0].tool_choice, "required");
  await sdk.doGenerate({ prompt: history, tools, toolChoice: { type: "tool", toolName: "f" } });
  assert.deepEqual(asked[1].tool_choice, { type: "function", function: { name: "f" } });
  assert.deepEqual(asked[0].tools, [
    { type: "function", function: { name: "f", description: "d", parameters: { type: "object" } } },
  ]);
  assert.deepEqual(asked[0].messages.slice(2), [
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id: "c0", type: "function", function: { name: "f", arguments: '{"a":0}' } }],
    },
    { role: "tool", content: "[1]", tool_call_id: "c0", name: "f" },
  ]);
});

test("a schema is asked for, a picture is refused", async () => {
  const { asked, sdk } = fake();
  const schema = { type: "object" };
  await sdk.doGenerate({ prompt, responseFormat: { type: "json", schema } });
  await sdk.doGenerate({ prompt, responseFormat: { type: "json" } });
  assert.deepEqual(
    asked.map(({ response_format }) => response_format),
    [{ type: "json_schema", json_schema: { schema } }, { type: "json_object" }],
  );
  const picture = [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: "" }] }];
  await assert.rejects(async () => sdk.doGenerate({ prompt: picture }), { code: "unsupported" });
});
