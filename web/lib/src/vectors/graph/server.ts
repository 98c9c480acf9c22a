/** The worker's side of a graph: one graph, its vectors, and the calls upon them. */
import type { HandlersOf } from "../../calls.js";
import { NomulError } from "../../errors.js";
import type { Engine } from "../engine.js";
import { count } from "../numbers.js";
import type { GraphCalls } from "./protocol.js";
import type { GraphInfo } from "./types.js";

// Made by a reader or of arrays, never by itself.
type Graph = ReturnType<Engine["GraphVectors"]["fromArrays"]>;

export function handlers(engine: Engine): HandlersOf<GraphCalls> {
  let reader: InstanceType<Engine["GraphReader"]> | undefined;
  let graph: Graph | undefined;
  let names: string[] | undefined;

  const ready = (): Graph => {
    if (graph === undefined) throw new NomulError("not_ready", "there is no graph yet");
    return graph;
  };
  const reading = () => {
    if (reader === undefined) throw new NomulError("not_ready", "no graph is being read");
    return reader;
  };
  const keys = () => (names ??= ready().keys());
  const info = (): GraphInfo => {
    const { nodes, storedEdges, dimensions } = ready();
    return { nodes, storedEdges, dimensions };
  };

  return {
    read: async ({ direction = "undirected", duplicates = "add", selfLoops = true, weighted = true }) => {
      reader = new engine.GraphReader(direction, duplicates === "add", selfLoops, weighted);
      return undefined;
    },
    push: async (bytes) => void reading().push(bytes) as undefined,
    finish: async () => {
      // Finishing takes the reader, whether it succeeds or not.
      const whole = reading();
      reader = undefined;
      graph = whole.finish();
      return undefined;
    },
    arrays: async ({ from, to, weights, nodes, direction = "undirected", duplicates = "add", selfLoops = true }) => {
      const known = nodes === undefined ? undefined : count(nodes, "nodes");
      graph = engine.GraphVectors.fromArrays(from, to, weights, known, direction, duplicates === "add", selfLoops);
      return undefined;
    },
    rows: async ({ starts, targets, weights, direction = "undirected" }) => {
      graph = engine.GraphVectors.fromRows(starts, targets, weights, direction);
      return undefined;
    },
    embed: async (options, { emit }) => {
      const { dimensions = 128, weights, beta, sparsity = 3, step = "mean", finish = "sphere" } = options;
      const { unitPowers = true, centre = true, seed = 0, keep = false } = options;
      const { properties, propertyRatio = 0, initial } = options;
      if (!Number.isSafeInteger(seed) || seed < 0) {
        throw new NomulError("input", `seed: ${seed} is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
      }
      if (sparsity === 0) throw new NomulError("input", "sparsity: 0 is not within 1 to 32768");
      if (properties) ready().setProperties(properties.keys && [...properties.keys], properties.values);
      if (initial) ready().setInitial(initial.keys && [...initial.keys], initial.values);
      ready().embed(
        count(dimensions, "dimensions"),
        weights && Float32Array.from(weights),
        beta,
        sparsity === "root" ? 0 : sparsity,
        step,
        unitPowers,
        centre,
        finish,
        seed,
        propertyRatio,
        keep,
        (done: number, total: number) => emit({ done, total }),
      );
      return info();
    },
    keys: async () => keys(),
    vectors: async ({ first, count: wanted }) => {
      const { nodes, dimensions, unit } = ready();
      const from = count(first, "first");
      const many = count(wanted ?? Math.max(0, nodes - from), "count");
      if (from + many > nodes) throw new NomulError("input", `nodes ${from} and ${many} more: there are ${nodes}`);
      const rows = new Int16Array(many * dimensions);
      ready().write(from, rows);
      return { rows, unit };
    },
    neighbours: async ({ key, k, candidates }) => {
      const node = ready().find(key);
      const found = ready().neighbours(node, count(k, "k"), candidates && count(candidates, "candidates"));
      return Array.from({ length: found.length / 2 }, (_, i) => ({
        key: keys()[found[2 * i]!]!,
        score: found[2 * i + 1]!,
      }));
    },
    linkScores: async (pairs) => {
      const nodes = Uint32Array.from(pairs.flat(), (key) => ready().find(key));
      return ready().linkScores(nodes) as Float32Array<ArrayBuffer>;
    },
    project: async (components) => ready().project(count(components, "components")) as Float32Array<ArrayBuffer>,
    reweigh: async (weights) => void ready().reweigh(Float32Array.from(weights)) as undefined,
    change: async ({ added, removed }) => {
      const rows = ready().change(
        added.map(([from]) => from),
        added.map(([, to]) => to),
        Float32Array.from(added, ([, , weight]) => weight),
        removed.map(([from]) => from),
        removed.map(([, to]) => to),
      );
      names = undefined;
      return { info: info(), rows };
    },
  };
}
