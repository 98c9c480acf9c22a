// The server component, asked by OpenAI's own client.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { output } from "../../pkg-scripts/shared/command.mjs";
import { edgeComponent, nomul, nomulEdge, root, target } from "../../pkg-scripts/shared/folders.mjs";

const folder = join(root, "tests", "golden", "model-tiny");
const messages = [{ role: "user", content: "What is gravity?" }];
const request = { model: "nomul", messages, max_tokens: 24, temperature: 0 };

/** A port that nobody uses now. */
async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** The words that start each host: with the folder of a model, or none, and variables of its environment. */
const HOSTS = {
  // With a model it is an image, as servers use it; hosts.test.mjs and the other host read the folder.
  "nomul-edge": async (model, variables) => {
    const words = ["--listen", "127.0.0.1:0", ...variables.flatMap((variable) => ["--env", variable])];
    if (!model) return [nomulEdge, "serve", edgeComponent("server-simd"), ...words];
    const image = join(target, "edge", "server-test.component.wasm");
    await output(nomulEdge, ["image", edgeComponent("server-simd"), model, "-o", image]);
    return [nomulEdge, "serve", image, "--instances", "2", ...words];
  },
  "Node, by jco": async (model, variables) => {
    const script = join(root, "examples", "edge-js", "serve.mjs");
    return [process.execPath, script, edgeComponent("server-simd"), model, await freePort(), ...variables];
  },
};

/** A server and its address. */
async function start(host, model, variables = []) {
  const [program, ...words] = await HOSTS[host](model, variables);
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((done, failed) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("exit", (status) => failed(new Error(`the server ended with status ${status}`)));
  });
  return { address, child, client: new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 }) };
}

const post = (address, path, body) =>
  fetch(address + path, { method: "POST", headers: { "content-type": "application/json" }, body });

