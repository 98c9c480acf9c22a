// Generated catalogues: products that come in variants, as in real shops, and queries that are documents with edits.

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

const VARIANTS = 20;
/** Fields that variants of a product share. */
const SHARED = ["name", "brand", "category", "material"];
/** Fields in which they differ. */
const OWN = ["colour", "price", "weight", "rating", "stock", "width"];

/** `count` documents of ten fields each, in families of twenty variants. */
export function catalogue(count, seed) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const round = (x, unit) => Math.round(x / unit) * unit;
  const documents = [];
  let family;
  for (let i = 0; i < count; i++) {
    if (i % VARIANTS === 0) {
      family = {
        name: Array.from({ length: 3 }, () => `w${below(2000)}`).join(" "),
        brand: `brand${below(200)}`,
        category: `category${below(40)}`,
        material: `material${below(30)}`,
        price: Math.exp(1 + 5 * next()),
        weight: Math.exp(1 + 6 * next()),
        width: 10 + 190 * next(),
      };
    }
    documents.push({
      name: family.name,
      brand: family.brand,
      category: family.category,
      material: family.material,
      colour: `colour${below(8)}`,
      price: Number(round(family.price * (0.5 + next()), 0.5).toFixed(2)),
      weight: Number(round(family.weight * (0.5 + next()), 0.1).toFixed(1)),
      rating: Number((1 + 4 * next()).toFixed(1)),
      stock: below(50),
      width: Math.round(family.width * (0.5 + next())),
    });
  }
  return documents;
}

/** A document with two of its ten fields edited: numbers by up to five per cent, texts replaced. */
export function edited(document, next) {
  const copy = { ...document };
  const fields = [...SHARED, ...OWN];
  for (let edits = 0; edits < 2; edits++) {
    const [field] = fields.splice(Math.floor(next() * fields.length), 1);
    const value = copy[field];
    if (typeof value === "number") {
      const factor = 1 + (0.01 + 0.04 * next()) * (next() < 0.5 ? -1 : 1);
      copy[field] = Number((value * factor + 0.01).toFixed(3));
    } else if (field === "name")
      copy.name = value
        .split(" ")
        .with(Math.floor(3 * next()), `w${Math.floor(2000 * next())}`)
        .join(" ");
    else copy[field] = `${field}${Math.floor(1000 * next())}`;
  }
  return copy;
}

/** All numbers of a document off by the factor. */
export function scaled(document, factor) {
  const off = ([field, value]) => [field, typeof value === "number" ? value * factor : value];
  return Object.fromEntries(Object.entries(document).map(off));
}
