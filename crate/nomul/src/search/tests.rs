//! The index against its textbook: every vector as numbers, every score by multiplying, all sorted.

use alloc::{collections::BTreeMap, vec, vec::Vec};
use proptest::prelude::*;

use super::{numbers::Row, *};

/// A small generator, so that a case is a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Numbers that a vector of the kind can have.
fn vector(kind: Kind, dimensions: usize, random: &mut Random) -> Vec<i16> {
    let mut number = || match kind {
        Kind::Signs => (random.next() & 2) as i16 - 1,
        Kind::Ternary => (random.next() % 3) as i16 - 1,
        Kind::I8 => i16::from(random.next() as i8),
        Kind::I16 => random.next() as i16,
    };
    (0..dimensions).map(|_| number()).collect()
}

/// Calls `work` with numbers as the index takes them.
fn with<T>(kind: Kind, numbers: &[i16], work: impl FnOnce(Vector) -> T) -> T {
    match kind {
        Kind::Signs => {
            let mut bits = vec![0; numbers.len().div_ceil(8)];
            numbers.iter().enumerate().for_each(|(i, x)| bits[i / 8] |= u8::from(*x < 0) << (i % 8));
            work(Vector::Bits(&bits))
        }
        Kind::Ternary | Kind::I8 => work(Vector::I8(&numbers.iter().map(|x| *x as i8).collect::<Vec<i8>>())),
        Kind::I16 => work(Vector::I16(numbers)),
    }
}

/// All neighbours, best first.
fn textbook(shape: &Shape, vectors: &BTreeMap<u64, Vec<i16>>, query: &[i16]) -> Vec<Hit> {
    let dot = |x: &[i16], y: &[i16]| x.iter().zip(y).map(|(x, y)| i64::from(*x) * i64::from(*y)).sum::<i64>() as f64;
    let score = |x: &[i16]| match (shape.metric(), dot(x, x) * dot(query, query)) {
        (Metric::Dot, _) => dot(x, query),
        (Metric::Cosine, 0.0) => 0.0,
        (Metric::Cosine, squared) => dot(x, query) / libm::sqrt(squared),
    };
    let mut hits: Vec<Hit> = vectors.iter().map(|(key, x)| Hit { key: *key, score: score(x) }).collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.key.cmp(&b.key)));
    hits
}

/// The same scores in the same order; keys may be swapped where rounding decides.
fn assert_same(found: &[Hit], wanted: &[Hit], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(
            (found.score - wanted.score).abs() <= 1e-9 * wanted.score.abs().max(1e-3),
            "{what}: {found:?} {wanted:?}"
        );
    }
}

fn shapes(dimensions: &[usize]) -> impl Iterator<Item = Shape> {
    let kinds = Kind::ALL.into_iter().flat_map(|kind| Metric::ALL.map(|metric| (kind, metric)));
    kinds.flat_map(|(kind, metric)| dimensions.iter().map(move |d| Shape::new(kind, *d, metric).unwrap()))
}

/// An index of random vectors, and what is in it. Some vectors are there twice, so that there are ties.
fn filled(shape: Shape, count: usize, seed: u64) -> (Index, BTreeMap<u64, Vec<i16>>) {
    let mut random = Random(seed);
    let (mut index, mut vectors) = (Index::new(shape, "test").unwrap(), BTreeMap::new());
    let mut last = Vec::new();
    while vectors.len() < count {
        let key = random.next() >> 40;
        if vectors.contains_key(&key) {
            continue;
        }
        if random.next() > u64::MAX / 4 || last.is_empty() {
            last = vector(shape.kind(), shape.dimensions(), &mut random);
        }
        with(shape.kind(), &last, |vector| index.insert(key, vector)).unwrap();
        vectors.insert(key, last.clone());
    }
    (index, vectors)
}

#[test]
fn exact_searches_equal_the_textbook() {
    for shape in shapes(&[1, 7, 64, 130, 1024, 4100]) {
        let (index, vectors) = filled(shape, 150, 5);
        let what = alloc::format!("{shape:?}");
        let query = vector(shape.kind(), shape.dimensions(), &mut Random(77));
        let wanted = textbook(&shape, &vectors, &query);
        for k in [1, 10, 150, 1000] {
            let found = with(shape.kind(), &query, |query| index.search(query, k, Stages::Exact, &|_| true)).unwrap();
            assert_same(&found, &wanted[..k.min(150)], &what);
            // Ties come in the order of their keys.
            for pair in found.windows(2) {
                assert!(
                    pair[0].score > pair[1].score
                        || pair[0].key < pair[1].key
                        || (pair[0].score - pair[1].score).abs() < 1e-9
                );
            }
        }
        let allowed: Vec<Hit> = wanted.iter().copied().filter(|hit| hit.key & 1 == 0).collect();
        let found = with(shape.kind(), &query, |query| index.search(query, 10, Stages::Exact, &|key| key & 1 == 0));
        assert_same(&found.unwrap(), &allowed[..10], &what);
    }
}

