// Is a document found by a copy with edited fields? By kind of document, beside baselines of the same size in bytes.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { say } from "../../shared/command.mjs";
import { baselines } from "./baselines.mjs";
import { KINDS, duplicated } from "./catalogue.mjs";
import { edited, scaled } from "./edits.mjs";

/** What is counted among the first so many. */
const K = 10;
/** Copies of each document that is asked for, so that with itself it has as many true neighbours. */
const COPIES = K - 1;
/** Fields of ten that are edited: two is what the figures are about, more is harder. */
const EDITS = [2, 4];

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** Of lists of what was found, and the true neighbours of each query, the original first. */
const scores = (found, groups) => ({
  original_at_1: mean(found.map((list, i) => Number(list[0] === groups[i][0]))),
  original: mean(found.map((list, i) => Number(list.includes(groups[i][0])))),
  neighbours: mean(found.map((list, i) => groups[i].filter((place) => list.includes(place)).length / K)),
});

/**
 * For each kind a catalogue of `count` documents, `asked` of which have nine copies with two of ten fields edited. A query
 * is one more such copy, which is not in the catalogue: it has ten true neighbours. `command` runs `nomul json`.
 */
export async function retrieval({ command, count, asked, dimension, kinds = KINDS }) {
  const folder = await mkdtemp(join(tmpdir(), "nomul-json-"));
  const write = async (name, list) => {
    const path = join(folder, name);
    await writeFile(path, list.map((each) => JSON.stringify(each)).join("\n"));
    return path;
  };
  const index = join(folder, "index");
  const embed = async (documents, ...words) =>
    command("embed", await write("documents", documents), "-o", index, "--dimension", dimension, ...words);
  const search = async (queries, k) => {
    const { queries: found } = await command("search", index, "--queries", await write("queries", queries), "-k", k);
    return found.map((hits) => hits.map(({ id }) => Number(id) - 1));
  };
  try {
    const rows = [];
    for (const kind of kinds) {
      say(`- retrieval: ${kind}`);
      const { documents, groups, next } = duplicated(kind, count, asked, COPIES, 2, 1);
      const { seconds, identity } = await embed(documents);
      for (const fields of EDITS) {
        const queries = groups.map(([original]) => edited(documents[original], fields, next));
        const found = { nomul: await search(queries, K), ...baselines(documents, queries, dimension / 8, K) };
        const by = Object.fromEntries(Object.entries(found).map(([name, lists]) => [name, scores(lists, groups)]));
        rows.push({ kind, edited_fields: fields, identity, embed_seconds: seconds, ...by });
      }
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Numbers of one and the same document, off by little and by much: how often is the first nearer to the document? */
export async function nearNumbers({ command, count, asked, dimension, kinds = KINDS }) {
  const folder = await mkdtemp(join(tmpdir(), "nomul-json-"));
  const at = (name) => join(folder, name);
  const write = (name, list) => writeFile(at(name), list.map((each) => JSON.stringify(each)).join("\n"));
  try {
    const nearer = [];
    for (const kind of kinds) {
      const { documents, groups } = duplicated(kind, count, asked, 0, 2, 1);
      await write("documents", documents);
      const sample = groups.map(([original]) => documents[original]);
      await write(
        "versions",
        sample.flatMap((document) => [scaled(document, 1.05), scaled(document, 1.5)]),
      );
      await write("queries", sample);
      const words = ["--dimension", dimension, "--write-schema", at("schema")];
      await command("embed", at("documents"), "-o", at("index"), ...words);
      await command("embed", at("versions"), "-o", at("index"), "--schema", at("schema"));
      const { queries } = await command("search", at("index"), "--queries", at("queries"), "-k", 2 * asked);
      nearer.push(
        ...queries.map((hits, i) => {
          const place = (line) => hits.findIndex(({ id }) => id === String(line));
          return Number(place(2 * i + 1) < place(2 * i + 2));
        }),
      );
    }
    return mean(nearer);
  } finally {
    await rm(folder, { recursive: true });
  }
}
