// npm start: from a fresh checkout to the page in a browser.

import { build } from "./build.mjs";
import { model } from "./model.mjs";
import { SERVE_HELP, SERVE_OPTIONS, serveUntilInterrupted } from "./serve.mjs";
import { setup } from "./setup.mjs";
import { fromUser, main, run, say } from "./shared/command.mjs";
import { dist } from "./shared/folders.mjs";

const HELP = `
usage: npm start -- [--port N] [--host NAME] [--model FOLDER] [--isolated] [--open]

Sets up what is missing, builds the package and the page, gets and quantises the default model, serves the page and
prints its address. What is there already is not done again.

  --model FOLDER   a model folder to serve in place of the default one
${SERVE_HELP}  --open           opens the page in the browser
  --help           this text
`;

const OPENERS = { darwin: ["open"], win32: ["cmd", "/c", "start", ""] };

await main({ help: HELP, options: { ...SERVE_OPTIONS, open: { type: "boolean" } } }, async ({ values }) => {
  await setup();
  await build();
  const folder = values.model === undefined ? (await model()).folder : fromUser(values.model);
  const url = await serveUntilInterrupted(dist, folder, values);
  if (values.open) {
    const [opener, ...words] = OPENERS[process.platform] ?? ["xdg-open"];
    await run(opener, [...words, url]).catch((error) => say(error.message));
  }
});
