/** The module of graphs, JSON and search in Node. */
import { readFile } from "node:fs/promises";
import { loadEngine, type Engine } from "./engine.js";

/** Compiles the module that lies there, or beside its glue. Node's fetch reads no files. */
export async function loadEngineFile(wasmUrl: string | URL | undefined): Promise<Engine> {
  const place = new URL(wasmUrl ?? "../../wasm/vectors/nomul_bg.wasm", import.meta.url);
  return loadEngine({ module_or_path: place.protocol === "file:" ? await readFile(place) : place });
}
