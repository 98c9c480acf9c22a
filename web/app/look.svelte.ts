/** How the model is looked at. */
import type { Chosen } from "./link.ts";

export class Look {
  picture: Chosen["picture"] = $state("grid");
  colour: Chosen["colour"] = $state("bits");
  /** Megabytes that are tried. */
  budget: number | undefined = $state();
  /** The matrix that is pointed at, by name. */
  pointed = $state("");
  /** Planes that matrices would have with that budget, by name. */
  plan: Map<string, number> | undefined = $state.raw();
}
