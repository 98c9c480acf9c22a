// The operations of torchhd, in Node, held to the textbook: plain arrays of numbers.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { createVsa } from "nomul/vsa";

const D = 1000;
const MODELS = ["MAP", "BSC", "MBAT"];

const times = (a, b) => a.map((x, i) => x * b[i]);
const plus = (...vectors) => vectors[0].map((_, i) => vectors.reduce((sum, x) => sum + x[i], 0));
const shifted = (x, by = 1) => x.map((_, i) => x[(((i - by) % D) + D) % D]);
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const list = (array) => [...array];

/** `bind` as each model defines it. */
const TWINS = { MAP: times, BSC: times, MBAT: (key, x) => times(key, shifted(x)) };

function fails(code, work) {
  assert.throws(work, (error) => error.name === "NomulError" && error.code === code, `${work}`);
}

for (const model of MODELS) {
  describe(model, async () => {
    const vsa = await createVsa({ model, dimensions: D, seed: 3 });
    const bound = TWINS[model];
    const numbers = (x) => list(vsa.numbers(x));
    const [a, b, c, d, e] = vsa.random(5);
    const [an, bn, cn, dn, en] = [a, b, c, d, e].map(numbers);
    /** A bundle as the model keeps it: sums, or their signs where no sum is zero. */
    const same = (found, sums, what) => {
      const got = numbers(found);
      if (model === "BSC")
        sums.forEach((sum, i) => assert.ok(sum === 0 || Math.sign(sum) === got[i], `${what} at ${i}`));
      else assert.deepEqual(got, sums, what);
    };

    test("symbols are signs, packed and unpacked", () => {
      assert.ok(an.every((x) => Math.abs(x) === 1) && Math.abs(dot(an, bn)) < 5 * Math.sqrt(D));
      assert.deepEqual(vsa.pack(an), a);
      assert.deepEqual(vsa.atom("x"), vsa.atom("x"));
      assert.notDeepEqual(vsa.atom("x"), vsa.atom("y"));
      assert.deepEqual(numbers(vsa.identity()), Array(D).fill(1));
    });

    test("binding, and back", () => {
      assert.deepEqual(numbers(vsa.bind(a, b)), bound(an, bn));
      assert.deepEqual(vsa.unbind(a, vsa.bind(a, b)), b);
      const deep = [numbers(vsa.bind(a, vsa.bind(b, c))), numbers(vsa.bind(b, vsa.bind(a, c)))];
      const similarity = dot(...deep) / D;
      if (model === "MBAT") assert.ok(Math.abs(similarity) < 0.15, `${similarity}`);
      else assert.equal(similarity, 1);
      if (model === "MBAT") fails("unsupported", () => vsa.inverse(a));
      else assert.deepEqual(vsa.bind(a, vsa.inverse(a)), vsa.identity());
      if (model === "BSC") return;
      const sums = vsa.bundle(a, b, c);
      assert.deepEqual(numbers(vsa.bind(d, sums)), bound(dn, plus(an, bn, cn)));
      assert.deepEqual(vsa.unbind(d, vsa.bind(d, sums)), sums);
      if (model === "MAP") assert.deepEqual(vsa.bind(sums, d), vsa.bind(d, sums));
      fails("input", () => vsa.bind(sums, sums));
    });

    test("permuting and turning", () => {
      for (const by of [0, 1, -1, 7, D, -3 * D - 2]) assert.deepEqual(numbers(vsa.permute(a, by)), shifted(an, by));
      assert.deepEqual(
        numbers(vsa.negative(a)),
        an.map((x) => -x),
      );
      if (model === "BSC") return;
      const sums = vsa.bundle(a, b);
      assert.deepEqual(numbers(vsa.permute(sums, -2)), shifted(plus(an, bn), -2));
      same(
        vsa.negative(sums),
        plus(an, bn).map((x) => 0 - x),
        "negative",
      );
    });

    test("structures", () => {
      const all = [a, b, c, d, e];
      const ns = [an, bn, cn, dn, en];
      same(vsa.multiset(all), plus(...ns), "multiset");
      same(vsa.bundle(...all), plus(...ns), "bundle");
      same(vsa.hashTable([a, b, c], [d, e, a]), plus(bound(an, dn), bound(bn, en), bound(cn, an)), "hashTable");
      const crossed = [an, bn].flatMap((x) => [cn, dn, en].map((y) => bound(x, y)));
      same(vsa.crossProduct([a, b], [c, d, e]), plus(...crossed), "crossProduct");
      const sequence = ns.map((x, i) => shifted(x, ns.length - 1 - i));
      same(vsa.bundleSequence(all), plus(...sequence), "bundleSequence");
      const chain = (list) =>
        model === "MBAT"
          ? list.reduceRight((path, key) => bound(key, path))
          : list.map((x, i) => shifted(x, list.length - 1 - i)).reduce(times);
      assert.deepEqual(numbers(vsa.bindSequence(all)), chain(ns));
      assert.deepEqual(numbers(vsa.multibind(all)), model === "MBAT" ? chain(ns) : ns.reduce(times));
      same(vsa.ngrams(all, 3), plus(...[0, 1, 2].map((i) => chain(ns.slice(i, i + 3)))), "ngrams");
      const edges = [
        [a, b],
        [b, c],
        [c, a],
      ];
      const en2 = edges.map((edge) => edge.map(numbers));
      const directed = en2.map(([from, to]) => times(from, shifted(to)));
      same(vsa.graph(edges, { directed: true }), plus(...directed), "directed");
      const both =
        model === "MBAT" ? en2.flatMap(([x, y]) => [bound(x, y), bound(y, x)]) : en2.map(([x, y]) => times(x, y));
      same(vsa.graph(edges), plus(...both), "undirected");
      // Of nothing.
      assert.deepEqual(vsa.multibind([]), vsa.identity());
      assert.equal(vsa.multiset([]).constructor, model === "BSC" ? Uint8Array : Int16Array);
      assert.deepEqual(vsa.ngrams([a], 3), vsa.multiset([]));
      assert.deepEqual(vsa.random(0), []);
    });

    test("a hash table gives its values back", () => {
      const [keys, values] = [vsa.random(5), vsa.random(5)];
      const table = vsa.hashTable(keys, values);
      const memory = [...vsa.random(95), ...values];
      keys.forEach((key, i) => {
        const { index, vector, similarity } = vsa.cleanup(vsa.unbind(key, table), memory);
        assert.deepEqual([index, vector], [95 + i, values[i]]);
        assert.ok(similarity > 0.25);
      });
      fails("missing", () => vsa.cleanup(vsa.unbind(vsa.atom("another"), table), memory, 0.4));
      fails("input", () => vsa.cleanup(table, []));
    });

    test("similarities", () => {
      assert.equal(vsa.dotSimilarity(a, b), dot(an, bn));
      assert.equal(vsa.cosSimilarity(a, a), 1);
      assert.equal(vsa.hammingSimilarity(a, b), an.filter((x, i) => x === bn[i]).length);
      if (model === "BSC") return;
      const sums = vsa.bundle(a, b, c);
      assert.equal(vsa.dotSimilarity(sums, d), dot(plus(an, bn, cn), dn));
      assert.equal(vsa.dotSimilarity(sums, sums), dot(plus(an, bn, cn), plus(an, bn, cn)));
      assert.deepEqual(numbers(vsa.hardQuantize(sums)), plus(an, bn, cn).map(Math.sign));
    });
  });
}

