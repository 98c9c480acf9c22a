/** The worker's side: one model, its download, and the calls upon it. */
import { Asker } from "./asker.js";
import { Turns, answerCalls, type HandlersOf } from "./calls.js";
import type { Build } from "./detect.js";
import { Download } from "./download.js";
import type { Engine, EngineClass } from "./engine.js";
import { NomulError } from "./errors.js";
import { generate, samplingDefaults, tokenIds } from "./generate.js";
import type { LoadProgress } from "./load-types.js";
import type { Calls, OpenArguments, Opened, Port, Request, Response } from "./protocol.js";
import type { Source } from "./source.js";
import { isForThreads, type ThreadBuild } from "./threads.js";
import type { SamplingOptions } from "./types.js";

/** What differs between a browser's worker and Node's. */
export interface Host {
  loadEngine(build: Build, wasmUrl: string | undefined): Promise<EngineClass>;
  loadTeam(build: ThreadBuild, wasmUrl: string | undefined, threads: number): Promise<EngineClass>;
  /** The source of a folder, for callers that do not bring their own `fetch`. */
  source(url: string): Source;
}

type Handlers = HandlersOf<Calls>;

/** Answers the calls that come through the port, for as long as the worker lives. */
export function serve(port: Port<Response, Request>, host: Host): void {
  const asker = new Asker(port);
  const handlers = new Session(host, asker).handlers();
  answerCalls<Calls>(
    port,
    (call) => handlers[call],
    (id, answer) => asker.answered(id, answer),
  );
}

class Session {
  readonly #host: Host;
  readonly #asker: Asker;
  #engine: Engine | undefined;
  #sampling: SamplingOptions = {};
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
        return this.#inTurn(signal, (engine) => generate(engine, args, this.#sampling, arrived, signal, emit));
      },
      logits: (ids, { signal }) => this.#inTurn(signal, (engine) => new Float32Array(engine.logits(tokenIds(ids)))),
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
    const [{ EngineClass, ...running }, description] = await Promise.all([this.#load(args), download.describe()]);
    const engine = new EngineClass(...description, args.contextLength);
    engine.useTeam?.();
    this.#engine = engine;
    this.#sampling = samplingDefaults(description.at(-1));
    await new Promise<void>((resolve, reject) => {
      const enough = () => {
        const { usable, level, levels } = engine.progress();
        if (usable && level >= Math.min(startAtPlanes ?? levels, levels)) resolve();
      };
      this.#rest = download.weights(engine, enough);
      this.#rest.then(resolve, reject);
    });
    return { contextLength: engine.contextLength, ...running };
  }

  /** The engine that was asked for, or the one for one thread where no team can be gathered. */
  async #load({ build, wasmUrl, threads, alone }: OpenArguments) {
    try {
      const EngineClass = isForThreads(build)
        ? await this.#host.loadTeam(build, wasmUrl, threads)
        : await this.#host.loadEngine(build, wasmUrl);
      return { EngineClass, build, threads };
    } catch (cause) {
      const trouble = cause instanceof Error ? cause.message : String(cause);
      if (alone !== undefined) {
        // Where the network is the trouble, this fails as well.
        const EngineClass = await this.#host.loadEngine(alone.build, alone.wasmUrl).catch(() => undefined);
        if (EngineClass !== undefined) return { EngineClass, build: alone.build, threads: 1, trouble };
      }
      if (cause instanceof NomulError) throw cause;
      throw new NomulError("network", `the engine could not be loaded: ${trouble}`, { cause });
    }
  }

  #inTurn<T>(signal: AbortSignal, use: (engine: Engine) => T | Promise<T>): Promise<T> {
    return this.#turns.take(signal, () => use(this.#ready));
  }
}
