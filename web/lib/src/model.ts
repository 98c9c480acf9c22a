/// <reference lib="esnext.disposable" preserve="true" />
/** A model that is open in a worker. */
import type { Client } from "./client.js";
import { Conversation, checked } from "./conversation.js";
import { NomulError } from "./errors.js";
import type { LoadProgress } from "./load-types.js";
import { callback, either, flag, listOf, mustBe, text, whole } from "./options.js";
import type { CallOptions, MatrixInfo, ModelInfo, Perplexity, Stats } from "./types.js";

const ids = listOf(whole(0, 0xffffffff), "a list of token ids");

/** Made by `load`: the model's own conversation, and what can be asked of the model beside answers. */
export class Model extends Conversation {
  readonly info: ModelInfo;
  /**
   * Resolves when all weights are here; later than `load` only with `startAtPlanes`. Rejects if the download fails or
   * the signal given to `load` fires; the model goes on with the planes it has.
   */
  readonly downloaded: Promise<void>;

  /** @internal */
  constructor(
    client: Client,
    info: ModelInfo,
    signal: AbortSignal | undefined,
    onProgress: ((progress: LoadProgress) => void) | undefined,
  ) {
    super(client, info.url, 0);
    this.info = info;
    this.downloaded = client.call("rest", undefined, { signal, onEvent: onProgress });
    // Whoever does not wait for the rest need not handle its failure.
    this.downloaded.catch(() => undefined);
  }

  /**
   * The token ids of a text. Special tokens that it spells out are recognised; `addSpecial` adds those that the
   * tokenizer wants around a whole text.
   */
  async tokenize(text: string, options: CallOptions & { addSpecial?: boolean | undefined } = {}): Promise<number[]> {
    const { signal, addSpecial = false } = checked("tokenize", options, { addSpecial: flag });
    if (typeof text !== "string") throw new NomulError("input", `tokenize: ${typeof text} is no text`);
    return this.client.call("tokenize", { text, addSpecial }, { signal });
  }

  /** The text of token ids. */
  async detokenize(ids: number[], options: CallOptions = {}): Promise<string> {
    const { signal } = checked("detokenize", options);
    return this.client.call("detokenize", ids, { signal });
  }

  /**
   * How well the model foresees a text, or token ids. It reads the text from its beginning, in the context of nothing else;
   * a text gets the special tokens that the tokenizer wants around it.
   */
  async perplexity(
    text: string | number[],
    options: CallOptions & { onProgress?: ((done: number, total: number) => void) | undefined } = {},
  ): Promise<Perplexity> {
    const logprobs = await this.#read("perplexity", text, false, options);
    const mean = logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length;
    return { perplexity: Math.exp(-mean), tokens: logprobs.length, logprobs };
  }

  /**
   * A vector for a text: the mean over its tokens of the last hidden states, of length one unless `normalize` is false. A
   * model that was trained to write says less by it than one that was trained to compare.
   */
  async embed(
    text: string | number[],
    options: CallOptions & {
      normalize?: boolean | undefined;
      onProgress?: ((done: number, total: number) => void) | undefined;
    } = {},
  ): Promise<Float32Array<ArrayBuffer>> {
    const { normalize = true, ...rest } = checked("embed", options, { normalize: flag, onProgress: callback });
    const vector = await this.#read("embed", text, true, rest);
    if (!normalize) return vector;
    const length = Math.hypot(...vector);
    return vector.map((x) => (length > 0 ? x / length : x));
  }

  /** Every matrix of the model: its shape, its planes, how many of them are here, its bytes and its error. */
  async inspect(options: CallOptions = {}): Promise<MatrixInfo[]> {
    const { signal } = checked("inspect", options);
    return this.client.call("inspect", undefined, { signal });
  }

  /** Evaluates with the first `planes` plane shards only; `undefined` takes all that are here. */
  async setPlanes(planes: number | undefined, options: CallOptions = {}): Promise<void> {
    const { signal } = checked("setPlanes", options);
    mustBe("setPlanes: planes", planes, whole(1));
    await this.client.call("setPlanes", planes, { signal });
  }

  /** What the model has done so far and takes up. */
  async stats(options: CallOptions = {}): Promise<Stats> {
    const { signal } = checked("stats", options);
    return this.client.call("stats", undefined, { signal });
  }

  /** Ends the worker and frees its memory. Whatever still waits, and whatever is asked later, fails with code `disposed`. */
  override async dispose(): Promise<void> {
    await this.client.end(new NomulError("disposed", "the model was disposed of"));
  }

  async #read(
    what: string,
    value: string | number[],
    mean: boolean,
    options: CallOptions & { onProgress?: ((done: number, total: number) => void) | undefined },
  ): Promise<Float32Array<ArrayBuffer>> {
    const { signal, onProgress } = checked(what, options, { onProgress: callback });
    if (value === undefined) throw new NomulError("input", `${what}: there is no text`);
    mustBe(`${what}: the text`, value, either(text, ids));
    return this.client.call(
      "read",
      { text: value, mean },
      { signal, onEvent: ({ done, total }) => onProgress?.(done, total) },
    );
  }
}
