/// <reference lib="esnext.disposable" preserve="true" />
/** A model that is open in a worker. */
import type { Client } from "./client.js";
import { NomulError, abortError } from "./errors.js";
import type { LoadProgress } from "./load-types.js";
import type { GenerateArguments, GenerateEvent, GenerateResult } from "./protocol.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatOptions,
  CompleteOptions,
  GenerationOptions,
  MatrixInfo,
  ModelInfo,
  TextCompletion,
  TextCompletionChunk,
  Timings,
} from "./types.js";

type TokenEvent = Extract<GenerateEvent, { type: "token" }>;

/** A token of an answer, or its end. */
interface Part {
  id?: number;
  text: string;
  timings: Timings;
  end?: GenerateResult;
}

/** Made by `load`. Requests wait for each other: one answer is generated at a time. */
export class Model implements AsyncDisposable {
  readonly info: ModelInfo;
  /**
   * Resolves when all weights are here; later than `load` only with `startAtPlanes`. Rejects if the download fails or
   * the signal given to `load` fires; the model goes on with the planes it has.
   */
  readonly downloaded: Promise<void>;
  readonly #client: Client;

  /** @internal */
  constructor(
    client: Client,
    info: ModelInfo,
    signal: AbortSignal | undefined,
    onProgress: ((progress: LoadProgress) => void) | undefined,
  ) {
    this.#client = client;
    this.info = info;
    this.downloaded = client.call("rest", undefined, { signal, onEvent: onProgress });
    // Whoever does not wait for the rest need not handle its failure.
    this.downloaded.catch(() => undefined);
  }

  /** Continues a conversation, in the shapes of OpenAI's chat completions. */
  chat(options: ChatOptions & { stream: true }): AsyncGenerator<ChatCompletionChunk, void, void>;
  chat(options: ChatOptions & { stream?: false | undefined }): Promise<ChatCompletion>;
  chat(options: ChatOptions): Promise<ChatCompletion> | AsyncGenerator<ChatCompletionChunk, void, void>;
  chat(options: ChatOptions): Promise<ChatCompletion> | AsyncGenerator<ChatCompletionChunk, void, void> {
    const { messages, stream, ...rest } = options;
    const args = generateArguments({ messages }, rest);
    return stream ? this.#chatParts(args, rest) : this.#chatWhole(args, rest);
  }

  /** Continues a text, without a chat template, in the shapes of OpenAI's text completions. */
  complete(options: CompleteOptions & { stream: true }): AsyncGenerator<TextCompletionChunk, void, void>;
  complete(options: CompleteOptions & { stream?: false | undefined }): Promise<TextCompletion>;
  complete(options: CompleteOptions): Promise<TextCompletion> | AsyncGenerator<TextCompletionChunk, void, void>;
  complete(options: CompleteOptions): Promise<TextCompletion> | AsyncGenerator<TextCompletionChunk, void, void> {
    const { prompt, stream, ...rest } = options;
    const args = generateArguments(typeof prompt === "string" ? { text: prompt } : { ids: prompt }, rest);
    return stream ? this.#completeParts(args, rest) : this.#completeWhole(args, rest);
  }

  /**
   * The token ids of a text. Special tokens that it spells out are recognised; `addSpecial` adds those that the
   * tokenizer wants around a whole text.
   */
  tokenize(text: string, { addSpecial = false } = {}): Promise<number[]> {
    return this.#client.call("tokenize", { text, addSpecial });
  }

  /** The text of token ids. */
  detokenize(ids: number[]): Promise<string> {
    return this.#client.call("detokenize", ids);
  }

  /** The logits of the token that would follow: one number for each token of the vocabulary. */
  logits(ids: number[]): Promise<Float32Array<ArrayBuffer>> {
    return this.#client.call("logits", ids);
  }

  /** Every matrix of the model: its shape, its planes, how many of them are here, its bytes and its error. */
  inspect(): Promise<MatrixInfo[]> {
    return this.#client.call("inspect", undefined);
  }

  /** Evaluates with the first `planes` plane shards only; `undefined` takes all that are here. */
  async setPlanes(planes: number | undefined): Promise<void> {
    await this.#client.call("setPlanes", planes);
  }

