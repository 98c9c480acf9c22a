// Puts a question to a model inside a component: node main.mjs nomul.component.wasm MODEL "What is gravity?"
// jco turns the component into a module of JavaScript and core WebAssembly, which any engine with SIMD runs.

import { transpile } from "@bytecodealliance/jco-transpile";
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [component, folder, question] = process.argv.slice(2);

// Once is enough: `npx jco transpile` does the same ahead of time.
const made = await mkdtemp(join(tmpdir(), "nomul-edge-"));
try {
  const { files } = await transpile(component, { name: "nomul", outDir: made });
  for (const [file, bytes] of Object.entries(files)) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
  }
  await writeFile(join(made, "package.json"), '{ "type": "module" }');
  const { models } = await import(pathToFileURL(join(made, "nomul.js")));

  const read = (file) => readFile(join(folder, file));
  const optional = (file) => read(file).catch(() => undefined);
  const model = models.Model.open({
    config: await read("config.json"),
    index: await read("model.safetensors.index.json"),
    tokenizer: await read("tokenizer.json"),
    tokenizerConfig: await optional("tokenizer_config.json"),
    generationConfig: await optional("generation_config.json"),
    chatTemplate: await optional("chat_template.jinja"),
  });
  for (const { file } of model.shards()) model.push(await read(file));

  const answer = model.chat([{ role: "user", content: question }], { maxTokens: 24, logitBias: [], stop: [] });
  for (let event = answer.next(); ; event = answer.next()) {
    if (event.tag !== "prefill") process.stdout.write(event.val.text);
    if (event.tag === "end") break;
  }
  process.stdout.write("\n");
} finally {
  await rm(made, { recursive: true });
}
