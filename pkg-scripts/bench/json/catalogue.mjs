// A generated collection of documents, and queries that are documents with edits.
//
// Documents come in families, as real ones do: variants of a product, events of a service, visits to a ward. Members of
// a family share most fields. What tells them apart is text that has words in common with the others', and numbers as
// coarse as people write them down, so that many members have the same. Ten fields each.

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

/** Members of a family. */
const FAMILY = 200;
/** The distance in time of two events or days, in milliseconds. */
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

/** What is drawn from one stream of random numbers. */
function draws(next) {
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

const WORDS = vocabulary(101, 3000);
const NAMES = vocabulary(102, 400);
const TERMS = vocabulary(103, 120);
const date = (time) => new Date(Date.UTC(2024, 0, 1) + Math.round(time)).toISOString();
const day = (time) => date(time).slice(0, 10);

/** Each starts a family and answers with what makes its members. */
const KINDS = [
  function product({ below, pick, words, normal, several }) {
    const own = { brand: pick(NAMES), category: pick(TERMS), material: pick(TERMS), since: below(700) * DAY };
    const [title, text, tags] = [words(3, WORDS), words(8, WORDS), several(7, TERMS)];
    const [price, weight] = [Math.exp(3 + normal()), Math.exp(5 + normal())];
    return () => ({
      title: `${title} ${words(2, NAMES)}`,
      brand: own.brand,
      category: own.category,
      material: own.material,
      colour: pick(TERMS.slice(0, 12)),
      text: `${text} ${words(3, WORDS)}`,
      price: Math.max(1, Math.round(price * (1 + 0.2 * normal()))) - 0.01,
      weight: Math.max(1, Math.round((weight * (1 + 0.2 * normal())) / 10)) * 10,
      tags: several(4, tags),
      since: day(own.since),
    });
  },
  function event({ below, pick, words, normal, several }) {
    const own = { service: pick(NAMES), host: pick(NAMES), region: pick(TERMS), version: `${below(9)}.${below(20)}` };
    const [message, begin, usual, flags] = [
      words(5, WORDS),
      below(700) * DAY,
      Math.exp(4 + normal()),
      several(6, TERMS),
    ];
    const routes = Array.from({ length: 4 }, () => `/${pick(TERMS)}/${pick(TERMS)}`);
    return () => ({
      service: own.service,
      level: pick(["info", "info", "info", "warning", "error"]),
      host: own.host,
      region: own.region,
      version: own.version,
      route: pick(routes),
      flags: several(3, flags),
      duration: Math.max(1, Math.round(usual * Math.exp(0.4 * normal()))),
      message: `${message} ${words(3, NAMES)}`,
      at: date(begin + below(600) * MINUTE),
    });
  },
  function visit({ below, pick, words, normal, several }) {
    const own = { ward: pick(TERMS), doctor: `${pick(NAMES)} ${pick(NAMES)}`, finding: words(2, WORDS) };
    const [begin, drugs] = [below(700) * DAY, several(6, NAMES)];
    return () => ({
      ward: own.ward,
      doctor: own.doctor,
      sex: pick(["female", "male"]),
      age: Math.min(99, Math.max(18, Math.round(55 + 16 * normal()))),
      pulse: Math.round(75 + 11 * normal()),
      pressure: Math.round((128 + 15 * normal()) / 5) * 5,
      fever: Number((37.2 + 0.7 * normal()).toFixed(1)),
      finding: `${own.finding} ${words(2, WORDS)}`,
      drugs: several(3, drugs),
      admitted: day(begin + below(30) * DAY),
    });
  },
];

/** `count` documents, a third of each kind. */
export function catalogue(count, seed) {
  const drawn = draws(random(seed));
  const documents = [];
  for (let family = 0; documents.length < count; family++) {
    const member = KINDS[family % KINDS.length](drawn);
    for (let i = 0; i < FAMILY && documents.length < count; i++) documents.push(member());
  }
  return documents;
}

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

/** A number moved by one to ten per cent, in the digits that it has. */
function editedNumber(x, { next }) {
  const digits = (String(x).split(".")[1] ?? "").length;
  const moved = x * (1 + (0.01 + 0.09 * next()) * (next() < 0.5 ? -1 : 1));
  return Number(moved.toFixed(digits));
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
