/** Graphs, for whatever a worker is made of. */
import type { Client } from "../../client.js";
import { NomulError } from "../../errors.js";
import type { Platform, StartOptions } from "../platform.js";
import { parts } from "../parts.js";
import { start } from "../start.js";
import type { GraphCalls } from "./protocol.js";
import type { EmbedOptions, GraphData, GraphInfo, GraphNeighbour, GraphOptions, GraphProgress } from "./types.js";

/** Everything that {@link EmbedGraph} takes beside the edges. */
export interface EmbedGraphOptions extends GraphOptions, EmbedOptions, StartOptions {
  onProgress?: ((progress: GraphProgress) => void) | undefined;
}

/**
 * Reads a graph and makes the vectors of its nodes, in a worker of its own. Fails with a `NomulError`, which names the line
 * of the edge that is none, or with an `AbortError` when the signal fires, which ends the worker at once.
 */
export type EmbedGraph = (edges: GraphData, options?: EmbedGraphOptions) => Promise<GraphEmbedding>;

/** Some nodes, in the order of their keys. */
export interface NodeRange {
  /** 0 by default. */
  first?: number | undefined;
  /** All that follow, by default. */
  count?: number | undefined;
}

/** The vectors of a graph's nodes. They live in a worker; calls are answered in the order in which they are made. */
export interface GraphEmbedding {
  /** How many nodes, edges and dimensions. */
  readonly info: GraphInfo;
  /** The keys of the nodes, in the order of the vectors. */
  keys(): Promise<string[]>;
  /** All vectors, one behind the other: (node, dimension). Or those of some nodes, which takes less memory. */
  vectors(nodes?: NodeRange): Promise<Float32Array<ArrayBuffer>>;
  /** The same as the integers that they are made of, in units of `2 ** unit`. */
  integers(nodes?: NodeRange): Promise<{ rows: Int16Array<ArrayBuffer>; unit: number }>;
  /**
   * The nodes most like one, best first, without itself; 10 by default. Sign bits choose `candidates` (64 for each and 512 at
   * least by default), which are scored exactly; 0 scores all nodes.
   */
  neighbours(
    key: string | number,
    options?: { k?: number; candidates?: number; signal?: AbortSignal },
  ): Promise<GraphNeighbour[]>;
  /** Link prediction: for each pair of nodes the cosine of their vectors. */
  linkScores(pairs: readonly (readonly [string | number, string | number])[]): Promise<Float32Array<ArrayBuffer>>;
  /** Where each node lies in a plane: (node, 2), along the two directions in which nodes differ most. */
  project(): Promise<Float32Array<ArrayBuffer>>;
  /** The vectors under other weights of powers, without propagating anew; needs `keep`. */
  reweigh(weights: readonly number[]): Promise<void>;
  /**
   * Adds and removes edges, and computes only what that reaches; the vectors are those of a full run. Needs `keep`. Answers
   * with the number of rows that were computed, of all powers.
   */
  change(change: {
    added?: readonly (readonly [from: string | number, to: string | number, weight?: number])[];
    removed?: readonly (readonly [from: string | number, to: string | number])[];
  }): Promise<number>;
  /** Ends the worker and frees all of its memory. `await using` works too. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function graphEmbedder(platform: Platform): EmbedGraph {
  return async (edges, options = {}) => {
    const { signal, onProgress, dimensions, weights, beta, sparsity, step, unitPowers, centre, finish } = options;
    const { seed, keep, properties, propertyRatio, initial } = options;
    const client = await start<GraphCalls>(platform, "graph", options);
    try {
      await read(client, edges, options);
      const info = await client.call(
        "embed",
        {
          ...{ dimensions, weights, beta, sparsity, step, unitPowers, centre, finish, seed, keep },
          ...{ properties, propertyRatio, initial },
        },
        { signal, onEvent: (event) => onProgress?.({ phase: "embedding", ...event }) },
      );
      return new Handle(client, info);
    } catch (error) {
      client.end(new NomulError("disposed", "the graph could not be embedded"));
      throw error;
    }
  };
}

async function read(client: Client<GraphCalls>, edges: GraphData, options: EmbedGraphOptions): Promise<void> {
  const { direction, duplicates, selfLoops, weighted, signal, onProgress } = options;
  if (typeof edges === "object" && "from" in edges) {
    const { from, to, weights, nodes } = edges;
    const given = weighted !== false && weights !== undefined ? weights : new Float32Array();
    const arrays = { from, to, weights: given, nodes, direction, duplicates, selfLoops };
    return client.call("arrays", arrays, { signal });
  }
  if (typeof edges === "object" && "starts" in edges) {
    const { starts, targets, weights = new Float32Array() } = edges;
    const given = weighted === false ? new Float32Array() : weights;
    return client.call("rows", { starts, targets, weights: given, direction }, { signal });
  }
  await client.call("read", { direction, duplicates, selfLoops, weighted }, { signal });
  const whole = typeof edges === "string" ? new TextEncoder().encode(edges) : edges;
  const total = whole instanceof Uint8Array ? whole.length : whole instanceof Blob ? whole.size : undefined;
  let done = 0;
  for await (const part of parts(whole)) {
    done += part.length;
    await client.call("push", part, { signal, transfer: [part.buffer] });
    onProgress?.({ phase: "reading", done, total });
  }
  await client.call("finish", undefined, { signal });
}

class Handle implements GraphEmbedding {
  readonly #client: Client<GraphCalls>;
  info: GraphInfo;

  constructor(client: Client<GraphCalls>, info: GraphInfo) {
    this.#client = client;
    this.info = info;
  }

  keys() {
    return this.#client.call("keys", undefined);
  }

  integers({ first = 0, count }: NodeRange = {}) {
    return this.#client.call("vectors", { first, count });
  }

  async vectors(nodes?: NodeRange): Promise<Float32Array<ArrayBuffer>> {
    const { rows, unit } = await this.integers(nodes);
    const [vectors, one] = [new Float32Array(rows.length), 2 ** unit];
    // A plain loop: there may be 10^8 of them.
    for (let i = 0; i < rows.length; i++) vectors[i] = rows[i]! * one;
    return vectors;
  }

  neighbours(
    key: string | number,
    {
      k = 10,
      candidates = Math.max(512, 64 * k),
      signal,
    }: { k?: number; candidates?: number; signal?: AbortSignal } = {},
  ) {
    const wanted = { key: String(key), k, candidates: candidates === 0 ? undefined : candidates };
    return this.#client.call("neighbours", wanted, { signal });
  }

  linkScores(pairs: readonly (readonly [string | number, string | number])[]) {
    return this.#client.call(
      "linkScores",
      pairs.map(([from, to]) => [String(from), String(to)]),
    );
  }

  project() {
    return this.#client.call("project", 2);
  }

  async reweigh(weights: readonly number[]): Promise<void> {
    await this.#client.call("reweigh", [...weights]);
  }

  async change({ added = [], removed = [] }: Parameters<GraphEmbedding["change"]>[0]): Promise<number> {
    const { info, rows } = await this.#client.call("change", {
      added: added.map(([from, to, weight = 1]) => [String(from), String(to), weight]),
      removed: removed.map(([from, to]) => [String(from), String(to)]),
    });
    this.info = info;
    return rows;
  }

  async dispose(): Promise<void> {
    this.#client.end(new NomulError("disposed", "the graph has been disposed of"));
  }

  [Symbol.asyncDispose]() {
    return this.dispose();
  }
}
