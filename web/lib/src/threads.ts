/**
 * An engine whose work is shared out. The model's worker makes a memory and compiles the engine; then it starts workers
 * that get both and join the team, one after the other told apart by number. A worker that has joined never returns: it
 * spins for its next part, and sleeps when none comes. It ends with the worker that started it.
 */
import type { Build } from "./detect.js";
import type { Compiled, EngineClass, WasmPlace } from "./engine.js";
import { NomulError } from "./errors.js";

export type ThreadBuild = Extract<Build, `${string}-threads`>;

export const isForThreads = (build: Build): build is ThreadBuild => build.endsWith("-threads");

/** What a worker needs to join. */
export interface Joining {
  build: ThreadBuild;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Its number, from 1 on. */
  worker: number;
}

/** Starts a worker that calls {@link join}. */
export interface Helper {
  /** Resolves when it is about to join, and rejects where it cannot. */
  readonly joined: Promise<void>;
  end(): void;
}

/** Bytes of a page of WebAssembly. */
const PAGE = 65536;
/** A shared memory tells beforehand how large it may become; some browsers refuse large ones. From 4 GiB down. */
const LARGEST = [65536, 32768, 16384, 8192, 4096];
/** What a memory begins with: some pages more than the engines ask for; the browser refuses one with less. */
const SMALLEST = 64;
/** A worker looks tables up and keeps little on its stack. */
const STACK = 4 * PAGE;

// Both paths are written out so that bundlers find the files.
const glueOf = (build: ThreadBuild) =>
  build === "relaxed-threads" ? import("../wasm/relaxed-threads/nomul.js") : import("../wasm/simd-threads/nomul.js");

/** Compiles an engine and gathers its team of `threads`, the caller included. */
export async function loadTeam(
  build: ThreadBuild,
  place: WasmPlace,
  threads: number,
  start: (joining: Joining) => Helper,
): Promise<Compiled> {
  const glue = await glueOf(build);
  const memory = sharedMemory();
  await glue.default({ ...(place !== undefined && { module_or_path: place }), memory });
  glue.openTeam(threads);
  const module = glue.compiledModule();
  const helpers: Helper[] = [];
  try {
    for (let worker = 1; worker < threads; worker++) helpers.push(start({ build, module, memory, worker }));
    await Promise.all(helpers.map((helper) => helper.joined));
  } catch (error) {
    for (const helper of helpers) helper.end();
    throw error;
  }
  return { EngineClass: glue.Engine satisfies EngineClass, memory };
}

/** The other side: `tell` gets what went wrong, or null before the worker joins, after which it hears nothing more. */
export async function join(
  { build, module, memory, worker }: Joining,
  tell: (trouble: string | null) => void,
): Promise<void> {
  try {
    const glue = await glueOf(build);
    glue.initSync({ module, memory, thread_stack_size: STACK });
    tell(null);
    glue.joinTeam(worker);
  } catch (error) {
    tell(String(error));
  }
}

function sharedMemory(): WebAssembly.Memory {
  for (const maximum of LARGEST) {
    try {
      return new WebAssembly.Memory({ initial: SMALLEST, maximum, shared: true });
    } catch {
      // A smaller one, perhaps.
    }
  }
  const megabytes = (LARGEST.at(-1)! * PAGE) >> 20;
  throw new NomulError("capacity", `there are no ${megabytes} MB of memory that threads can share`);
}
