// Makes model-tiny/: the checkpoint checkpoints/llama, quantised as `nomul quantize` does by default, on short windows.
// Run it after a change to the quantiser or to the format: node tests/golden/model-tiny.mjs

import { join } from "node:path";
import { run } from "../../pkg-scripts/shared/command.mjs";
import { nomul, root } from "../../pkg-scripts/shared/folders.mjs";
import { setup } from "../../pkg-scripts/setup.mjs";

const golden = join(root, "tests", "golden");

await setup();
await run(nomul, [
  "quantize",
  join(golden, "checkpoints", "llama"),
  "--output",
  join(golden, "model-tiny"),
  "--force",
  ...["--windows", "8", "--window", "64"],
]);