for (const host of Object.keys(HOSTS))
  describe(`the server under ${host}`, () => {
    let server;
    let expected;

    before(async () => {
      expected = (await output(nomul, ["run", folder, "-p", messages[0].content, "--chat", "-n", "24"])).slice(0, -1);
      server = await start(host, folder, ["NOMUL_MAX_BODY=20000", "NOMUL_MAX_TOKENS=40"]);
    });
    after(() => server?.child.kill());

    test("answers a chat at once", async () => {
      const { choices, usage, object } = await server.client.chat.completions.create(request);
      assert.equal(object, "chat.completion");
      assert.deepEqual(choices[0].message, { role: "assistant", content: expected, refusal: null });
      assert.equal(choices[0].finish_reason, "length");
      assert.deepEqual([usage.completion_tokens, usage.total_tokens], [24, usage.prompt_tokens + 24]);
    });

    test("streams the same, token by token", async () => {
      const stream = await server.client.chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = "";
      const chunks = [];
      for await (const chunk of stream) {
        chunks.push(chunk);
        text += chunk.choices[0]?.delta.content ?? "";
      }
      assert.equal(text, expected);
      assert.equal(chunks[0].choices[0].delta.role, "assistant");
      assert.equal(chunks.at(-2).choices[0].finish_reason, "length");
      assert.equal(chunks.at(-1).usage.completion_tokens, 24);
      assert.ok(chunks.length > 10);
    });

    test("answers several at once, each as alone", async () => {
      const all = await Promise.all(Array.from({ length: 6 }, () => server.client.chat.completions.create(request)));
      for (const { choices } of all) assert.equal(choices[0].message.content, expected);
    });

    test("tells how likely tokens were", async () => {
      const { choices } = await server.client.chat.completions.create({
        ...request,
        max_tokens: 3,
        logprobs: true,
        top_logprobs: 2,
      });
      const told = choices[0].logprobs.content;
      assert.equal(told.length, 3);
      for (const { token, logprob, top_logprobs } of told) {
        assert.ok(logprob < 0 && top_logprobs.length === 2);
        assert.deepEqual([top_logprobs[0].token, top_logprobs[0].logprob], [token, logprob]);
      }
    });

    test("continues a text", async () => {
      const prompt = "Once upon a time, in a village of 27 houses,";
      const alone = (await output(nomul, ["run", folder, "-p", prompt, "-n", "12"])).slice(0, -1);
      const { choices } = await server.client.completions.create({
        model: "nomul",
        prompt,
        max_tokens: 12,
        temperature: 0,
      });
      assert.equal(choices[0].text, alone);
      let text = "";
      const words = { model: "nomul", prompt, max_tokens: 12, temperature: 0, stream: true };
      for await (const chunk of await server.client.completions.create(words)) text += chunk.choices[0].text;
      assert.equal(text, alone);
    });

    test("makes vectors of length one, the same as numbers and as base64", async () => {
      const input = ["Gravity pulls.", "Gravity pulls.", "27 houses"];
      // Without a format OpenAI's client asks for base64.
      const { data, usage } = await server.client.embeddings.create({ model: "nomul", input });
      const plain = await server.client.embeddings.create({ model: "nomul", input, encoding_format: "float" });
      assert.deepEqual(data, plain.data);
      assert.equal(data.length, 3);
      assert.equal(data[0].embedding.length, 96);
      assert.ok(Math.abs(Math.hypot(...data[0].embedding) - 1) < 1e-6);
      assert.deepEqual(data[0].embedding, data[1].embedding);
      assert.notDeepEqual(data[0].embedding, data[2].embedding);
      assert.ok(usage.prompt_tokens > 0);
    });

    test("names its model, and says that it is well", async () => {
      assert.deepEqual(
        (await server.client.models.list()).data.map(({ id }) => id),
        ["nomul"],
      );
      assert.equal((await server.client.models.retrieve("nomul")).id, "nomul");
      assert.deepEqual(await (await fetch(`${server.address}/healthz`)).json(), { status: "ok" });
    });

    test("never makes more tokens than it may", async () => {
      const { usage } = await server.client.chat.completions.create({
        ...request,
        max_tokens: 1000,
        logit_bias: { 306: -100 },
      });
      assert.equal(usage.completion_tokens, 40);
    });

    describe("refuses", () => {
      const refusals = {
        "what is no JSON": ["/v1/chat/completions", "{", 400, "input"],
        "a chat without messages": ["/v1/chat/completions", '{"messages": []}', 400, "input"],
        "a message that is none": ["/v1/chat/completions", '{"messages": [{"role": 7}]}', 400, "input"],
        "a temperature under zero": [
          "/v1/chat/completions",
          JSON.stringify({ ...request, temperature: -1 }),
          400,
          "input",
        ],
        "several answers": ["/v1/chat/completions", JSON.stringify({ ...request, n: 2 }), 400, "input"],
        tools: ["/v1/chat/completions", JSON.stringify({ ...request, tools: [{}] }), 400, "unsupported"],
        "a prompt longer than the context": [
          "/v1/completions",
          JSON.stringify({ prompt: "word ".repeat(1000) }),
          400,
          "context_length_exceeded",
        ],
        "JSON that is deeper than anything": ["/v1/completions", `{"prompt": ${"[".repeat(15000)}`, 400, "input"],
        "tokens that are not there": ["/v1/embeddings", '{"input": [1, 99999]}', 400, "input"],
        "a long body": ["/v1/chat/completions", JSON.stringify({ prompt: "x".repeat(20000) }), 413, "body_too_large"],
        "an unknown path": ["/v1/nothing", "{}", 404, "not_found"],
      };
      for (const [what, [path, body, status, code]] of Object.entries(refusals)) {
        test(what, async () => {
          const response = await post(server.address, path, body);
          const { error } = await response.json();
          assert.deepEqual([response.status, error.code, error.type], [status, code, "invalid_request_error"]);
          assert.ok(error.message.length > 5 && !error.message.includes("\n"), error.message);
        });
      }

      test("another method", async () => {
        const response = await fetch(`${server.address}/v1/completions`);
        assert.deepEqual([response.status, (await response.json()).error.code], [405, "method_not_allowed"]);
      });

      test("and lives on", async () => {
        const { choices } = await server.client.chat.completions.create(request);
        assert.equal(choices[0].message.content, expected);
      });
    });

    test("goes on after a client has left in the middle", async () => {
      const controller = new AbortController();
      const words = { ...request, stream: true };
      const stream = await server.client.chat.completions.create(words, { signal: controller.signal });
      for await (const _ of stream) break;
      controller.abort();
      const { choices } = await server.client.chat.completions.create(request);
      assert.equal(choices[0].message.content, expected);
    });

    test("without a model, says what is missing and stays", async () => {
      const server = await start(host, "");
      try {
        for (let time = 0; time < 2; time++) {
          const response = await post(server.address, "/v1/chat/completions", JSON.stringify(request));
          const { error } = await response.json();
          assert.deepEqual([response.status, error.type, error.code], [503, "server_error", "missing"]);
          assert.match(error.message, /\/model/);
        }
      } finally {
        server.child.kill();
      }
    });
  });

test("nomul-edge throws an instance away whose time is up, and goes on", async () => {
  const words = ["serve", edgeComponent("server-simd"), "--model", folder, "--seconds", "0", "--listen", "127.0.0.1:0"];
  const child = spawn(nomulEdge, words, { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [address] = await once(createInterface({ input: child.stdout }), "line");
    for (let time = 0; time < 2; time++) {
      const response = await post(address, "/v1/chat/completions", JSON.stringify(request));
      assert.deepEqual([response.status, (await response.json()).error.code], [500, "stopped"]);
    }
  } finally {
    child.kill();
  }
});
