//! MAP, BSC and MBAT as torchhd's users know them; memories, networks, classifiers.

use alloc::{format, string::String};

use sha2::{Digest, Sha256};

use super::{structure::*, *};
use crate::Code;

fn atoms(dimension: usize, count: u8) -> Vec<Bits> {
    (0..count).map(|i| Bits::atom(dimension, 0, &[i])).collect()
}

fn numbers(bundle: &Bundle) -> Vec<i32> {
    bundle.sums().values().iter().map(|v| *v as i32).collect()
}

/// torchhd's formulas, on lists of numbers.
#[test]
fn structures_are_the_sums_that_torchhd_defines() {
    let d = 300;
    let items = atoms(d, 5);
    let x: Vec<Vec<i32>> = items.iter().map(signs).collect();
    let one = vec![1; d];
    let product = |a: &[i32], b: &[i32]| -> Vec<i32> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let shift = |x: &[i32], by: usize| permuted(x, by, &one);
    let total = |terms: Vec<Vec<i32>>| sum(d, &terms.into_iter().map(|x| (x, 1)).collect::<Vec<_>>());

    assert_eq!(numbers(&multiset(d, &items)), total(x.clone()));
    assert_eq!(signs(&multibind(d, &items)), x.iter().fold(one.clone(), |a, b| product(&a, b)));
    let pairs = [(&items[0], &items[1]), (&items[2], &items[3])];
    assert_eq!(numbers(&hash_table(d, pairs)), total(vec![product(&x[0], &x[1]), product(&x[2], &x[3])]));
    let cross = product(&total(x[..2].to_vec()), &total(x[2..].to_vec()));
    assert_eq!(numbers(&cross_product(d, &items[..2], &items[2..])), cross);
    let sequence = (0..5).map(|i| shift(&x[i], 4 - i)).collect();
    assert_eq!(numbers(&bundle_sequence(d, &items)), total(sequence));
    let bound = (0..5).fold(one.clone(), |a, i| product(&a, &shift(&x[i], 4 - i)));
    assert_eq!(signs(&bind_sequence(d, &items)), bound);
    let trigram = |i: usize| product(&product(&shift(&x[i], 2), &shift(&x[i + 1], 1)), &x[i + 2]);
    assert_eq!(numbers(&ngrams(d, &items, 3)), total((0..3).map(trigram).collect()));
    assert_eq!(ngrams(d, &items, 0).total() + ngrams(d, &items, 6).total(), 0);
    assert_eq!(numbers(&graph(d, pairs, false)), numbers(&hash_table(d, pairs)));
    let directed = total(vec![product(&x[0], &shift(&x[1], 1)), product(&x[2], &shift(&x[3], 1))]);
    assert_eq!(numbers(&graph(d, pairs, true)), directed);
}

#[test]
fn a_hash_table_gives_its_values_back_in_every_model() {
    let d = 2_048;
    let keys = atoms(d, 10);
    let values = ItemMemory::of_atoms(d, 1, (0..50).map(|i| format!("{i}")));
    let ties = Bits::ties(d, 0);
    let pairs: Vec<(&Bits, &Bits)> = keys.iter().zip(values.items()).collect();
    let map = hash_table(d, pairs.iter().copied());
    let bsc = map.majority(&ties);
    let roles: Vec<Role> = (0..10u8).map(|i| Role::new(d, 0, &[i])).collect();
    let mbat = mbat::hash_table(d, roles.iter().zip(values.items()));
    for i in 0..10 {
        let unbound = Bundle::from_sums(&map.sums().bind(&keys[i]));
        assert_eq!(values.nearest(&unbound).unwrap().item, i);
        assert_eq!(values.nearest_bits(&bsc.bind(&keys[i])).unwrap().item, i);
        assert_eq!(values.nearest(&mbat.unbind(&roles[i])).unwrap().item, i);
        assert_eq!(values.cleanup(&bsc.bind(&keys[i])).unwrap(), values.item(i));
    }
    assert!(ItemMemory::new(d).nearest_bits(&ties).is_err());
    assert!(ItemMemory::new(d).push("x", Bits::atom(256, 0, b"x")).is_err());
}

#[test]
fn sequences_of_mbat_keep_their_order() {
    let (d, role) = (2_048, Role::new(2_048, 0, b"next"));
    let items = atoms(d, 12);
    let sequence = mbat::sequence(&role, &items);
    let memory = ItemMemory::of_atoms(
        d,
        0,
        ["\0", "\u{1}", "\u{2}", "\u{3}", "\u{4}", "\u{5}", "\u{6}", "\u{7}", "\u{8}", "\u{9}", "\u{a}", "\u{b}"],
    );
    let mut power = Role::identity(d);
    for i in 0..12 {
        power = role.compose(&power);
        assert_eq!(memory.nearest(&sequence.unbind(&power)).unwrap().item, i);
    }
    // What is the dollar of Mexico? (Kanerva 2010, with roles.)
    let (a, b) = (&items[0], &items[1]);
    assert_eq!(&mbat::analogy(a, b).bind(a), b);
}

