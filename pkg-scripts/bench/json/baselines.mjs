// Baselines of the same size in bytes: bags of what a document holds, hashed into as many bytes as a vector has.

/** "path=value" for every leaf; items of arrays have no positions, which favours the baselines. */
const values = (document) =>
  Object.entries(document).flatMap(([path, value]) => [value].flat().map((each) => `${path}=${each}`));

/** The same with texts taken apart into words, in lower case. */
const words = (document) =>
  Object.entries(document).flatMap(([path, value]) =>
    [value].flat().flatMap((each) =>
      String(each)
        .toLowerCase()
        .split(" ")
        .map((word) => `${path}=${word}`),
    ),
  );

/** FNV-1a, finished as in MurmurHash3: 32 bits. */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Feature hashing with signs (Weinberger and others 2009) into a byte each; `weight` gives each token its weight. Answers
 * with the bytes that are not zero: pairs of place and value.
 */
function hashedBag(bytes, tokens, weight) {
  return (document) => {
    const sums = new Map();
    for (const each of tokens(document)) {
      const place = hash(each) % bytes;
      const sign = hash(`sign ${each}`) & 1 ? 1 : -1;
      sums.set(place, (sums.get(place) ?? 0) + weight(each) * sign);
    }
    const largest = Math.max(...[...sums.values()].map(Math.abs)) || 1;
    return [...sums].map(([place, x]) => [place, Math.round((x * 127) / largest)]);
  };
}

/** For each query the `k` documents of the largest cosines, best first. Ties count in the order of documents. */
function nearest(documents, queries, encode, bytes, k) {
  const inverse = new Float64Array(documents.length);
  const places = Array.from({ length: bytes }, () => ({ documents: [], values: [] }));
  documents.forEach((document, d) => {
    let squares = 0;
    for (const [place, x] of encode(document)) {
      squares += x * x;
      places[place].documents.push(d);
      places[place].values.push(x);
    }
    inverse[d] = 1 / Math.sqrt(squares || 1);
  });
  const scores = new Float64Array(documents.length);
  return queries.map((document) => {
    scores.fill(0);
    for (const [place, x] of encode(document)) {
      const { documents: list, values } = places[place];
      for (let i = 0; i < list.length; i++) scores[list[i]] += x * values[i];
    }
    const best = [];
    for (let d = 0; d < documents.length; d++) {
      const score = scores[d] * inverse[d];
      if (best.length === k && score <= best[k - 1].score) continue;
      let at = best.length;
      while (at > 0 && best[at - 1].score < score) at--;
      best.splice(at, 0, { d, score });
      if (best.length > k) best.pop();
    }
    return best.map(({ d }) => d);
  });
}

/** The nearest documents of every query by every baseline, by its name. */
export function baselines(documents, queries, bytes, k) {
  const found = {};
  for (const [name, tokens] of [
    ["path=value", values],
    ["path=word", words],
  ]) {
    const counts = new Map();
    for (const document of documents)
      for (const each of new Set(tokens(document))) counts.set(each, (counts.get(each) ?? 0) + 1);
    const idf = (each) => Math.log((1 + documents.length) / (1 + (counts.get(each) ?? 0))) + 1;
    const ranked = (weight) => nearest(documents, queries, hashedBag(bytes, tokens, weight), bytes, k);
    found[`hashed bag of ${name}`] = ranked(() => 1);
    found[`hashed TF-IDF of ${name}`] = ranked(idf);
  }
  return found;
}
