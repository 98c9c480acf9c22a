/** Nodes in groups, each with a colour and a mark. */

import { counted } from "../../format.ts";

/** Outlines with a radius of about 1, of about the same area: SVG's paths. */
const MARKS = {
  circle: "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
  square: "M-.9-.9H.9V.9H-.9Z",
  triangle: "M0-1.25 1.25.9H-1.25Z",
  diamond: "M0-1.3 1.3 0 0 1.3-1.3 0Z",
  cross: "M-.45-1.15H.45V-.45H1.15V.45H.45V1.15H-.45V.45H-1.15V-.45H-.45Z",
  ring: "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0ZM.55 0A.55.55 0 1 0-.55 0A.55.55 0 1 0 .55 0Z",
} as const;

/** Marks take turns, so that the colours which are hardest to tell apart come with different ones. */
const TURNS = [MARKS.circle, MARKS.square, MARKS.triangle, MARKS.diamond];

/** So many groups have a colour of their own (--group-1 and so on, in page.css). */
const COLOURS = 8;

export interface Group {
  name: string;
  nodes: number;
  /** The name of a custom property. */
  colour: string;
  /** An SVG path. */
  mark: string;
}

export interface Groups {
  list: Group[];
  /** The group of each node: its place in the list. */
  of: Uint8Array;
}

/** Where no groups are known. */
export const PLAIN: Group = { name: "", nodes: 0, colour: "--bits-4", mark: MARKS.circle };

/** A group for each cluster, the largest first. */
export function byCluster(clusters: ArrayLike<number>): Groups {
  return ranked(clusters, (rank) => `Cluster ${rank + 1}`);
}

/** A group for each label, the most frequent first; the others share one, and so do nodes without a label. */
export function byLabel(keys: readonly string[], labels: ReadonlyMap<string, string>): Groups {
  const names = [...new Set(labels.values())];
  const numbers = new Map(names.map((name, number) => [name, number]));
  const values = Int32Array.from(keys, (key) => numbers.get(labels.get(key) ?? "") ?? -1);
  return ranked(values, (_, value) => names[value] ?? "");
}

/** The nodes of a group. */
export function members({ of }: Groups, group: number): number[] {
  const nodes: number[] = [];
  for (let node = 0; node < of.length; node++) if (of[node] === group) nodes.push(node);
  return nodes;
}

/** Nodes in the order to draw them: the selected ones above the others, and in both small groups above large ones. */
export function layered(count: number, selected: readonly number[], groups: Groups | undefined): Uint32Array {
  const layers = groups?.list.length ?? 1;
  const layer = groups ? groups.of.slice() : new Uint8Array(count);
  for (const node of selected) layer[node]! += layers;
  const next = new Uint32Array(2 * layers + 1);
  for (const at of layer) next[at + 1]!++;
  for (let at = 1; at < next.length; at++) next[at]! += next[at - 1]!;
  const order = new Uint32Array(count);
  for (let node = 0; node < count; node++) order[next[layer[node]!]!++] = node;
  return order;
}

/** Groups of nodes with the same value; those with a negative value have none. */
function ranked(values: ArrayLike<number>, name: (rank: number, value: number) => string): Groups {
  const counts = new Map<number, number>();
  let without = 0;
  for (let node = 0; node < values.length; node++) {
    const value = values[node]!;
    if (value < 0) without++;
    else counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const order = [...counts].sort(([, one], [, other]) => other - one);
  const list: Group[] = order.slice(0, COLOURS).map(([value, nodes], rank) => {
    return { name: name(rank, value), nodes, colour: `--group-${rank + 1}`, mark: TURNS[rank % TURNS.length]! };
  });
  const rest = order.slice(COLOURS);
  const others = list.length;
  if (rest.length > 0) {
    const nodes = rest.reduce((sum, [, count]) => sum + count, 0);
    list.push({ name: `Other (${counted(rest.length, "label")})`, nodes, colour: "--quiet", mark: MARKS.cross });
  }
  const none = list.length;
  if (without > 0) list.push({ name: "No label", nodes: without, colour: "--quiet", mark: MARKS.ring });
  const places = new Map(order.map(([value], rank) => [value, Math.min(rank, others)]));
  const of = new Uint8Array(values.length);
  // A plain loop: there may be millions.
  for (let node = 0; node < of.length; node++) of[node] = places.get(values[node]!) ?? none;
  return { list, of };
}