  /** Ends the worker and frees its memory. Whatever still waits fails with code `disposed`. */
  async dispose(): Promise<void> {
    this.#client.end(new NomulError("disposed", "the model was disposed of"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #chatWhole(args: GenerateArguments, options: GenerationOptions): Promise<ChatCompletion> {
    const { text, result } = await this.#collect(args, options);
    return {
      ...this.#reply("chat.completion"),
      choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: result.reason }],
      usage: result.usage,
      timings: result.timings,
    };
  }

  async *#chatParts(
    args: GenerateArguments,
    options: GenerationOptions,
  ): AsyncGenerator<ChatCompletionChunk, void, void> {
    const reply = this.#reply("chat.completion.chunk");
    yield { ...reply, choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] };
    for await (const { text, timings, end } of this.#parts(args, options)) {
      const delta = text === "" ? {} : { content: text };
      const choices: ChatCompletionChunk["choices"] = [{ index: 0, delta, finish_reason: end?.reason ?? null }];
      yield { ...reply, choices, timings, ...(end && { usage: end.usage }) };
    }
  }

  async #completeWhole(args: GenerateArguments, options: GenerationOptions): Promise<TextCompletion> {
    const { text, ids, result } = await this.#collect(args, options);
    return {
      ...this.#reply("text_completion"),
      choices: [{ index: 0, text, tokens: ids, finish_reason: result.reason }],
      usage: result.usage,
      timings: result.timings,
    };
  }

  async *#completeParts(
    args: GenerateArguments,
    options: GenerationOptions,
  ): AsyncGenerator<TextCompletionChunk, void, void> {
    const reply = this.#reply("text_completion");
    for await (const { text, id, timings, end } of this.#parts(args, options)) {
      const tokens = id === undefined ? [] : [id];
      const choices: TextCompletionChunk["choices"] = [{ index: 0, text, tokens, finish_reason: end?.reason ?? null }];
      yield { ...reply, choices, timings, ...(end && { usage: end.usage }) };
    }
  }

  /** A whole answer: its text and its tokens. */
  async #collect(args: GenerateArguments, options: GenerationOptions) {
    let text = "";
    const ids: number[] = [];
    const result = await this.#generate(args, options, (token) => {
      text += token.text;
      ids.push(token.id);
    });
    return { text: text + result.text, ids, result };
  }

  /** An answer as it comes. Leaving the loop early stops the generation. */
  async *#parts(args: GenerateArguments, options: GenerationOptions): AsyncGenerator<Part, void, void> {
    const controller = new AbortController();
    const { signal } = controller;
    const abort = () => controller.abort(abortError(options.signal));
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted) abort();
    const queue: Part[] = [];
    let wake = () => {};
    const result = this.#generate(args, { ...options, signal }, (token) => {
      queue.push(token);
      wake();
    });
    let settled = false;
    const settle = () => {
      settled = true;
      wake();
    };
    result.then(settle, settle);
    try {
      for (;;) {
        const token = queue.shift();
        // After an abort the tokens that still wait are dropped: whoever aborts wants the end now.
        if (token !== undefined && !signal.aborted) yield token;
        else if (settled) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      const end = await result;
      yield { text: end.text, timings: end.timings, end };
    } finally {
      options.signal?.removeEventListener("abort", abort);
      controller.abort();
    }
  }

  #generate(
    args: GenerateArguments,
    { signal, onPrefill }: GenerationOptions,
    onToken: (token: TokenEvent) => void,
  ): Promise<GenerateResult> {
    return this.#client.call("generate", args, {
      signal,
      onEvent: (event) => {
        if (event.type === "token") onToken(event);
        else onPrefill?.(event.done, event.total);
      },
    });
  }

  #reply<Kind extends string>(object: Kind) {
    const created = Math.floor(Date.now() / 1000);
    return {
      id: `nomul-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`,
      object,
      created,
      model: this.info.url,
    };
  }
}

/** What crosses to the worker. A request without a seed gets a random one here: the engine knows no chance. */
function generateArguments(prompt: GenerateArguments["prompt"], options: GenerationOptions): GenerateArguments {
  const { stop, max_tokens, signal: _signal, onPrefill: _onPrefill, ...sampling } = options;
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return {
    prompt,
    maxTokens: max_tokens,
    stop: stop === undefined ? [] : typeof stop === "string" ? [stop] : stop,
    sampling: { ...sampling, seed: sampling.seed ?? random },
  };
}
