/** What the page is about now: its model, and how that is looked at. */
import { modelAddress } from "./address.ts";
import { readLink } from "./link.ts";
import { Look } from "./look.svelte.ts";
import { Session } from "./session.svelte.ts";

export const session = new Session();
export const look = new Look();

/** Takes over what an address says; what it leaves out stays as it is. */
export function follow(hash: string): void {
  if (!hash.includes("?")) return;
  const { levels, settings, ...rest } = readLink(hash);
  Object.assign(look, rest);
  session.settings = settings;
  session.planes = levels;
}

/** Opens the model that the page's address names, unless there is one. */
export function openNamed(): void {
  if (session.place.address !== "") return;
  session.place = { address: modelAddress(location.search) };
  void session.load();
}
