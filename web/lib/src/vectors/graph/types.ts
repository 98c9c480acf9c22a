/** What `nomul/graph` takes and gives. */

/**
 * A graph's edges: a text or its bytes, or typed arrays of the ends of each edge. A text is an edge list (a line for each
 * edge: two keys and perhaps a weight, separated by tabs, commas or blanks), a Matrix Market file, or what graphology exports
 * as JSON; its first bytes tell which. `starts` and `targets` are compressed sparse rows, as SciPy's `csr_matrix` has them: node `i`
 * sums over `targets[starts[i]..starts[i + 1]]`, and options of reading do not apply.
 */
export type GraphData =
  | string
  | Uint8Array<ArrayBuffer>
  | Blob
  | AsyncIterable<Uint8Array<ArrayBuffer>>
  | { from: Uint32Array; to: Uint32Array; weights?: Float32Array | undefined; nodes?: number | undefined }
  | { starts: Uint32Array; targets: Uint32Array; weights?: Float32Array | undefined };

/** Numbers of nodes: of these keys, or of all nodes in their order; as many for each. */
export interface NodeValues {
  keys?: readonly string[] | undefined;
  /** (node, number). */
  values: Float32Array;
}

/** What becomes of the edges that are read. */
export interface GraphOptions {
  /** Which ends of an edge hear from each other: both (`"undirected"`, the default), the source or the target. */
  direction?: "undirected" | "directed" | "reversed" | undefined;
  /** Several edges between two nodes: each counts (`"add"`, the default), or the first. */
  duplicates?: "add" | "first" | undefined;
  /** Whether edges from a node to itself count; true by default. */
  selfLoops?: boolean | undefined;
  /** Whether weights count; true by default. */
  weighted?: boolean | undefined;
}

/** Options of FastRP. What is left out has the engine's default, which was chosen by the quality on BlogCatalog. */
export interface EmbedOptions {
  /** Numbers of a vector, 128 by default. */
  dimensions?: number | undefined;
  /** Weights of powers 0, 1, 2, …: of the node itself, its neighbours, their neighbours. Rounded to powers of two. */
  weights?: readonly number[] | undefined;
  /** The power of its degree by which a node's start is scaled (the paper's beta, Neo4j's normalisation strength). */
  beta?: number | undefined;
  /** One in so many entries of the start is not zero: 3 by default; `"root"` stands for the root of the number of nodes. */
  sparsity?: number | "root" | undefined;
  /** A propagation: the mean over neighbours (the default), their sum, or their sum scaled to length 1 as in Neo4j. */
  step?: "mean" | "sum" | "unit" | undefined;
  /** Scale each power's rows to length 1 before they are added; true by default. */
  unitPowers?: boolean | undefined;
  /** Take from each power what its rows have in common; true by default. */
  centre?: boolean | undefined;
  /** The weighted sum of powers, with standardised columns, or with rows of one length after that (the default). */
  finish?: "sum" | "zscore" | "sphere" | undefined;
  /** Where random numbers start: a whole number from 0 to 2^53 - 1, 0 by default. */
  seed?: number | undefined;
  /** Properties of nodes, from which the last dimensions start; needs `propertyRatio`. */
  properties?: NodeValues | undefined;
  /** The part of the dimensions that starts with properties: 0 to 1. */
  propertyRatio?: number | undefined;
  /** Vectors to start with in place of random ones, as many numbers as there are dimensions. */
  initial?: NodeValues | undefined;
  /** Keep all powers, which {@link GraphEmbedding.reweigh} and {@link GraphEmbedding.change} need; costs their memory. */
  keep?: boolean | undefined;
}

/** How far it is: bytes that were read, or nodes of all powers. */
export interface GraphProgress {
  phase: "reading" | "embedding";
  done: number;
  /** Where it is known. */
  total: number | undefined;
}

/** What was embedded. */
export interface GraphInfo {
  nodes: number;
  /** An undirected edge is stored twice. */
  storedEdges: number;
  dimensions: number;
}

/** A node that is like another. */
export interface GraphNeighbour {
  key: string;
  /** The cosine of both vectors. */
  score: number;
}
