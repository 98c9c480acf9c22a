/// <reference lib="esnext.disposable" preserve="true" />
/** A model that is open in a worker. */
import type { Client } from "./client.js";
import { Conversation, checked } from "./conversation.js";
import { NomulError } from "./errors.js";
import type { LoadProgress } from "./load-types.js";
import { callback, either, flag, listOf, mustBe, text, whole } from "./options.js";
import type { CallOptions, EmbedOptions, MatrixInfo, ModelInfo, Perplexity, Stats } from "./types.js";

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
    const { signal, onProgress } = checked("perplexity", options, { onProgress: callback });
    checkText("perplexity", text);
    const onEvent = ({ done, total }: { done: number; total: number }) => onProgress?.(done, total);
    const logprobs = await this.client.call("read", text, { signal, onEvent });
    const mean = logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length;
    return { perplexity: Math.exp(-mean), tokens: logprobs.length, logprobs };
  }

  /**
   * A vector for a text, or one for each of several. A sentence encoder makes it as it was trained to, and reads
   * `info.contextLength` tokens of a text at most; token ids are used as they are. Of a model that writes it is the mean over
   * the tokens of the last hidden states, which says less. Of length one unless `normalize` is false. `onProgress` is told of
   * the tokens of a single text, and of texts where there are several.
   */
  embed(texts: string[], options?: EmbedOptions): Promise<Float32Array<ArrayBuffer>[]>;
  embed(text: string | number[], options?: EmbedOptions): Promise<Float32Array<ArrayBuffer>>;
  async embed(
    value: string | number[] | string[],
    options: EmbedOptions = {},
  ): Promise<Float32Array<ArrayBuffer> | Float32Array<ArrayBuffer>[]> {
    const {
      signal,
      normalize = true,
      onProgress,
    } = checked("embed", options, { normalize: flag, onProgress: callback });
    // A list without anything in it is one of texts: no text has no tokens.
    const several = Array.isArray(value) && !value.some((each) => typeof each === "number");
    if (several) mustBe("embed: the texts", value, listOf(text, "a list of texts"));
    else checkText("embed", value as string | number[]);
    const texts = several ? (value as string[]) : [value as string | number[]];
    const { vectors } = await this.client.call(
      "embed",
      { texts, normalize },
      { signal, onEvent: ({ done, total }) => onProgress?.(done, total) },
    );
    if (!several) return vectors;
    const length = vectors.length / texts.length;
    return texts.map((_, place) => vectors.slice(place * length, (place + 1) * length));
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
}

function checkText(what: string, value: string | number[]): void {
  if (value === undefined) throw new NomulError("input", `${what}: there is no text`);
  mustBe(`${what}: the text`, value, either(text, ids));
}
