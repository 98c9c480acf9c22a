// Baselines of the same size in bytes: bags of "path=value", hashed into as many bytes as a vector has.

const token = (path, value) => `${path}=${value}`;
const tokens = (document) => Object.entries(document).map(([path, value]) => token(path, value));

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
function hashedBag(bytes, weight) {
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

/** The share of queries whose document is among the ten of the largest cosine. Ties count in the order of documents. */
function recall(documents, queries, encode, bytes) {
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
  let found = 0;
  const scores = new Float64Array(documents.length);
  for (const { document, answer } of queries) {
    scores.fill(0);
    for (const [place, x] of encode(document)) {
      const { documents: list, values } = places[place];
      for (let i = 0; i < list.length; i++) scores[list[i]] += x * values[i];
    }
    const own = scores[answer] * inverse[answer];
    let better = 0;
    for (let d = 0; d < documents.length; d++) {
      const score = scores[d] * inverse[d];
      if (score > own || (score === own && d < answer)) better++;
    }
    if (better < 10) found++;
  }
  return found / queries.length;
}

/** Recall of every baseline. */
export function baselines(documents, queries, bytes) {
  const counts = new Map();
  for (const document of documents) for (const each of tokens(document)) counts.set(each, (counts.get(each) ?? 0) + 1);
  const idf = (each) => Math.log((1 + documents.length) / (1 + (counts.get(each) ?? 0))) + 1;
  return {
    "hashed path=value bag": recall(
      documents,
      queries,
      hashedBag(bytes, () => 1),
      bytes,
    ),
    "hashed TF-IDF of path=value": recall(documents, queries, hashedBag(bytes, idf), bytes),
  };
}
