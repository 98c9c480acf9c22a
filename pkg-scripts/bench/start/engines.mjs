// What is opened: the page as it is built, and beside each other nomul's package and wllama's, in one page for both.

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { atomically, verify } from "../../shared/atomic.mjs";
import { DEFAULT, defaultCheckpoint } from "../../shared/checkpoint.mjs";
import { say } from "../../shared/command.mjs";
import { userCache } from "../../shared/folders.mjs";
import { nomul, wllama } from "../peers/configurations.mjs";
import { inQ4_0 } from "./requantize.mjs";
import { visitEngine, visitPage } from "./visit.mjs";

export const QUESTION = "What is gravity?";
export const TOKENS = 16;
/** What the model's own template says where nobody does. wllama leaves it out, so both are told: they read the same. */
const SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
const CONTEXT = 1024;

const PAGE = fileURLToPath(new URL("../peers/page/", import.meta.url));

/** Of what has to come of the default checkpoint. */
const DIGEST = "c624c2bea4349b36453448197f53b3935a96da7934904c124a612716c348a8ff";

/** The checkpoint of the default model in Q4_0, made at first use. */
export async function smallCheckpoint() {
  const path = join(userCache(), "checkpoints", DEFAULT.file.replace("Q4_1", "Q4_0"));
  if (existsSync(path)) return path;
  const checkpoint = await defaultCheckpoint();
  say(`- writing ${basename(checkpoint)} in Q4_0 (once)`);
  await atomically(path, async (temporary) => {
    await writeFile(temporary, inQ4_0(await readFile(checkpoint)));
    await verify(temporary, DIGEST);
  });
  return path;
}

/** Where an engine is opened in the page that they have in common, and is asked. */
function address({ module, options }) {
  const messages = [
    { role: "system", content: SYSTEM },
    { role: "user", content: QUESTION },
  ];
  // Unlike nomul, wllama has no levels to start at.
  const all = { ...options, context: CONTEXT, cache: true, startAtPlanes: 1 };
  const request = { engine: module, options: all, messages, tokens: TOKENS };
  return `bench/start.html?${new URLSearchParams({ request: JSON.stringify(request) })}`;
}

const onOneThread = (configurations) => configurations.find(({ threads }) => threads === 1);

/**
 * In the order in which they take turns: `folder` is nomul's model, `gguf` the file of wllama. `mounts` are folders to
 * serve beside the built page, `address` is what to open there and `visit` how.
 */
export async function engines(folder, gguf) {
  const ours = onOneThread(nomul(basename(folder), folder, "default"));
  const theirs = onOneThread(await wllama("wllama2", gguf, "gguf"));
  return [
    { ...ours, engine: "page", mounts: { model: folder }, address: "", visit: visitPage },
    ...[ours, theirs].map((each) => ({
      ...each,
      mounts: { ...each.mounts, bench: PAGE },
      address: address(each),
      visit: visitEngine,
    })),
  ];
}
