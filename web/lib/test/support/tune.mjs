// Workers with other sizes and times, given as `segmentBytes=4096&firstPauseMs=5`.

import { tuning } from "../../build/tuning.js";

/** Sets what is given, and leaves what is not as it is for everybody. */
export function tune(values) {
  for (const [name, value] of values) if (name in tuning) tuning[name] = Number(value);
}
