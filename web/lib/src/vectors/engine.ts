/** The compiled module of graphs, JSON and search; the types are those of its glue. */

/** Everything that crate/vectors exports. */
export type Engine = Awaited<ReturnType<typeof importGlue>>;

/** What the glue of wasm-bindgen takes as place of the .wasm file. */
export type WasmPlace = { module_or_path: string | URL | BufferSource } | undefined;

// The path is written out so that bundlers find the file.
const importGlue = () => import("../../wasm/vectors/nomul.js");

/** Compiles the module. Without a place the .wasm file is looked for beside its glue. */
export async function loadEngine(place: WasmPlace): Promise<Engine> {
  const glue = await importGlue();
  await glue.default(place);
  return glue;
}
