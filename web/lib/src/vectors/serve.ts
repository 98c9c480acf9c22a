/** The worker's side: it is told which feature it is for, and then answers that feature's calls. */
import { answerCalls, type HandlersOf } from "../calls.js";
import { NomulError } from "../errors.js";
import type { Port, Request, Response } from "../protocol.js";
import type { Engine } from "./engine.js";
import type { Storage } from "./storage.js";

/** What differs between a browser's worker and Node's. */
export interface Host {
  loadEngine(wasmUrl: string | undefined): Promise<Engine>;
  /** Where things are kept under a name. */
  storage(): Storage;
}

/** A feature is a folder; its `server.ts` makes the handlers of its calls. */
const FEATURES = {
  graph: async (engine: Engine) => (await import("./graph/server.js")).handlers(engine),
  json: async (engine: Engine, host: Host) => (await import("./json/server.js")).handlers(engine, host.storage()),
  search: async (engine: Engine, host: Host) => (await import("./search/server.js")).handlers(engine, host.storage()),
};

export type Feature = keyof typeof FEATURES;

/** The first call upon every worker. */
export interface Opening {
  open: { arguments: { feature: Feature; wasmUrl: string | undefined }; event: never; result: undefined };
}

/** Answers the calls that come through the port, for as long as the worker lives. */
export function serveVectors(port: Port<Response, Request<Opening>>, host: Host): void {
  let handlers: HandlersOf<Opening> = {
    async open({ feature, wasmUrl }) {
      const engine = await host.loadEngine(wasmUrl).catch((cause: unknown) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new NomulError("network", `the engine could not be loaded: ${why}`, { cause });
      });
      // What is called from now on is the feature's; the caller's types know which.
      handlers = (await FEATURES[feature](engine, host)) as unknown as HandlersOf<Opening>;
      return undefined;
    },
  };
  answerCalls<Opening>(port, (call) => {
    if (!Object.hasOwn(handlers, call)) throw new NomulError("internal", `the worker knows no call ${call}`);
    return handlers[call];
  });
}
