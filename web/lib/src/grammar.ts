/** Answers that follow a JSON schema: the grammar library, which is loaded when it is first asked for. */
import type { WasmPlace, Engine } from "./engine.js";
import { NomulError } from "./errors.js";

/** Where an answer is in its grammar. crate/grammar exports it. */
export interface Grammar {
  /** The tokens that may come next, a bit each. Where the text is complete they are those that end it. */
  allowed(): Uint32Array;
  /** Takes a token in; answers whether the text is complete and nothing can follow. */
  accept(token: number): boolean;
  free(): void;
}

export interface Vocabulary {
  schema(schema: string): Grammar;
}

export type VocabularyClass = new (tokens: Uint8Array, endTokens: Uint32Array) => Vocabulary;

/** Compiles the library. Without a place its .wasm file is looked for beside its glue. */
export async function loadGrammar(place: WasmPlace): Promise<VocabularyClass> {
  const glue = await import("../wasm/grammar/nomul.js");
  await glue.default(place === undefined ? undefined : { module_or_path: place });
  return glue.Vocabulary satisfies VocabularyClass;
}

/** The schema without room for spaces between JSON's own signs: a small model can go on with these until it is cut off. */
function compact(schema: string): string {
  const value: unknown = JSON.parse(schema);
  if (value === null || typeof value !== "object") return schema;
  return JSON.stringify({ "x-guidance": { whitespace_flexible: false }, ...value });
}

/** The grammars of one model. */
export class Grammars {
  readonly #load: () => Promise<VocabularyClass>;
  #vocabulary: Promise<Vocabulary> | undefined;

  constructor(load: () => Promise<VocabularyClass>) {
    this.#load = load;
  }

  /** A grammar for a JSON schema. One that cannot be compiled fails with code `input`. */
  async schema(engine: Engine, { text, of }: { text: string; of: string }): Promise<Grammar> {
    this.#vocabulary ??= this.#open(engine);
    const vocabulary = await this.#vocabulary.catch((cause: unknown) => {
      // The next request tries again.
      this.#vocabulary = undefined;
      if (cause instanceof NomulError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new NomulError("network", `the grammar library could not be loaded: ${reason}`, { cause });
    });
    try {
      return vocabulary.schema(compact(text));
    } catch (error) {
      if ((error as { code?: unknown }).code !== "input") throw error;
      throw new NomulError("input", `${of}: ${(error as Error).message}`, { cause: error });
    }
  }

  async #open(engine: Engine): Promise<Vocabulary> {
    const VocabularyClass = await this.#load();
    return new VocabularyClass(engine.vocabulary(), engine.endTokens);
  }
}
