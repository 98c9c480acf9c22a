//! `nomul graph classify`.

use std::{collections::HashMap, path::PathBuf};

use nomul::{
    Result, bail,
    graph::evaluate::{F1, Labelled},
};
use serde_json::json;

use super::{input, npy};
use crate::{progress::Bar, threads::Threads};

#[derive(clap::Args)]
pub struct Arguments {
    /// Vectors that `nomul graph embed` wrote: .npy
    vectors: PathBuf,
    /// Labels: an id and a label on each line; a node may have several
    labels: PathBuf,
    /// The ids that `nomul graph embed --ids` wrote; without them a node is the number of its row, from 0
    #[arg(long)]
    ids: Option<PathBuf>,
    /// Parts of the nodes to learn from, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0.1,0.5,0.9")]
    train: Vec<f64>,
    /// How often nodes are split anew
    #[arg(long, default_value_t = 3)]
    splits: u64,
    /// The weight of errors against that of coefficients
    #[arg(long, default_value_t = 0.1)]
    c: f64,
    /// Where random numbers start
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: Threads,
    /// One JSON object on the last line of standard output
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    if arguments.splits == 0 || !(arguments.c > 0.0 && arguments.c.is_finite()) {
        bail!(Input, "--splits has to be at least 1, --c above 0");
    }
    if let Some(part) = arguments.train.iter().find(|part| !(0.0..1.0).contains(*part)) {
        bail!(Input, "--train {part}: a part is above 0 and below 1");
    }
    let array = npy::read(&arguments.vectors)?;
    let mut rows: HashMap<String, usize> = HashMap::new();
    match &arguments.ids {
        Some(path) => input::lines(path, |_, line| {
            rows.insert(line.to_owned(), rows.len());
            Ok(())
        })?,
        None => rows.extend((0..array.rows).map(|row| (row.to_string(), row))),
    }
    if rows.len() != array.rows {
        bail!(Shape, "{} ids for {} vectors", rows.len(), array.rows);
    }
    let (mut labels, mut names) = (vec![Vec::new(); array.rows], HashMap::new());
    input::lines(&arguments.labels, |_, line| {
        let &[id, label] = &input::fields(line)[..] else {
            bail!(Format, "\"{line}\": an id and a label were expected")
        };
        let Some(&row) = rows.get(id) else { bail!(Missing, "no vector of node {id}") };
        let next = names.len() as u32;
        labels[row].push(*names.entry(label.to_owned()).or_insert(next));
        Ok(())
    })?;
    let (team, bar) = (arguments.threads.team()?, Bar::new());
    let labelled = Labelled { dimensions: array.columns, vectors: &array.values, labels: &labels };
    let all = arguments.train.len() as u64 * arguments.splits;
    let (mut results, mut done) = (Vec::new(), 0);
    for &train in &arguments.train {
        let mut sum = F1::default();
        for split in 0..arguments.splits {
            bar.show("learning", done, all);
            let f1 = labelled.split(&*team, train, arguments.c, arguments.seed + split)?;
            (sum.micro, sum.macro_, done) = (sum.micro + f1.micro, sum.macro_ + f1.macro_, done + 1);
        }
        let percent = |sum: f64| 100.0 * sum / arguments.splits as f64;
        results.push((train, percent(sum.micro), percent(sum.macro_)));
    }
    bar.finish();
    for &(train, micro, macro_) in results.iter().filter(|_| !arguments.json) {
        println!("{:.0} % to learn from: micro-F1 {micro:.2}, macro-F1 {macro_:.2}", 100.0 * train);
    }
    if arguments.json {
        let list: Vec<_> = results
            .iter()
            .map(|&(train, micro, macro_)| json!({ "train": train, "micro": micro, "macro": macro_ }))
            .collect();
        println!("{}", json!({ "splits": arguments.splits, "c": arguments.c, "results": list }));
    }
    Ok(())
}
