/** Requests to a model, and the keys and values that they go on with. */
import type { Client } from "./client.js";
import { NomulError, abortError } from "./errors.js";
import { abortSignal, check } from "./options.js";
import type { GenerateResult } from "./protocol.js";
import { chatLogprobs, completionLogprobs, together, type TokenEvent } from "./replies.js";
import type { ChatCompletion, ChatCompletionChunk, TextCompletion, TextCompletionChunk } from "./reply-types.js";
import { chatRequest, completeRequest, type Request } from "./requests.js";
import { CallReader } from "./tools.js";
import type { CallOptions, ChatOptions, CompleteOptions, GenerationOptions } from "./types.js";

/** A token of an answer, or its end. */
type Part = { token: TokenEvent; end?: undefined } | { token?: undefined; end: GenerateResult };

/**
 * One line of requests. Requests wait for each other, those of all conversations of a model: one answer is generated at a
 * time, in the order in which they were asked for. What a prompt has in common with the conversation's last request is not
 * read again.
 */
export class Conversation implements AsyncDisposable {
  /** @internal */
  protected readonly client: Client;
  readonly #number: number;
  readonly #url: string;

  /** @internal */
  constructor(client: Client, url: string, number: number) {
    this.client = client;
    this.#url = url;
    this.#number = number;
  }

  /** Continues a conversation, in the shapes of OpenAI's chat completions. */
  chat(options: ChatOptions & { stream: true }): AsyncGenerator<ChatCompletionChunk, void, void>;
  chat(options: ChatOptions & { stream?: false | undefined }): Promise<ChatCompletion>;
  chat(options: ChatOptions): Promise<ChatCompletion> | AsyncGenerator<ChatCompletionChunk, void, void>;
  chat(options: ChatOptions): Promise<ChatCompletion> | AsyncGenerator<ChatCompletionChunk, void, void> {
    return options?.stream ? this.#chatParts(options) : this.#chatWhole(options);
  }

  /** Continues a text, without a chat template, in the shapes of OpenAI's text completions. */
  complete(options: CompleteOptions & { stream: true }): AsyncGenerator<TextCompletionChunk, void, void>;
  complete(options: CompleteOptions & { stream?: false | undefined }): Promise<TextCompletion>;
  complete(options: CompleteOptions): Promise<TextCompletion> | AsyncGenerator<TextCompletionChunk, void, void>;
  complete(options: CompleteOptions): Promise<TextCompletion> | AsyncGenerator<TextCompletionChunk, void, void> {
    return options?.stream ? this.#completeParts(options) : this.#completeWhole(options);
  }

