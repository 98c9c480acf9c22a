/** How answers are made: what the sampling drawer sets. */

/** An empty field leaves the choice to the model. */
export interface Settings {
  system: string;
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repetition_penalty: number | null;
  max_tokens: number | null;
  seed: number | null;
}

export const DEFAULT_SETTINGS: Readonly<Settings> = {
  system: "",
  temperature: 0.5,
  top_p: 0.9,
  top_k: null,
  min_p: null,
  repetition_penalty: 1.1,
  max_tokens: 512,
  seed: null,
};

/** The settings as the package takes them: what is empty is left out. */
export function sampling(settings: Settings): Record<string, number> {
  const { system: _system, ...fields } = settings;
  return Object.fromEntries(Object.entries(fields).filter((field): field is [string, number] => field[1] !== null));
}
