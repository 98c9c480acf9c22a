/** Where a model is: an address, or files that somebody dropped. */
import type { Fetch } from "nomul";

export interface Place {
  /** Of the model folder; a relative one counts from the page. */
  address: string;
  /** Where the bytes come from, if not from there. */
  fetch?: Fetch;
}

/** The files of a folder on this computer, as a place to load from. They are read part by part, and never leave the page. */
export function dropped(name: string, files: ReadonlyMap<string, File>): Place {
  const fetch: Fetch = (url, { headers, signal }) => {
    signal.throwIfAborted();
    const file = files.get(decodeURIComponent(new URL(url).pathname.split("/").at(-1) ?? ""));
    if (file === undefined) return Promise.resolve(new Response(null, { status: 404 }));
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers["range"] ?? "") ?? [];
    if (from === undefined) return Promise.resolve(new Response(file));
    const end = to ? Number(to) + 1 : file.size;
    const range = { "content-range": `bytes ${from}-${Math.min(end, file.size) - 1}/${file.size}` };
    return Promise.resolve(new Response(file.slice(Number(from), end), { status: 206, headers: range }));
  };
  return { address: `file:///${encodeURIComponent(name)}/`, fetch };
}
