// A fresh project outside the repository, with the package in it as npm would hand it out.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pack } from "../../../pkg-scripts/pack.mjs";

/** Answers with the project's folder, npm's account of the tarball, and `close()`. */
export async function packedProject() {
  const packed = await pack();
  const project = await mkdtemp(join(tmpdir(), "nomul-project-"));
  const close = () => rm(project, { recursive: true, force: true });
  try {
    await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
    // It has no dependencies, so nothing is fetched.
    const words = ["install", packed.path, "--offline", "--no-audit", "--no-fund"];
    await promisify(execFile)("npm", words, { cwd: project });
    return { project, packed, close };
  } catch (error) {
    await close();
    throw error;
  }
}