describe("symbols for what has an order, and learning", async () => {
  const vsa = await createVsa({ dimensions: 4096 });

  test("levels, circles, thermometers and right angles", () => {
    const cosine = (list, i, j) => vsa.cosSimilarity(list[i], list[j]);
    const level = vsa.level(5);
    [1, 0.75, 0.5, 0.25, 0].forEach((wanted, i) =>
      assert.ok(Math.abs(cosine(level, 0, i) - wanted) < 0.06, `level ${i}`),
    );
    const circle = vsa.circular(8);
    assert.ok(Math.abs(cosine(circle, 0, 4)) < 0.06 && Math.abs(cosine(circle, 0, 1) - cosine(circle, 0, 7)) < 0.06);
    const thermometer = vsa.thermometer(3);
    assert.deepEqual([cosine(thermometer, 0, 1), cosine(thermometer, 0, 2)], [0, -1]);
    const right = vsa.equiangular(26);
    assert.ok(right.every((_, i) => i === 0 || cosine(right, 0, i) === 0));
  });

  test("a resonator network finds factors", () => {
    const lists = [0, 1, 2].map(() => vsa.random(20));
    const product = vsa.multibind([lists[0][3], lists[1][14], lists[2][15]]);
    assert.deepEqual(vsa.resonator(product, lists), { indexes: [3, 14, 15], exact: true });
    fails("input", () => vsa.resonator(product, [[]]));
  });

  test("a classifier learns and refines", () => {
    const classifier = vsa.classifier();
    fails("input", () => classifier.predict(vsa.atom("x")));
    const [cat, dog] = vsa.random(2);
    const noisy = (x) => vsa.hardQuantize(vsa.bundle(x, ...vsa.random(2)));
    for (let i = 0; i < 5; i++) {
      classifier.add("cat", noisy(cat));
      classifier.add("dog", noisy(dog));
    }
    const { name, similarity } = classifier.predict(noisy(dog));
    assert.ok(name === "dog" && similarity > 0.3);
    assert.equal(classifier.refine("cat", noisy(cat)), false);
    const odd = vsa.hardQuantize(vsa.bundle(dog, dog, cat));
    assert.equal(classifier.refine("cat", odd), true);
  });
});

