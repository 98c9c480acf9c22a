/** What callers and the worker of a graph say to each other. */
import type { EmbedOptions, GraphInfo, GraphNeighbour, GraphOptions } from "./types.js";

type Floats = Float32Array<ArrayBuffer>;

/** Every call upon a graph. */
export interface GraphCalls {
  /** Begins a graph whose bytes come with `push` and end with `finish`. */
  read: { arguments: GraphOptions; event: never; result: undefined };
  push: { arguments: Uint8Array<ArrayBuffer>; event: never; result: undefined };
  finish: { arguments: undefined; event: never; result: undefined };
  arrays: {
    arguments: GraphOptions & { from: Uint32Array; to: Uint32Array; weights: Float32Array; nodes: number | undefined };
    event: never;
    result: undefined;
  };
  rows: {
    arguments: Pick<GraphOptions, "direction"> & { starts: Uint32Array; targets: Uint32Array; weights: Float32Array };
    event: never;
    result: undefined;
  };
  embed: { arguments: EmbedOptions; event: { done: number; total: number }; result: GraphInfo };
  keys: { arguments: undefined; event: never; result: string[] };
  vectors: {
    arguments: { first: number; count: number | undefined };
    event: never;
    result: { rows: Int16Array<ArrayBuffer>; unit: number };
  };
  neighbours: {
    arguments: { key: string; k: number; candidates: number | undefined };
    event: never;
    result: GraphNeighbour[];
  };
  linkScores: { arguments: [string, string][]; event: never; result: Floats };
  project: { arguments: number; event: never; result: Floats };
  reweigh: { arguments: number[]; event: never; result: undefined };
  change: {
    arguments: { added: [string, string, number][]; removed: [string, string][] };
    event: never;
    result: { info: GraphInfo; rows: number };
  };
}
