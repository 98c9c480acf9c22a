/** The address of what is in sight: which view, and what was chosen in it. `#/chat?levels=3&colour=error`. */
import { DEFAULT_SETTINGS, type Settings } from "./settings.ts";

/** What is looked at, and how. What is left out is as it was when the page was opened. */
export interface Chosen {
  picture: "grid" | "map";
  colour: "bits" | "error" | "cost" | "bytes" | "time";
  /** Levels of planes to answer with; `undefined`: all. */
  levels: number | undefined;
  /** Megabytes to share out anew; `undefined`: the planes as they are. */
  budget: number | undefined;
  settings: Settings;
}

export const UNCHOSEN: Readonly<Chosen> = {
  picture: "grid",
  colour: "bits",
  levels: undefined,
  budget: undefined,
  settings: DEFAULT_SETTINGS,
};

/** The part of an address behind `#`, taken apart. What cannot be read counts as left out. */
export function readLink(hash: string): Chosen {
  const query = new URLSearchParams(hash.split("?", 2)[1] ?? "");
  const number = (name: string, least: number, most: number) => {
    const value = Number(query.get(name) ?? NaN);
    return value >= least && value <= most ? value : undefined;
  };
  const one = <T extends string>(name: string, all: readonly T[], otherwise: T) =>
    all.find((each) => each === query.get(name)) ?? otherwise;
  const settings: Settings = { ...DEFAULT_SETTINGS, system: query.get("system") ?? DEFAULT_SETTINGS.system };
  for (const name of NUMBERS) {
    if (query.has(name))
      settings[name] = query.get(name) === "" ? null : (number(name, 0, 2 ** 32 - 1) ?? settings[name]);
  }
  const levels = number("levels", 1, 64);
  return {
    picture: one("picture", ["grid", "map"], "grid"),
    colour: one("colour", ["bits", "error", "cost", "bytes", "time"], "bits"),
    levels: levels === undefined ? undefined : Math.floor(levels),
    budget: number("budget", 0, 1e6),
    settings,
  };
}

/** What stands behind the name of the view: nothing where nothing was chosen. */
export function writeLink({ picture, colour, levels, budget, settings }: Chosen): string {
  const query = new URLSearchParams();
  if (picture !== UNCHOSEN.picture) query.set("picture", picture);
  if (colour !== UNCHOSEN.colour) query.set("colour", colour);
  if (levels !== undefined) query.set("levels", String(levels));
  if (budget !== undefined) query.set("budget", budget.toFixed(1));
  if (settings.system.trim() !== "") query.set("system", settings.system);
  for (const name of NUMBERS) {
    if (settings[name] !== DEFAULT_SETTINGS[name]) query.set(name, String(settings[name] ?? ""));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

const NUMBERS = Object.keys(DEFAULT_SETTINGS).filter((name) => name !== "system") as Exclude<
  keyof Settings,
  "system"
>[];
