/** The worker's side: one model, its download, and the calls upon it. */
import { Asker } from "./asker.js";
import { Beginning } from "./beginning.js";
import { Turns, answerCalls, type HandlersOf } from "./calls.js";
import type { Build } from "./detect.js";
import { Download } from "./download.js";
import type { Compiled, Engine } from "./engine.js";
import { NomulError } from "./errors.js";
import { generate, samplingDefaults } from "./generate.js";
import { Grammars, type VocabularyClass } from "./grammar.js";
import { Kept, READING } from "./kept.js";
import type { LoadProgress } from "./load-types.js";
import { tokenIds } from "./prompt.js";
import { embedTexts, readText } from "./reading.js";
import type {
  CallName,
  Calls,
  GenerateArguments,
  GenerateEvent,
  GenerateResult,
  OpenArguments,
  Opened,
  Port,
  Request,
  Response,
} from "./protocol.js";
import type { Source } from "./source.js";
import { isForThreads, type ThreadBuild } from "./threads.js";
import type { Timings } from "./reply-types.js";
import type { ChatTemplate } from "./template.js";
import type { SamplingOptions } from "./types.js";

/** What differs between a browser's worker and Node's. */
export interface Host {
  loadEngine(build: Build, wasmUrl: string | undefined): Promise<Compiled>;
  loadTeam(build: ThreadBuild, wasmUrl: string | undefined, threads: number): Promise<Compiled>;
  loadGrammar(url: string | undefined): Promise<VocabularyClass>;
  /** The source of a folder, for callers that do not bring their own `fetch`. */
  source(url: string): Source;
}

type Handlers = HandlersOf<Calls>;

/** Calls about answers, and about the conversations that they belong to. */
const WRITING: ReadonlySet<CallName> = new Set(["generate", "logits", "read", "saveState", "loadState", "fork"]);

/** Answers the calls that come through the port, for as long as the worker lives. */
export function serve(port: Port<Response, Request>, host: Host): void {
  const asker = new Asker(port);
  const session = new Session(host, asker);
  const handlers = session.handlers();
  answerCalls<Calls>(
    port,
    (call) => {
      session.refuse(call);
      return handlers[call];
    },
    (id, answer) => asker.answered(id, answer),
  );
}

class Session {
  readonly #host: Host;
  readonly #asker: Asker;
  #engine: Engine | undefined;
  #memory: WebAssembly.Memory | undefined;
  #template: ChatTemplate | undefined;
  #grammars: Grammars | undefined;
  #sampling: SamplingOptions = {};
  /** Keys and values of conversations. */
  readonly #kept = new Kept();
  readonly #done = { requests: 0, prompt_tokens: 0, completion_tokens: 0 };
  #timings: Timings | undefined;
  #beginning: Beginning | undefined;
  /** Stops what is done while nobody waits. */
  #idle = new AbortController();
  /** Settles when all weights are here. */
  #rest: Promise<void> = Promise.resolve();
  /** Stops the download. */
  readonly #download = new AbortController();
  #progress: LoadProgress | undefined;
  #report: (progress: LoadProgress) => void = () => undefined;
  /** Generation and logits use the engine's state in turn. */
  readonly #turns = new Turns();

  constructor(host: Host, asker: Asker) {
    this.#host = host;
    this.#asker = asker;
  }

  /** Fails where an encoder is asked for what only models that write can do. */
  refuse(call: CallName): void {
    if (this.#engine?.isEncoder && WRITING.has(call)) {
      throw new NomulError("unsupported", `${call}: this model is a sentence encoder: it embeds, and writes nothing`);
    }
  }

