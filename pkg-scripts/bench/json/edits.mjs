// Documents with edits, as people and programs make them.

import { DAY, MINUTE, TERMS, WORDS, draws } from "./draws.mjs";

/** A letter left out, doubled, exchanged with the next one or replaced. */
function misspelt(word, { below, pick }) {
  const at = below(word.length - 1);
  return pick([
    () => word.slice(0, at) + word.slice(at + 1),
    () => word.slice(0, at) + word[at] + word.slice(at),
    () => word.slice(0, at) + word[at + 1] + word[at] + word.slice(at + 2),
    () => word.slice(0, at) + pick("aeiounrst") + word.slice(at + 1),
  ])();
}

/** What people and programs do to a text: misspell, replace, leave out or exchange words, write in capitals. */
function editedText(text, drawn) {
  const { below, pick } = drawn;
  const words = text.split(" ");
  const at = below(words.length);
  const edits = [() => words.with(at, misspelt(words[at], drawn)), () => words.with(at, pick(WORDS))];
  if (words.length > 1) {
    edits.push(() => words.toSpliced(at, 1));
    edits.push(() => words.toSpliced(at, 1).toSpliced(below(words.length), 0, words[at]));
  }
  edits.push(() => words.map((word) => word[0].toUpperCase() + word.slice(1)));
  return pick(edits)().join(" ");
}

/** A number moved by one to ten per cent, in the digits that it has, and by one of the last at least. */
function editedNumber(x, { next }) {
  const digits = (String(x).split(".")[1] ?? "").length;
  const [part, sign] = [0.01 + 0.09 * next(), next() < 0.5 ? -1 : 1];
  const moved = Number((x * (1 + sign * part)).toFixed(digits));
  return moved === x ? Number((x + sign * 10 ** -digits).toFixed(digits)) : moved;
}

/** Another order, an item less, or an item replaced. */
function editedList(items, { below, pick }) {
  const at = below(items.length);
  return pick([
    () => items.toSpliced(at, 1).toSpliced(below(items.length), 0, items[at]),
    () => items.toSpliced(at, 1),
    () => items.with(at, pick(TERMS)),
  ])();
}

/** A copy with `count` fields edited, each in a way that suits it; one in ten of these is missing. */
export function edited(document, count, next) {
  const drawn = draws(next);
  const copy = { ...document };
  for (const field of drawn.several(count, Object.keys(document))) {
    const value = copy[field];
    if (next() < 0.1) delete copy[field];
    else if (typeof value === "number") copy[field] = editedNumber(value, drawn);
    else if (Array.isArray(value)) copy[field] = editedList(value, drawn);
    else if (/^\d{4}-/.test(value)) {
      const steps = (1 + drawn.below(3)) * (next() < 0.5 ? -1 : 1);
      const moved = new Date(new Date(value).getTime() + steps * (value.length > 10 ? MINUTE : DAY));
      copy[field] = moved.toISOString().slice(0, value.length);
    } else copy[field] = editedText(value, drawn);
  }
  return copy;
}

/** All numbers of a document off by a factor. */
export function scaled(document, factor) {
  const off = ([field, value]) => [field, typeof value === "number" ? value * factor : value];
  return Object.fromEntries(Object.entries(document).map(off));
}
