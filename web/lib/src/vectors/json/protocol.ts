/** What callers and the worker of a space say to each other. Documents cross as JSON text. */
import type { Agreement, Answer, Capacity, Hit, JsonVector, SpaceInfo } from "./types.js";

/** A {@link Subject} as it crosses. */
export type Given = { document: string } | { vector: JsonVector } | { id: string };

type Progress = { done: number; total: number };
type Call<A, R, E = never> = { arguments: A; event: E; result: R };

/** Every call upon a space. */
export interface JsonCalls {
  create: Call<{ schema: string; sample: string[]; vocabulary: number }, SpaceInfo>;
  load: Call<{ file: ArrayBuffer; identity: string | undefined }, SpaceInfo>;
  open: Call<{ name: string; identity: string | undefined }, SpaceInfo>;
  info: Call<undefined, SpaceInfo>;
  names: Call<undefined, string[]>;
  encode: Call<{ document: string; signs: boolean }, JsonVector>;
  signs: Call<JsonVector, JsonVector>;
  insert: Call<{ ids: string[]; documents: string[] }, undefined, Progress>;
  /** Whole lines, the first of them of this number; events tell bytes. */
  insertLines: Call<{ part: Uint8Array<ArrayBuffer>; line: number }, number, { done: number }>;
  remove: Call<string[], number>;
  vector: Call<string, JsonVector>;
  similarity: Call<{ a: Given; b: Given }, number>;
  search: Call<{ query: Given; k: number; allowed: string[] | undefined }, Hit[], Progress>;
  get: Call<{ subject: Given; path: string }, Answer>;
  explain: Call<{ document: string; other: Given }, Agreement[]>;
  analogy: Call<{ value: string; first: Given; second: Given }, { path: string; answer: Answer }>;
  edit: Call<{ vector: JsonVector; path: string; before?: string; after?: string }, JsonVector>;
  attach: Call<{ text: string; numbers: Float32Array }, undefined>;
  missingTexts: Call<string, string[]>;
  capacity: Call<{ document: string; candidates: number }, Capacity>;
  file: Call<undefined, ArrayBuffer>;
  save: Call<string, undefined>;
  delete: Call<string, boolean>;
}