  handlers(): Handlers {
    return {
      open: (args, { emit }) => this.#open(args, emit),
      rest: async (_, { signal, emit }) => {
        // What was reported between the two calls has reached nobody.
        if (this.#progress !== undefined) emit(this.#progress);
        this.#report = emit;
        signal.addEventListener("abort", () => this.#download.abort());
        await this.#rest;
        return undefined;
      },
      generate: (args, { signal, emit }) => {
        const arrived = performance.now();
        return this.#inTurn(signal, args.conversation, (engine) => this.#generate(engine, args, arrived, signal, emit));
      },
      logits: ({ conversation, ids }, { signal }) =>
        this.#inTurn(signal, conversation, (engine) => new Float32Array(engine.logits(tokenIds(ids)))),
      read: (text, { signal, emit }) =>
        this.#inTurn(signal, READING, (engine) => readText(engine, text, false, signal, emit)),
      embed: ({ texts, normalize }, { signal, emit }) =>
        this.#inTurn(signal, READING, (engine) => embedTexts(engine, texts, normalize, signal, emit)),
      saveState: (conversation, { signal }) =>
        this.#inTurn(signal, conversation, (engine) => new Uint8Array(engine.saveState())),
      loadState: ({ conversation, state }, { signal }) =>
        this.#inTurn(signal, conversation, (engine) => {
          engine.loadState(state);
          return undefined;
        }),
      fork: ({ conversation, from }, { signal }) =>
        this.#inTurn(signal, from, (engine) => {
          this.#kept.keep(conversation, engine);
          return undefined;
        }),
      drop: async (conversation) => {
        this.#kept.drop(conversation);
        return undefined;
      },
      stats: async () => ({
        memory: this.#memory?.buffer.byteLength ?? 0,
        kept: this.#kept.bytes,
        cached_tokens: this.#ready.cachedTokens,
        context_length: this.#ready.contextLength,
        ...this.#done,
        timings: this.#timings,
      }),
      tokenize: async ({ text, addSpecial }) => [...this.#ready.tokenize(text, addSpecial)],
      detokenize: async (ids) => this.#ready.detokenize(tokenIds(ids)),
      inspect: async () => this.#ready.inspect(),
      setPlanes: async (planes) => {
        this.#ready.setPlanes(planes);
        return undefined;
      },
    };
  }

  get #ready(): Engine {
    if (this.#engine === undefined) throw new NomulError("not_ready", "the model is not open yet");
    return this.#engine;
  }

  async #open(args: OpenArguments, emit: (progress: LoadProgress) => void): Promise<Opened> {
    try {
      return await this.#start(args, emit);
    } catch (error) {
      this.#download.abort();
      throw error;
    }
  }

  async #start(args: OpenArguments, emit: (progress: LoadProgress) => void): Promise<Opened> {
    this.#report = emit;
    const { url, cache, evict, startAtPlanes } = args;
    const { signal } = this.#download;
    const source = args.askCaller ? this.#asker : this.#host.source(url);
    const report = (progress: LoadProgress) => {
      this.#progress = progress;
      this.#report(progress);
    };
    const download = new Download({ url, source, cache, evict, startAtPlanes, signal, report });
    const [{ EngineClass, memory, ...running }, description] = await Promise.all([
      this.#load(args),
      download.describe(),
    ]);
    const { config, index, tokenizer, tokenizerConfig, template, generationConfig } = description;
    const { contextLength } = args;
    const engine = new EngineClass(config, index, tokenizer, tokenizerConfig, generationConfig, contextLength);
    engine.useTeam?.();
    const beginning = engine.isEncoder ? undefined : new Beginning(download.keeping());
    this.#engine = engine;
    this.#memory = memory;
    this.#template = template;
    this.#grammars = new Grammars(() => this.#host.loadGrammar(args.grammarUrl));
    this.#sampling = samplingDefaults(generationConfig);
    await new Promise<void>((resolve, reject) => {
      const enough = () => {
        const { usable, level, levels } = engine.progress();
        if (usable && level >= Math.min(startAtPlanes ?? levels, levels)) resolve();
      };
      this.#rest = download.weights(engine, enough);
      this.#rest.then(resolve, reject);
    });
    await beginning?.restore(engine);
    this.#beginning = beginning;
    return { kind: engine.isEncoder ? "encoder" : "decoder", contextLength: engine.contextLength, ...running };
  }

  /** The engine that was asked for, or the one for one thread where no team can be gathered. */
  async #load({ build, wasmUrl, threads, alone }: OpenArguments) {
    try {
      const compiled = isForThreads(build)
        ? await this.#host.loadTeam(build, wasmUrl, threads)
        : await this.#host.loadEngine(build, wasmUrl);
      return { ...compiled, build, threads };
    } catch (cause) {
      const trouble = cause instanceof Error ? cause.message : String(cause);
      if (alone !== undefined) {
        // Where the network is the trouble, this fails as well.
        const compiled = await this.#host.loadEngine(alone.build, alone.wasmUrl).catch(() => undefined);
        if (compiled !== undefined) return { ...compiled, build: alone.build, threads: 1, trouble };
      }
      if (cause instanceof NomulError) throw cause;
      throw new NomulError("network", `the engine could not be loaded: ${trouble}`, { cause });
    }
  }

  async #generate(
    engine: Engine,
    args: GenerateArguments,
    arrived: number,
    signal: AbortSignal,
    emit: (event: GenerateEvent) => void,
  ): Promise<GenerateResult> {
    this.#done.requests++;
    const count = (event: GenerateEvent) => {
      if (event.type === "token") this.#done.completion_tokens++;
      emit(event);
    };
    // Both are there when the engine is.
    const tools = { engine, template: this.#template!, grammars: this.#grammars!, defaults: this.#sampling };
    const result = await generate(tools, args, arrived, signal, count);
    const { prompt_tokens, prompt_tokens_details } = result.usage;
    this.#done.prompt_tokens += prompt_tokens - prompt_tokens_details.cached_tokens;
    this.#timings = result.timings;
    this.#keepBeginning(engine, args).catch(() => undefined);
    return result;
  }

  /** For later visits, as soon as all weights are here and nobody waits. */
  async #keepBeginning(engine: Engine, args: GenerateArguments): Promise<void> {
    await this.#rest;
    if (this.#idle.signal.aborted) this.#idle = new AbortController();
    const { signal } = this.#idle;
    const enter = () => this.#kept.enter(READING, engine);
    await this.#turns.take(signal, () => this.#beginning?.keep(engine, this.#template!, args, enter, signal));
  }

  /** Uses the engine alone, with the keys and values of a conversation in it. */
  #inTurn<T>(signal: AbortSignal, conversation: number, use: (engine: Engine) => T | Promise<T>): Promise<T> {
    this.#idle.abort();
    return this.#turns.take(signal, () => {
      const engine = this.#ready;
      this.#kept.enter(conversation, engine);
      return use(engine);
    });
  }
}