/// With every row as candidate, two stages find what one finds; with fewer, candidates are those of the closest codes.
#[test]
fn two_stages_equal_the_textbook() {
    for shape in shapes(&[96, 1000]).filter(|shape| shape.number_bytes() > 0) {
        let (index, vectors) = filled(shape, 200, 9);
        let query = vector(shape.kind(), shape.dimensions(), &mut Random(3));
        let search = |candidates| {
            with(shape.kind(), &query, |query| index.search(query, 10, Stages::Two { candidates }, &|_| true)).unwrap()
        };
        let wanted = textbook(&shape, &vectors, &query);
        assert_same(&search(200), &wanted[..10], "all are candidates");
        let distance = |x: &[i16]| x.iter().zip(&query).filter(|(x, y)| (**x < 0) != (**y < 0)).count();
        let mut closest: Vec<u64> = vectors.keys().copied().collect();
        closest.sort_by_key(|key| (distance(&vectors[key]), *key));
        closest.truncate(20);
        // No number is zero here, so that signs are plain.
        if vectors.values().chain([&query]).all(|x| !x.contains(&0)) {
            let wanted: Vec<Hit> = wanted.into_iter().filter(|hit| closest.contains(&hit.key)).collect();
            assert_same(&search(20), &wanted[..10], "twenty candidates");
        }
    }
}

#[test]
fn steps_and_batches_change_nothing() {
    for shape in shapes(&[200]) {
        let (index, _) = filled(shape, 2000, 1);
        let queries: Vec<Vec<i16>> = (0..5).map(|i| vector(shape.kind(), 200, &mut Random(i))).collect();
        let one = |query: &Vec<i16>, stages| {
            with(shape.kind(), query, |query| index.search(query, 7, stages, &|_| true)).unwrap()
        };
        for stages in [Stages::Exact, Stages::Two { candidates: 50 }] {
            let wanted: Vec<Vec<Hit>> = queries.iter().map(|query| one(query, stages)).collect();
            // All five at once, in steps of odd sizes.
            let vectors: Vec<(Vec<u8>, Vec<i8>)> = queries
                .iter()
                .map(|query| {
                    let mut bits = vec![0; 25];
                    query.iter().enumerate().for_each(|(i, x)| bits[i / 8] |= u8::from(*x < 0) << (i % 8));
                    (bits, query.iter().map(|x| *x as i8).collect())
                })
                .collect();
            let vectors: Vec<Vector> = vectors
                .iter()
                .zip(&queries)
                .map(|((bits, bytes), numbers)| match shape.kind() {
                    Kind::Signs => Vector::Bits(bits),
                    Kind::Ternary | Kind::I8 => Vector::I8(bytes),
                    Kind::I16 => Vector::I16(numbers),
                })
                .collect();
            let mut search = Search::new(&index, &vectors, 7, stages).unwrap();
            let mut steps = 1;
            while !search.step(&index, 77, &|_| true).unwrap() {
                steps += 1;
            }
            assert!(steps > 2000 / 77);
            assert_eq!(search.progress(&index), (10_000, 10_000));
            assert_eq!(search.hits(), wanted);
        }
    }
}

#[test]
fn a_change_during_a_search_is_told() {
    let (mut index, _) = filled(Shape::new(Kind::I8, 10, Metric::Dot).unwrap(), 500, 1);
    let mut search = Search::new(&index, &[Vector::I8(&[1; 10])], 3, Stages::Exact).unwrap();
    assert_eq!(search.step(&index, 10, &|_| true), Ok(false));
    index.put(1, Vector::I8(&[2; 10])).unwrap();
    assert_eq!(search.step(&index, 10, &|_| true).unwrap_err().message, "the index has changed during a search");
}