describe("what does not fit", async () => {
  const vsa = await createVsa({ dimensions: 512 });
  const bits = await createVsa({ dimensions: 512, model: "BSC" });
  const [a] = vsa.random(1);

  test("is told, with a code", async () => {
    await assert.rejects(createVsa({ dimensions: 255 }), { code: "input" });
    await assert.rejects(createVsa({ dimensions: 1.5 }), { code: "input" });
    await assert.rejects(createVsa({ seed: -1 }), { code: "input" });
    await assert.rejects(createVsa({ model: "HRR" }), { code: "input", message: /MAP, BSC and MBAT/ });
    fails("shape", () => vsa.bind(a, new Uint8Array(63)));
    fails("shape", () => vsa.bundle(a, new Int16Array(511)));
    fails("shape", () => vsa.numbers(new Uint8Array(65)));
    fails("shape", () => vsa.multibind([a, new Uint8Array(2)]));
    fails("input", () => vsa.dotSimilarity(a, [1, 2]));
    fails("input", () => vsa.hashTable([a], []));
    fails("input", () => vsa.permute(a, 0.5));
    fails("input", () => vsa.random(-1));
    fails("input", () => vsa.equiangular(513));
    fails("input", () => bits.bundle(new Int16Array(512)));
    fails("value", () => vsa.dotSimilarity(a, new Int16Array(512).fill(-32768)));
  });

  test("vectors are those of every other engine", async () => {
    const all = await createVsa({ model: "MBAT", dimensions: 1156, seed: 7 });
    const table = all.hashTable(
      ["a", "b", "c"].map((name) => all.atom(name)),
      [all.atom("x"), ...all.random(1), ...all.circular(1)],
    );
    const digest = createHash("sha256")
      .update(new Uint8Array(all.permute(table, 5).buffer))
      .digest("hex");
    assert.equal(digest, DIGEST);
  });
});

/** Of the sums, little-endian; the native test has it too. */
const DIGEST = "8860168f9ed6a0afb7ff519095116b2176b5f2b18946802c3ac0eb6f316b30b6";