#[test]
fn a_resonator_network_finds_the_factors() {
    let d = 2_048;
    let books: Vec<ItemMemory> = (0..3).map(|b| ItemMemory::of_atoms(d, b, (0..20).map(|i| format!("{i}")))).collect();
    let references: Vec<&ItemMemory> = books.iter().collect();
    for (a, b, c) in [(0, 0, 0), (3, 14, 15), (19, 2, 7), (11, 11, 11)] {
        let product = multibind(d, [books[0].item(a), books[1].item(b), books[2].item(c)]);
        let found = resonator(&product, &references, &Bits::ties(d, 0), 100).unwrap();
        assert_eq!((found.items.as_slice(), found.exact), (&[a, b, c][..], true));
    }
    let noise = Bits::atom(d, 9, b"not a product");
    assert!(!resonator(&noise, &references, &Bits::ties(d, 0), 30).unwrap().exact);
    assert!(resonator(&noise, &[&ItemMemory::new(d)], &noise, 1).unwrap_err().message.contains("code book 0"));
    assert!(resonator(&noise, &references, &noise, 0).is_err());
}

/// Three languages of a Markov chain each: refining makes a classifier of n-grams better, and never worse than chance.
#[test]
fn a_classifier_learns_and_refines() {
    let d = 1_024;
    let letters = atoms(d, 8);
    let mut draw = other(5);
    let ties = Bits::ties(d, 0);
    let mut text = |language: u64| {
        let mut letter = 0;
        let letters: Vec<Bits> = (0..60)
            .map(|_| {
                letter = (letter * (language + 2) + language + draw.below(3)) % 8;
                letters[letter as usize].clone()
            })
            .collect();
        ngrams(d, &letters, 3).majority(&ties)
    };
    let mut classifier = Classifier::new(d);
    assert!(classifier.predict(&ties).is_err());
    for round in 0..40 {
        classifier.refine(["x", "y", "z"][round % 3], &text(round as u64 % 3));
    }
    let right = (0..60).filter(|i| {
        let (class, cosine) = classifier.predict(&text(i % 3)).unwrap();
        assert!(cosine > 0.0);
        class == ["x", "y", "z"][*i as usize % 3]
    });
    let right = right.count();
    assert!(right >= 57, "{right} of 60");
    let names: Vec<String> = classifier.classes().map(|(name, _)| name.into()).collect();
    assert_eq!(names, ["x", "y", "z"]);
    let mut fresh = Classifier::new(d);
    fresh.add("x", &ties);
    assert!(!fresh.refine("x", &ties) && fresh.refine("y", &Bits::atom(d, 3, b"")));
}

/// What binds in each model, its inverse, and structures made of it.
#[test]
fn models_bind_and_unbind_signs_and_sums() {
    let items = atoms(1_000, 4);
    let [a, b, c, d] = &items[..] else { panic!() };
    let sums = structure::multiset(1_000, [a, b, c]).sums();
    for model in [Model::Map, Model::Bsc, Model::Mbat] {
        assert_eq!(model.unbind(a, &model.bind(a, b)), *b, "{model:?}");
        assert_eq!(model.unbind_sums(d, &model.bind_sums(d, &sums)), sums, "{model:?}");
        // Binding a sum is the sum of what is bound.
        let bound = [a, b, c].map(|x| model.bind(d, x));
        assert_eq!(model.bind_sums(d, &sums), structure::multiset(1_000, &bound).sums(), "{model:?}");
        let deep = (model.bind(a, &model.bind(b, c)), model.bind(b, &model.bind(a, c)));
        assert_eq!(deep.0 == deep.1, model != Model::Mbat, "{model:?}");
        assert_eq!(model.multibind(1_000, &items[..3]), deep.0, "{model:?}");
        assert_eq!(model.multibind(1_000, &[]), Bits::identity(1_000));
        let crossed = model.cross_product(1_000, &items[..1], &items[1..]);
        let table = model.hash_table(1_000, &[a.clone(), a.clone(), a.clone()], &items[1..]).unwrap();
        assert_eq!(crossed.sums(), table.sums(), "{model:?}");
        let both = model.graph(1_000, &items[..2], &items[2..], false).unwrap().sums();
        let turned = model.graph(1_000, &items[2..], &items[..2], false).unwrap().sums();
        assert_eq!(both, turned, "{model:?}");
        assert!(model.graph(1_000, &items[..2], &items[2..], true).unwrap().sums() != both);
        assert_eq!(model.hash_table(1_000, &items[..1], &[]).unwrap_err().code, Code::Input);
        assert_eq!(model.inverse(a).is_ok(), model != Model::Mbat);
        assert_eq!(model.ngrams(1_000, &items, 5).total(), 0);
    }
    assert_eq!("MBAT".parse::<Model>().unwrap(), Model::Mbat);
    assert!("HRR".parse::<Model>().unwrap_err().message.contains("MAP, BSC and MBAT"));
}

/// The same numbers on every engine; the package's test has the same digest.
#[test]
fn a_table_of_mbat_is_the_same_everywhere() {
    let (dimension, seed) = (1_156, 7);
    let atom = |name: &str| Bits::atom(dimension, seed, name.as_bytes());
    let random = Bits::random(dimension, &mut Draw::new(seed, Kind::Other, &1u64.to_le_bytes()));
    let values = [atom("x"), random, levels::circular(dimension, seed, 1).remove(0)];
    let table = Model::Mbat.hash_table(dimension, &["a", "b", "c"].map(atom), &values).unwrap().sums().permute(5);
    let bytes: Vec<u8> = table.values().iter().flat_map(|x| x.to_le_bytes()).collect();
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "8860168f9ed6a0afb7ff519095116b2176b5f2b18946802c3ac0eb6f316b30b6");
}
