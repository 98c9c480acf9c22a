// Kinds of documents, ten fields each. Documents come in families, as real ones do, whose members share most fields. What
// tells them apart is text that has words in common with the others', and numbers as coarse as people write them down, so
// that many members have the same. Each function starts a family and answers with what makes its members.

import { DAY, MINUTE, NAMES, TERMS, WORDS, date, day } from "./draws.mjs";

/** A number within bounds, in steps. */
const within = (x, least, most, step = 1) => Math.round(Math.min(most, Math.max(least, x)) / step) * step;

/** Variants of a product: texts, numbers, tags. */
export function product({ below, pick, words, normal, several }) {
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
}

/** What a service logs. */
export function event({ below, pick, words, normal, several }) {
  const own = { service: pick(NAMES), host: pick(NAMES), region: pick(TERMS), version: `${below(9)}.${below(20)}` };
  const [message, begin, usual, flags] = [words(5, WORDS), below(700) * DAY, Math.exp(4 + normal()), several(6, TERMS)];
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
}

/** A ward of patients. */
export function visit({ below, pick, words, normal, several }) {
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
}

/** Hours at a weather station, as they are reported: one name, and numbers of few digits. */
export function weather({ below, pick, normal }) {
  const station = pick(NAMES);
  const [warm, wet, high, calm, turn] = [
    12 + 9 * normal(),
    65 + 12 * normal(),
    1013 + 9 * normal(),
    12 + 5 * normal(),
    below(36),
  ];
  return () => {
    const hour = below(24);
    const sun = Math.cos(((hour - 15) * Math.PI) / 12);
    const wind = within(calm + 5 * normal(), 0, 90);
    const clouds = within(4 + 2.5 * normal(), 0, 8);
    return {
      station,
      hour,
      temperature: within(warm + 4 * sun + 2 * normal(), -40, 45),
      humidity: within(wet - 12 * sun + 7 * normal(), 10, 100, 5),
      pressure: within(high + 4 * normal(), 950, 1050),
      wind,
      gusts: within(wind * 1.5 + 4 * normal(), wind, 150),
      direction: ((turn + Math.round(2 * normal()) + 36) % 36) * 10,
      clouds,
      visibility: within(25 - 2 * clouds + 6 * normal(), 1, 50),
    };
  };
}

/** What a device measures: its name, and numbers of many digits. */
export function reading({ pick, normal }) {
  const device = `${pick(NAMES)}-${pick(TERMS)}`;
  const usual = Array.from({ length: 9 }, () => [Math.exp(3 + 1.5 * normal()), 0.05 + 0.1 * Math.abs(normal())]);
  const names = ["voltage", "current", "power", "speed", "torque", "oil", "water", "intake", "exhaust"];
  return () => ({
    device,
    ...Object.fromEntries(
      names.map((name, i) => [name, Number((usual[i][0] * (1 + usual[i][1] * normal())).toFixed(2))]),
    ),
  });
}

/** People of a town, as in a register. */
export function person({ below, pick, words, normal }) {
  const [city, code] = [pick(TERMS), 10_000 + below(80_000)];
  const streets = Array.from({ length: 12 }, () => `${pick(NAMES)} ${pick(["street", "road", "lane"])}`);
  const surnames = Array.from({ length: 25 }, () => pick(NAMES));
  return () => ({
    given: words(1, NAMES),
    surname: pick(surnames),
    street: `${pick(streets)} ${1 + below(80)}`,
    city,
    code: code + below(4),
    born: day(-below(29_000) * DAY),
    phone: `0${below(90) + 10} ${String(below(1e6)).padStart(6, "0")}`,
    occupation: words(1, TERMS),
    employer: words(1, NAMES),
    income: within(Math.exp(10.4 + 0.4 * normal()), 5_000, 900_000, 500),
  });
}
