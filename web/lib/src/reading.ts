/** Texts that are read and get no answer, in the worker. */
import type { Engine } from "./engine.js";
import { tokenIds } from "./prompt.js";
import { turn } from "./turn.js";

type Emit = (event: { done: number; total: number }) => void;

/** The logarithms of a text's tokens' probabilities, or the mean of its hidden states. */
export async function readText(
  engine: Engine,
  text: string | number[],
  mean: boolean,
  signal: AbortSignal,
  emit: Emit,
): Promise<Float32Array<ArrayBuffer>> {
  const ids = typeof text === "string" ? engine.tokenize(text, true) : tokenIds(text);
  engine.read(ids, mean);
  for (let done = 0; done < ids.length;) {
    done = engine.readOn();
    emit({ done, total: ids.length });
    await turn();
    signal.throwIfAborted();
  }
  return new Float32Array(engine.endReading());
}

/** A vector for each text, one behind the other. An abort counts between two blocks of the model. */
export async function embedTexts(
  engine: Engine,
  texts: (string | number[])[],
  normalize: boolean,
  signal: AbortSignal,
  emit: Emit,
): Promise<{ vectors: Float32Array<ArrayBuffer> }> {
  const embed = engine.isEncoder ? encode : meanState;
  const vectors: Float32Array[] = [];
  for (const text of texts) {
    // One text alone tells of its tokens, where it is read in parts.
    vectors.push(await embed(engine, text, normalize, signal, texts.length === 1 ? emit : () => undefined));
    if (texts.length > 1) emit({ done: vectors.length, total: texts.length });
  }
  const length = vectors[0]?.length ?? 0;
  const all = new Float32Array(length * vectors.length);
  vectors.forEach((vector, place) => all.set(vector, place * length));
  return { vectors: all };
}

/** By an encoder. */
async function encode(
  engine: Engine,
  text: string | number[],
  normalize: boolean,
  signal: AbortSignal,
  emit: Emit,
): Promise<Float32Array> {
  const ids = typeof text === "string" ? engine.tokenizeText(text) : tokenIds(text);
  engine.startText(ids);
  for (;;) {
    engine.compute();
    const vector = engine.endText(normalize);
    if (vector !== undefined) {
      emit({ done: ids.length, total: ids.length });
      return vector;
    }
    await turn();
    signal.throwIfAborted();
  }
}

/** By a model that was trained to write. */
async function meanState(
  engine: Engine,
  text: string | number[],
  normalize: boolean,
  signal: AbortSignal,
  emit: Emit,
): Promise<Float32Array> {
  const vector = await readText(engine, text, true, signal, emit);
  if (!normalize) return vector;
  const length = Math.hypot(...vector);
  return vector.map((x) => (length > 0 ? x / length : x));
}
