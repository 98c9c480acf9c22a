// Python with packages that tests need, beside whatever Python the machine has: nothing of it is changed.

import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pythonWithPip } from "./checkpoint.mjs";
import { onPath, run, say } from "./command.mjs";
import { cache } from "./folders.mjs";

/**
 * A Python that has these packages, each as `name==version`: its program, and the environment to run it in. `$NOMUL_PYTHON`
 * names one that has them already.
 */
export async function pythonWith(packages) {
  if (process.env.NOMUL_PYTHON) return { python: process.env.NOMUL_PYTHON, env: {} };
  const folder = join(cache, "python", packages.join(" ").replace(/[^\w.=-]+/g, "_"));
  const env = { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" };
  if (existsSync(folder)) return { python: onPath("python3", "python"), env };
  const python = await pythonWithPip();
  say(`- installing ${packages.join(", ")} for Python`);
  const temporary = `${folder}.${process.pid}.part`;
  try {
    await run(python, ["-m", "pip", "install", "--quiet", "--no-input", "--target", temporary, ...packages]);
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return { python, env };
}