  /** The logits of the token that would follow: one number for each token of the vocabulary. */
  async logits(ids: number[], options: CallOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { signal } = checked("logits", options);
    return this.client.call("logits", { conversation: this.#number, ids }, { signal });
  }

  /**
   * The keys and values of what was read and said, as bytes that can be kept and sent. They are of use to the same model with
   * the same planes, on any engine.
   */
  async saveState(options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { signal } = checked("saveState", options);
    return this.client.call("saveState", this.#number, { signal });
  }

  /** Goes back to what was saved: a prompt that begins with the same tokens goes on from there. */
  async loadState(state: Uint8Array | ArrayBuffer, options: CallOptions = {}): Promise<void> {
    const { signal } = checked("loadState", options);
    if (!(state instanceof Uint8Array || state instanceof ArrayBuffer)) {
      throw new NomulError("input", "loadState: the state is neither a Uint8Array nor an ArrayBuffer");
    }
    const copy = new Uint8Array(state);
    await this.client.call(
      "loadState",
      { conversation: this.#number, state: copy },
      { signal, transfer: [copy.buffer] },
    );
  }

  /**
   * Another conversation that begins where this one is, for example to follow two ideas. Whichever is not in the engine is
   * kept beside it: changing over copies keys and values.
   */
  async fork(options: CallOptions = {}): Promise<Conversation> {
    const { signal } = checked("fork", options);
    const number = this.client.number();
    const fork = new Conversation(this.client, this.#url, number);
    try {
      await this.client.call("fork", { conversation: number, from: this.#number }, { signal });
    } catch (error) {
      // Whoever gave up may have been too late.
      await fork.dispose();
      throw error;
    }
    return fork;
  }

  /** Forgets the conversation's keys and values. It can be gone on with, and is then read anew. */
  async dispose(): Promise<void> {
    await this.client.call("drop", this.#number).catch((error: unknown) => {
      // With the model everything is gone.
      if ((error as Partial<NomulError>).code !== "disposed") throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #chatWhole(options: ChatOptions): Promise<ChatCompletion> {
    const request = chatRequest(options);
    const results: GenerateResult[] = [];
    const choices: ChatCompletion["choices"][number][] = [];
    for (let index = 0; index < request.count; index++) {
      const { text, tokens, result } = await this.#collect(request, index, options);
      const reader = new CallReader();
      const content = request.calls ? reader.push((request.args.begun ?? "") + text, true) : text;
      const tool_calls = reader.calls;
      choices.push({
        index,
        message: { role: "assistant", content, ...(tool_calls.length > 0 && { tool_calls }) },
        ...chatLogprobs(tokens),
        finish_reason: tool_calls.length > 0 ? "tool_calls" : result.reason,
      });
      results.push(result);
    }
    return { ...this.#reply("chat.completion"), choices: choices as ChatCompletion["choices"], ...together(results) };
  }

  async *#chatParts(options: ChatOptions): AsyncGenerator<ChatCompletionChunk, void, void> {
    const request = chatRequest(options);
    const reply = this.#reply("chat.completion.chunk");
    const results: GenerateResult[] = [];
    for (let index = 0; index < request.count; index++) {
      const reader = request.calls ? new CallReader() : undefined;
      // A call that was begun for the model is kept back until it is whole, as one that it begins by itself.
      reader?.push(request.args.begun ?? "");
      yield { ...reply, choices: [{ index, delta: { role: "assistant", content: "" }, finish_reason: null }] };
      for await (const { token, end } of this.#parts(request, index, options)) {
        const all = (token ?? end).text;
        const text = reader ? reader.push(all, end !== undefined) : all;
        const tool_calls = (end && reader?.calls.map((call, index) => ({ index, ...call }))) ?? [];
        const delta = { ...(text !== "" && { content: text }), ...(tool_calls.length > 0 && { tool_calls }) };
        const reason = tool_calls.length > 0 ? "tool_calls" : end?.reason;
        if (end) results.push(end);
        const told = end
          ? index === request.count - 1
            ? together(results)
            : { timings: end.timings }
          : { timings: token.timings };
        const logprobs = chatLogprobs(token ? [token] : []);
        yield { ...reply, choices: [{ index, delta, ...logprobs, finish_reason: reason ?? null }], ...told };
      }
    }
  }

  async #completeWhole(options: CompleteOptions): Promise<TextCompletion> {
    const request = completeRequest(options);
    const results: GenerateResult[] = [];
    const choices: TextCompletion["choices"][number][] = [];
    for (let index = 0; index < request.count; index++) {
      const { text, tokens, result } = await this.#collect(request, index, options);
      const ids = tokens.map(({ id }) => id);
      const logprobs = completionLogprobs(tokens, 0);
      choices.push({ index, text, tokens: ids, ...logprobs, finish_reason: result.reason });
      results.push(result);
    }
    return { ...this.#reply("text_completion"), choices: choices as TextCompletion["choices"], ...together(results) };
  }

  async *#completeParts(options: CompleteOptions): AsyncGenerator<TextCompletionChunk, void, void> {
    const request = completeRequest(options);
    const reply = this.#reply("text_completion");
    const results: GenerateResult[] = [];
    for (let index = 0; index < request.count; index++) {
      let offset = 0;
      for await (const { token, end } of this.#parts(request, index, options)) {
        const { text, timings } = token ?? end;
        const tokens = token ? [token.id] : [];
        const logprobs = completionLogprobs(token ? [token] : [], offset);
        offset += logprobs.logprobs?.tokens[0]?.length ?? 0;
        if (end) results.push(end);
        const told = end && index === request.count - 1 ? together(results) : { timings };
        const choice = { index, text, tokens, ...logprobs, finish_reason: end?.reason ?? null };
        yield { ...reply, choices: [choice], ...told };
      }
    }
  }

  /** A whole answer: its text and its tokens. */
  async #collect(request: Request, index: number, options: GenerationOptions) {
    const tokens: TokenEvent[] = [];
    const result = await this.#generate(request, index, options, (token) => tokens.push(token));
    const text = tokens.map(({ text }) => text).join("") + result.text;
    return { text, tokens, result };
  }

  /** An answer as it comes. Leaving the loop early stops the generation. */
  async *#parts(request: Request, index: number, options: GenerationOptions): AsyncGenerator<Part, void, void> {
    const controller = new AbortController();
    const { signal } = controller;
    const abort = () => controller.abort(abortError(options.signal));
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted) abort();
    const queue: TokenEvent[] = [];
    let wake = () => {};
    const result = this.#generate(request, index, { ...options, signal }, (token) => {
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
        if (token !== undefined && !signal.aborted) yield { token };
        else if (settled) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      yield { end: await result };
    } finally {
      options.signal?.removeEventListener("abort", abort);
      controller.abort();
    }
  }

  /** Answer number `index` of a request. */
  #generate(
    { args }: Request,
    index: number,
    { signal, onPrefill }: GenerationOptions,
    onToken: (token: TokenEvent) => void,
  ): Promise<GenerateResult> {
    const sampling = { ...args.sampling, seed: (args.sampling.seed ?? 0) + index };
    return this.client.call(
      "generate",
      { ...args, conversation: this.#number, sampling },
      {
        signal,
        onEvent: (event) => {
          if (event.type === "token") onToken(event);
          else onPrefill?.(event.done, event.total);
        },
      },
    );
  }

  #reply<Kind extends string>(object: Kind) {
    const created = Math.floor(Date.now() / 1000);
    const id = `nomul-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    return { id, object, created, model: this.#url };
  }
}

/** Options of calls that are not about answers. */
export function checked<O extends CallOptions>(what: string, options: O, known: Parameters<typeof check>[2] = {}): O {
  check(what, options, { signal: abortSignal, ...known });
  return options;
}