#[derive(Clone, Debug)]
enum Change {
    Put(u64, u64),
    Remove(u64),
    Insert(u64, u64),
    Update(u64, u64),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (0..4, 0u64..40, any::<u64>()).prop_map(|(what, key, seed)| match what {
        0 => Change::Put(key, seed),
        1 => Change::Remove(key),
        2 => Change::Insert(key, seed),
        _ => Change::Update(key, seed),
    });
    prop::collection::vec(change, 0..120)
}

proptest! {
    /// Whatever is done to it, an index holds what a map holds, finds it, and comes back from its image.
    #[test]
    fn holds_what_a_map_holds(changes in changes(), shape in 0usize..8) {
        let shape = shapes(&[33]).nth(shape).unwrap();
        let (mut index, mut model) = (Index::new(shape, "test").unwrap(), BTreeMap::new());
        for change in changes {
            match change {
                Change::Put(key, seed) => {
                    let numbers = vector(shape.kind(), 33, &mut Random(seed));
                    with(shape.kind(), &numbers, |vector| index.put(key, vector)).unwrap();
                    model.insert(key, numbers);
                }
                Change::Remove(key) => prop_assert_eq!(index.remove(key), model.remove(&key).is_some()),
                Change::Insert(key, seed) => {
                    let numbers = vector(shape.kind(), 33, &mut Random(seed));
                    let done = with(shape.kind(), &numbers, |vector| index.insert(key, vector));
                    prop_assert_eq!(done.is_ok(), !model.contains_key(&key));
                    model.entry(key).or_insert(numbers);
                }
                Change::Update(key, seed) => {
                    let numbers = vector(shape.kind(), 33, &mut Random(seed));
                    let done = with(shape.kind(), &numbers, |vector| index.update(key, vector));
                    prop_assert_eq!(done.is_ok(), model.contains_key(&key));
                    model.entry(key).and_modify(|old| *old = numbers);
                }
            }
        }
        let index = Index::load(&index.save().unwrap(), Some("test")).unwrap();
        let mut keys = index.keys().to_vec();
        keys.sort_unstable();
        prop_assert_eq!(keys, model.keys().copied().collect::<Vec<u64>>());
        for (key, numbers) in &model {
            let values = index.get(*key).unwrap();
            with(shape.kind(), numbers, |vector| match (vector, &values) {
                (Vector::Bits(wanted), Values::Bits(bits)) => assert_eq!(bits, wanted),
                (Vector::I8(wanted), Values::I8(numbers)) => assert_eq!(numbers, wanted),
                (Vector::I16(wanted), Values::I16(numbers)) => assert_eq!(numbers, wanted),
                other => panic!("{other:?}"),
            });
            prop_assert!(Row::new(&shape, values.as_vector()).is_ok());
        }
        let query = vector(shape.kind(), 33, &mut Random(8));
        let found = with(shape.kind(), &query, |query| index.search(query, 5, Stages::Exact, &|_| true)).unwrap();
        assert_same(&found, &textbook(&shape, &model, &query)[..5.min(model.len())], "after changes");
    }

    /// An image that is cut into pieces anywhere loads; one that is damaged or cut short anywhere is refused in one line.
    #[test]
    fn images_whole_and_damaged(
        shape in 0usize..8,
        cuts in prop::collection::vec(1usize..200, 1..40),
        place in any::<prop::sample::Index>(),
        change in 1u8..,
    ) {
        let shape = shapes(&[19]).nth(shape).unwrap();
        let (index, _) = filled(shape, 12, 4);
        let image = index.save().unwrap();
        prop_assert_eq!(image.len() as u64, Image::new(&index).bytes());

        let mut loader = Loader::new(None);
        let mut rest = &image[..];
        for cut in cuts.iter().cycle() {
            let (part, after) = rest.split_at(rest.len().min(*cut));
            loader.push(part).unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(loader.finish().unwrap().save().unwrap(), image.clone());

        let mut damaged = image.clone();
        damaged[place.index(image.len())] ^= change;
        let error = Index::load(&damaged, None).err().unwrap();
        prop_assert!(!error.message.contains('\n') && error.message.starts_with("image: "), "{}", error.message);
        let error = Index::load(&image[..place.index(image.len())], None).err().unwrap();
        prop_assert_eq!(error.code, Code::Format);
        let mut longer = image;
        longer.push(change);
        prop_assert!(Index::load(&longer, None).is_err());
    }

    /// Bytes of nobody never make it panic.
    #[test]
    fn images_of_nobody(bytes in prop::collection::vec(any::<u8>(), 0..200), head in 0usize..33) {
        let (index, _) = filled(Shape::new(Kind::I8, 4, Metric::Dot).unwrap(), 2, 4);
        let mut image = index.save().unwrap()[..head].to_vec();
        image.extend(bytes);
        prop_assert!(Index::load(&image, None).is_err());
    }
}

#[test]
fn what_is_wrong_is_told() {
    let shape = Shape::new(Kind::I8, 4, Metric::Cosine).unwrap();
    let mut index = Index::new(shape, "letters 1").unwrap();
    index.insert(3, Vector::I8(&[1, 2, 3, 4])).unwrap();
    let line = |result: Result<()>| result.unwrap_err().message;
    assert_eq!(line(index.insert(3, Vector::I8(&[0; 4]))), "key 3 is there already");
    assert_eq!(line(index.update(4, Vector::I8(&[0; 4]))), "key 4 is not there");
    assert_eq!(line(index.put(4, Vector::I8(&[0; 5]))), "vector: 5 numbers where there should be 4");
    assert_eq!(line(index.put(4, Vector::Bits(&[0]))), "vector: an index of kind i8 takes no bits");
    assert_eq!(
        line(index.search(Vector::I16(&[0; 4]), 1, Stages::Exact, &|_| true).map(drop)),
        "query 0: vector: an index of kind i8 takes no 16-bit numbers"
    );
    assert_eq!(
        line(index.search(Vector::I8(&[0; 4]), 0, Stages::Exact, &|_| true).map(drop)),
        "k: no neighbours are asked for"
    );
    let ternary = Shape::new(Kind::Ternary, 3, Metric::Dot).unwrap();
    let mut ternary = Index::new(ternary, "").unwrap();
    assert_eq!(line(ternary.insert(0, Vector::I8(&[0, 2, 0]))), "vector: 2 at 1 is none of -1, 0, 1");

    let image = index.save().unwrap();
    let told = |image: &[u8], encoder| Index::load(image, encoder).err().unwrap().message;
    assert_eq!(
        told(&image, Some("letters 2")),
        "image: its vectors are of encoder \"letters 1\", not of \"letters 2\""
    );
    assert_eq!(told(&image[..50], None), "image: truncated at 50 bytes");
    assert_eq!(told(b"PK", None), "image: truncated at 2 bytes");
    assert_eq!(told(&[7; 100], None), "image: this is no index of vectors");
    let changed = |at: usize, byte: u8| {
        let mut image = image.clone();
        image[at] = byte;
        told(&image, None)
    };
    assert_eq!(changed(8, 2), "image: version 2, this program reads version 1");
    assert_eq!(changed(12, 9), "image: kind 9, metric 1: not known");
    assert_eq!(changed(18, 9), "image: dimensions: 589828 is not between 1 and 65536");
    assert_eq!(changed(55, 9), "image: its checksum is another: the bytes have changed");
}

/// An image is the same on every engine, for good.
#[test]
fn an_image_has_its_bytes() {
    let mut index = Index::new(Shape::new(Kind::Ternary, 9, Metric::Cosine).unwrap(), "e").unwrap();
    index.insert(258, Vector::I8(&[1, 0, -1, 0, 0, 0, 0, 1, -1])).unwrap();
    let image = index.save().unwrap();
    let wanted =
        b"nomulidx\x01\0\0\0\x01\x01\0\0\x09\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0e\x02\x01\0\0\0\0\0\0\x04\x01\x85\x01";
    assert_eq!(image[..image.len() - 32], wanted[..]);
}

/// Bits beyond the last number are nobody's, and zeros have the same sign on both sides.
#[test]
fn signs_of_what_has_none() {
    let shape = Shape::new(Kind::Signs, 12, Metric::Dot).unwrap();
    let mut index = Index::new(shape, "").unwrap();
    index.insert(0, Vector::Bits(&[0xff, 0xff])).unwrap();
    index.insert(1, Vector::Words(&[0x0fff])).unwrap();
    index.insert(2, Vector::I8(&[0; 12])).unwrap();
    let score = |query, key| {
        let hits = index.search(query, 3, Stages::Exact, &|_| true).unwrap();
        hits.into_iter().find(|hit| hit.key == key).unwrap().score
    };
    assert_eq!(score(Vector::Bits(&[0xff, 0x0f]), 0), 12.0);
    assert_eq!(score(Vector::I16(&[-5; 12]), 1), 12.0);
    assert_eq!(score(Vector::I16(&[0; 12]), 2), 12.0);
    assert_eq!(score(Vector::I16(&[-1; 12]), 2), 0.0);
}
