/**
 * What the page offers, in the order of its navigation. A view is here once there is something in it, and is fetched when
 * somebody goes there.
 */
import type { Component } from "svelte";

export interface View {
  /** Its address: `#/NAME`. */
  name: string;
  title: string;
  /** One line for whoever has never heard of it. */
  about: string;
  /** The component. It stays in the page once it was visited; `shown` says whether it is in sight. */
  load(): Promise<Component<{ shown: boolean }>>;
}

export const VIEWS: readonly [View, ...View[]] = [
  {
    name: "chat",
    title: "Chat",
    about: "A language model in this page that multiplies no weights: signs, shifts, look-ups and additions.",
    load: async () => (await import("./panels/language/Language.svelte")).default,
  },
  {
    name: "graph",
    title: "Graph",
    about: "The nodes of a graph as vectors, by signed sums over their neighbours: alike nodes have alike vectors.",
    load: async () => (await import("./panels/graph/Graph.svelte")).default,
  },
  {
    name: "json",
    title: "JSON",
    about: "Any JSON as one vector of signs: alike documents have alike vectors, and a vector is asked what it holds.",
    load: async () => (await import("./panels/json/Json.svelte")).default,
  },
  {
    name: "models",
    title: "Models",
    about: "The models that this browser keeps, and others from an address or a folder.",
    load: async () => (await import("./panels/models/Models.svelte")).default,
  },
];

/** The view that an address names; the first one where it names none. */
export function viewAt(hash: string): View {
  const name = hash.replace(/^#\/?/, "").split(/[/?]/, 1)[0];
  return VIEWS.find((view) => view.name === name) ?? VIEWS[0];
}
