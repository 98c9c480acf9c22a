// Random numbers and words that a seed decides.

/** Numbers from 0 up to 1 that a seed decides (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What is drawn from one stream of random numbers. */
export function draws(next) {
  const below = (n) => Math.floor(next() * n);
  const pick = (list) => list[below(list.length)];
  /** One of `n`, the first the most common, as words of a language are (Zipf). */
  const common = (n) => Math.floor((n + 1) ** next()) - 1;
  const letters = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"];
  const vowels = ["a", "e", "i", "o", "u"];
  /** A word that nobody has used: two to four syllables. */
  const coined = () => Array.from({ length: 2 + below(3) }, () => pick(letters) + pick(vowels)).join("");
  const words = (count, from) => Array.from({ length: count }, () => from[common(from.length)]).join(" ");
  /** About normal: mean 0, deviation 1. */
  const normal = () => Array.from({ length: 12 }, next).reduce((a, b) => a + b) - 6;
  const several = (count, from) => {
    const left = [...from];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(below(left.length), 1)[0]);
  };
  return { next, below, pick, coined, words, normal, several };
}

/** A vocabulary: equal for equal seeds, so that edits draw from the words that documents have. */
function vocabulary(seed, size) {
  const { coined } = draws(random(seed));
  const words = new Set();
  while (words.size < size) words.add(coined());
  return [...words];
}

export const WORDS = vocabulary(101, 3000);
export const NAMES = vocabulary(102, 400);
export const TERMS = vocabulary(103, 120);

/** The distance in time of two events or days, in milliseconds. */
export const MINUTE = 60_000;
export const DAY = 1440 * MINUTE;
export const date = (time) => new Date(Date.UTC(2024, 0, 1) + Math.round(time)).toISOString();
export const day = (time) => date(time).slice(0, 10);
