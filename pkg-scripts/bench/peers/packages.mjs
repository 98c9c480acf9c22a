// The other engines: published packages at fixed versions, in the user's cache. nomul itself never depends on them.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Failure, run, say } from "../../shared/command.mjs";
import { userCache } from "../../shared/folders.mjs";

/** By the name under which the page finds them: package, version, and the digest that its lock file would hold. */
export const PACKAGES = {
  // MIT
  wllama2: {
    package: "@wllama/wllama",
    version: "2.4.0",
    integrity: "sha512-KuVHeTUXcqHF01d85q3nWaRSVLpszULNGjO+nx4cyZ8sBjZvKSMViWNCfcs/1w2bqjyegERJzWsrdQSHSEoSlQ==",
  },
  // MIT
  wllama3: {
    package: "@wllama/wllama",
    version: "3.8.1",
    integrity: "sha512-Pl7BEJhPU8OHnV/yhn3DFZYhLLOdSHh+4TND79WCftHnlUAdQPAsyc/CfIOY+4mVxvf5VW3Xw3Uf7BBfotS1gw==",
  },
  // Apache-2.0
  transformers: {
    package: "@huggingface/transformers",
    version: "4.3.1",
    integrity: "sha512-5+voSeUCFK6PCKlY15dPhNOKq3/zOTxDN7oC+Wy9dFb1QZ0TSQomZRRy7URRK8YRuUoE9fGMQTTPC5d/pWBJhA==",
  },
  // MIT; the one that this version of transformers.js is built with
  onnxruntime: {
    package: "onnxruntime-web",
    version: "1.31.0-dev.20260914-8d85527a0",
    integrity: "sha512-Iy7rtadoBgxS/LLvDr3QW38DB1PNXRnr0GJMcL0TAt7c9qjgVQl83UlGCVyeAnK2InpmW8Uc3PL8XIuqtDeF6g==",
  },
};

/**
 * The folder of one of them, fetched at first use. npm fetches it, so mirrors and proxies set up for npm serve; packed
 * rather than installed, because the browser's file needs none of what it depends on in Node.
 */
export async function packageFolder(name) {
  const { package: published, version, integrity } = PACKAGES[name];
  const folder = join(userCache(), "peers", `${name}-${version}`);
  if (existsSync(folder)) return folder;
  say(`- getting ${published} ${version} (once)`);
  await mkdir(join(userCache(), "peers"), { recursive: true });
  const temporary = await mkdtemp(join(userCache(), "peers", "download-"));
  try {
    await run("npm", ["pack", `${published}@${version}`, "--ignore-scripts", "--silent"], { cwd: temporary });
    const [archive] = await readdir(temporary);
    const found = `sha512-${createHash("sha512")
      .update(await readFile(join(temporary, archive)))
      .digest("base64")}`;
    if (found !== integrity) throw new Failure(`${archive}: its integrity is ${found}, not ${integrity}`);
    await run("tar", ["-xzf", archive], { cwd: temporary });
    await rename(join(temporary, "package"), folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}
