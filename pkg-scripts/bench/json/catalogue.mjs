// Generated collections of documents, and what is asked of them.

import { draws, random } from "./draws.mjs";
import { edited } from "./edits.mjs";
import * as kinds from "./kinds.mjs";

/** The kinds of documents, by name. */
export const KINDS = Object.keys(kinds);

/** Members of a family. */
const FAMILY = 200;

/** `count` documents of these kinds, family by family. */
export function catalogue(count, seed, of = ["product", "event", "visit"]) {
  const drawn = draws(random(seed));
  const documents = [];
  for (let family = 0; documents.length < count; family++) {
    const member = kinds[of[family % of.length]](drawn);
    for (let i = 0; i < FAMILY && documents.length < count; i++) documents.push(member());
  }
  return documents;
}

/**
 * `count` documents of a kind among which `asked` have copies: `copies` each, with `fields` of ten fields edited, in the
 * place of documents anywhere. Answers with the documents and, for each original, the places of itself and its copies.
 */
export function duplicated(kind, count, asked, copies, fields, seed) {
  const documents = catalogue(count, seed, [kind]);
  const next = random(seed + 1);
  const places = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < asked * (1 + copies); i++) {
    const other = i + Math.floor(next() * (count - i));
    [places[i], places[other]] = [places[other], places[i]];
  }
  const groups = Array.from({ length: asked }, (_, i) => [...places.slice(i * (1 + copies), (i + 1) * (1 + copies))]);
  for (const [original, ...others] of groups)
    for (const place of others) documents[place] = edited(documents[original], fields, next);
  return { documents, groups, next };
}
