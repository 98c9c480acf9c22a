//! `nomul json bench`: how fast the algebra and the encoder are, on one thread.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use nomul::{
    Result, bail,
    json::{Encoder, Inference, Schema, Value, parse},
    vsa::{Bits, Bundle, Role, check_dimension},
};
use serde_json::json;

#[derive(clap::Args)]
pub struct Arguments {
    /// Signs of a vector
    #[arg(long, default_value_t = 10_000)]
    dimension: usize,
    /// Pairs that are bound and bundled
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// Vectors that a bundle is compared with
    #[arg(long, default_value_t = 10)]
    candidates: usize,
    /// Signs of the vector of a document
    #[arg(long, default_value_t = 4096)]
    document_dimension: usize,
    /// How long each is timed
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    check_dimension(arguments.dimension)?;
    check_dimension(arguments.document_dimension)?;
    if arguments.pairs == 0 || arguments.candidates == 0 || !(arguments.seconds > 0.0 && arguments.seconds <= 60.0) {
        bail!(Input, "there has to be at least one pair, one candidate, and time to measure, at most 60 seconds");
    }
    let (d, seconds) = (arguments.dimension, Duration::from_secs_f64(arguments.seconds));
    let atoms = |kind: &str, count: usize| -> Vec<Bits> {
        (0..count).map(|i| Bits::atom(d, 0, format!("{kind} {i}").as_bytes())).collect()
    };
    let (keys, values) = (atoms("key", arguments.pairs), atoms("value", arguments.pairs));
    let roles: Vec<Role> = (0..arguments.pairs).map(|i| Role::new(d, 0, format!("{i}").as_bytes())).collect();
    let candidates = atoms("candidate", arguments.candidates);
    let ties = Bits::ties(d, 0);
    let mut bundle = Bundle::new(d);

    // Each binds all pairs, adds them up, and compares the sum with every candidate.
    let mbat = per_second(seconds, || {
        bundle.clear();
        roles.iter().zip(&values).for_each(|(role, value)| bundle.add_bound(role, value, 1));
        let bundle = bundle.against();
        candidates.iter().map(|candidate| bundle.dot(candidate)).sum::<i64>()
    });
    let pairs: Vec<(&Bits, &Bits)> = keys.iter().zip(&values).collect();
    let map = per_second(seconds, || {
        bundle.clear();
        bundle.add_products(&pairs);
        let bundle = bundle.against();
        candidates.iter().map(|candidate| bundle.dot(candidate)).sum::<i64>()
    });
    let bsc = per_second(seconds, || {
        bundle.clear();
        bundle.add_products(&pairs);
        let signs = bundle.majority(&ties);
        candidates.iter().map(|candidate| signs.dot(candidate)).sum::<i64>()
    });

    let texts: Vec<String> = (0..256).map(document).collect();
    let documents: Vec<Value> = texts.iter().map(|text| parse(text.as_bytes())).collect::<Result<_>>()?;
    let mut schema = Schema::new(arguments.document_dimension);
    let mut inference = Inference::new();
    documents.iter().for_each(|document| inference.observe(document));
    inference.complete(&mut schema);
    let mut encoder = Encoder::new(schema)?;
    let mut next = (0..texts.len()).cycle();
    let mut failed = None;
    let encode = per_second(seconds, || {
        let text = &texts[next.next().unwrap_or(0)];
        let signs = parse(text.as_bytes()).and_then(|document| encoder.signs(&document));
        signs.map_or_else(
            |error| {
                failed = Some(error);
                0
            },
            |signs| signs.words()[0] as i64,
        )
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if arguments.json {
        let models = json!({ "mbat": mbat, "map": map, "bsc": bsc });
        let result = json!({
            "dimension": d, "pairs": arguments.pairs, "candidates": arguments.candidates,
            "structures_per_second": models,
            "document_dimension": arguments.document_dimension, "documents_per_second": encode,
        });
        println!("{result}");
        return Ok(());
    }
    println!("{} pairs bound, bundled, compared with {} vectors, of {d} signs:", arguments.pairs, arguments.candidates);
    for (name, speed) in [("MBAT", mbat), ("MAP", map), ("BSC", bsc)] {
        println!("  {name:<5} {speed:>9.0} a second");
    }
    println!("documents of 20 leaves, {} signs: {encode:.0} a second", arguments.document_dimension);
    Ok(())
}

/// How often `work` can be done in a second: the fastest of ten parts, since anything else that runs makes it slower.
fn per_second(seconds: Duration, mut work: impl FnMut() -> i64) -> f64 {
    let part = seconds / 10;
    let mut best = 0.0f64;
    for _ in 0..10 {
        let (started, mut times) = (Instant::now(), 0u32);
        let elapsed = loop {
            black_box(work());
            times += 1;
            let elapsed = started.elapsed();
            if elapsed >= part {
                break elapsed;
            }
        };
        best = best.max(times as f64 / elapsed.as_secs_f64());
    }
    best
}

/// A document of twenty leaves: texts, numbers, a date, flags, an array, an object.
fn document(i: usize) -> String {
    let pick = |names: &[&str]| names[i % names.len()].to_owned();
    json!({
        "name": format!("{} {} no. {i}", pick(&["plain", "large", "small"]), pick(&["lamp", "chair", "table", "shelf"])),
        "brand": pick(&["Acme", "Globex", "Initech", "Umbrella", "Hooli"]),
        "category": pick(&["home", "office", "garden"]),
        "price": 5.0 + (i * 37 % 1000) as f64 / 4.0,
        "weight": (i * 53 % 700) as f64 / 10.0,
        "rating": (i % 41) as f64 / 10.0 + 1.0,
        "reviews": i * i % 5000,
        "stock": i % 300,
        "sale": i.is_multiple_of(3),
        "since": format!("20{:02}-{:02}-{:02}", i % 25, i % 12 + 1, i % 28 + 1),
        "colour": pick(&["red", "green", "blue", "black", "white", "grey", "brown"]),
        "material": pick(&["oak", "steel", "glass"]),
        "size": { "width": i % 80 + 20, "depth": i % 60 + 10, "height": i % 150 + 5 },
        "tags": [pick(&["new", "old"]), pick(&["a", "b", "c"]), pick(&["x", "y", "z", "w"])],
        "maker": { "country": pick(&["AT", "DE", "IT", "PL"]), "code": i % 97 },
    })
    .to_string()
}
