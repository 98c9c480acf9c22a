// npm run pack: the package as the tarball that npm would publish.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { buildPackage } from "./build.mjs";
import { setup } from "./setup.mjs";
import { isScript, main, output } from "./shared/command.mjs";
import { dist } from "./shared/folders.mjs";

/** Builds the package and packs it; answers with npm's account of the tarball, and its path. */
export async function pack() {
  await buildPackage();
  await mkdir(dist, { recursive: true });
  const [account] = JSON.parse(await output("npm", ["pack", "--json", "-w", "web/lib", "--pack-destination", dist]));
  return { ...account, path: join(dist, account.filename) };
}

const HELP = `
usage: npm run pack -- [--json]

Builds the npm package and packs it into dist/. The path of the tarball is the last line of the output.

  --json    the last line is an object with "path", "size", "unpackedSize" and "files"
  --help    this text
`;

if (isScript(import.meta.url)) {
  await main({ help: HELP, options: { json: { type: "boolean" } } }, async ({ values }) => {
    await setup();
    const { path, size, unpackedSize, files } = await pack();
    process.stdout.write(values.json ? `${JSON.stringify({ path, size, unpackedSize, files })}\n` : `${path}\n`);
  });
}
