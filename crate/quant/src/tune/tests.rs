use std::{collections::HashMap, path::Path};

use nomul::{
    config::{ModelConfig, Quantization},
    weights::{Kind, MatrixId},
};

use super::{Piece, Rest, Teacher, Tuned, Tuning, pieces, scales::Scales, step_through};
use crate::{
    calibrate::Calibration,
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{FitPlanes, FittedMatrix, Gptq, Hessian, Levels, Metric},
    gradient::Block,
    rotate::Rotation,
};

struct Model {
    checkpoint: Checkpoint,
    rotation: Rotation,
    config: ModelConfig,
    windows: Vec<Vec<u32>>,
    fitted: HashMap<MatrixId, FittedMatrix>,
}

/// The tiny checkpoint in 2 and 3 planes, fitted without calibration.
fn model() -> Model {
    model_on(None)
}

/// The same on levels that lie where the weights are, or evenly in so many bits.
fn model_on(bits: Option<f64>) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama");
    let checkpoint = Checkpoint::open(&folder).expect("a checkpoint");
    let rotation = Rotation::new(checkpoint.config(), 1);
    let config =
        ModelConfig { quantization: Some(Quantization { rotations: rotation.stored }), ..checkpoint.config().clone() };
    let vocab = config.vocab_size as u32;
    let windows = (0..8u32).map(|w| (0..48).map(|i| (i * i * 31 + i * 17 + w * 101) % vocab).collect()).collect();
    let mut fitted = HashMap::new();
    for id in MatrixId::all(&config) {
        let (rows, columns) = id.kind.shape(&config);
        let weights = rotation.matrix(&checkpoint, id).expect("a matrix");
        let hessian = Hessian::identity(columns).expect("a Hessian");
        let prefixes: &[usize] = if id.kind.is_table() { &[6] } else { &[2, 3] };
        let found =
            Gptq::default().fit(&weights, (rows, columns), Metric::of(&hessian), Levels { prefixes, bits }, &|_| ());
        fitted.insert(id, found.expect("planes"));
    }
    Model { checkpoint, rotation, config, windows, fitted }
}

impl Model {
    fn teacher(&self, most: usize) -> Teacher<'_> {
        let Model { checkpoint, rotation, config, windows, .. } = self;
        let mut pieces = pieces(windows);
        pieces.truncate(most);
        let teacher = Teacher::new(checkpoint, config, rotation, &pieces);
        teacher.expect("streams").expect("pieces")
    }

    fn tuning<'a>(&'a self, teacher: &'a Teacher<'a>, steps: [usize; 2]) -> Tuning<'a> {
        let Model { checkpoint, rotation, config, .. } = self;
        Tuning { checkpoint, config, rotation, teacher, steps, seed: 3, journal: None }
    }

    /// Mean divergence from the checkpoint, with all planes or with the first.
    fn divergence(&self, fitted: &HashMap<MatrixId, FittedMatrix>, is_start: bool) -> f64 {
        let mut weights = self.vectors();
        for (&id, matrix) in fitted {
            let prefix = if is_start { matrix.prefixes[0] } else { matrix.planes.len() };
            weights.insert(id, matrix.dequantize(prefix));
        }
        self.distance(&mut weights)
    }

    /// The same of any weights.
    fn distance(&self, weights: &mut Dense) -> f64 {
        let teacher = self.teacher(usize::MAX);
        let all = teacher.judges().end;
        assert_eq!(all, pieces(&self.windows).len());
        let each = (0..all).map(|piece| {
            let stream = weights.embed(teacher.piece(piece).tokens);
            step_through(weights, (0, stream), (&teacher, piece), |_, _, _| None)
        });
        each.sum::<f64>() / all as f64
    }

    fn vectors(&self) -> Dense {
        self.rotation.vectors(&self.checkpoint, &self.config).expect("vectors")
    }
}

#[test]
fn windows_become_pieces() {
    let windows = [vec![1; 1024], vec![2; 600], vec![3; 900]];
    let found: Vec<(usize, usize, usize)> =
        pieces(&windows).iter().map(|piece| (piece.window, piece.start, piece.tokens.len())).collect();
    assert_eq!(found, [(0, 0, 512), (0, 512, 512), (1, 0, 512), (2, 0, 512), (2, 512, 388)]);
    assert!(pieces(&windows).iter().all(|piece| piece.tokens[0] as usize == piece.window + 1));
    assert_eq!(pieces(&[vec![1; 40], vec![2; 1]]), [Piece { window: 0, start: 0, tokens: &[1; 40] }]);
    assert!(pieces(&[vec![1]]).is_empty() && pieces(&[]).is_empty());
}

#[test]
fn weights_are_those_of_the_planes() {
    for model in [model(), model_on(Some(2.4))] {
        for matrix in model.fitted.values().filter(|matrix| matrix.prefixes.len() > 1) {
            for prefix in [2, 3] {
                let tuned = Scales::new(matrix, prefix, true).expect("room");
                assert_eq!(tuned.weights(), matrix.dequantize(prefix));
                let mut same = matrix.clone();
                tuned.round_into(&mut same, 1);
                assert_eq!(&same, matrix, "scales that lie on the grid stay");
            }
        }
    }
}

/// A divergence towards another model, and its slopes along weights: against differences.
#[test]
fn slopes_equal_differences() {
    let model = model();
    let teacher = model.teacher(2);
    assert_eq!((teacher.lessons(), teacher.judges()), (1, 1..2));
    let mut weights = model.vectors();
    model.fitted.iter().for_each(|(&id, matrix)| weights.insert(id, matrix.dequantize(3.min(matrix.planes.len()))));
    let mut found = HashMap::new();
    let start = weights.embed(teacher.piece(0).tokens);
    step_through(&mut weights, (0, start.clone()), (&teacher, 0), |id, slopes, _| {
        found.insert(id, slopes.to_vec());
        None
    });
    // From a block on it is the same, given the stream before it.
    let second = Block::new(&model.config, &weights, 0, teacher.piece(0).tokens.len()).forward(start.clone()).out;
    step_through(&mut weights, (1, second), (&teacher, 0), |id, slopes, _| {
        assert!(id.layer >= 1 && slopes == &found[&id][..], "{id:?}");
        None
    });
    let mut judge = |id: MatrixId, change: &dyn Fn(f32) -> f32| {
        let own = weights.remove(id).expect("a matrix");
        weights.insert(id, own.iter().map(|&w| change(w)).collect());
        let judged = step_through(&mut weights, (0, start.clone()), (&teacher, 0), |_, _, _| None);
        weights.insert(id, own);
        judged
    };
    assert_eq!(found.len(), 7 * model.config.num_hidden_layers);
    for (&id, slopes) in &found {
        // Along the matrix itself: all weights grow by a share of themselves.
        let own = model.fitted[&id].dequantize(3);
        let along: f64 = own.iter().zip(slopes).map(|(&w, &s)| f64::from(w) * f64::from(s)).sum();
        let step = 0.01f32;
        let difference = (judge(id, &|w| w * (1.0 + step)) - judge(id, &|w| w * (1.0 - step))) / f64::from(2.0 * step);
        assert!((along - difference).abs() < 2e-4 + 0.03 * difference.abs(), "{id:?}: {along} against {difference}");
    }
}

#[test]
fn tuning_comes_nearer_and_does_not_depend_on_threads() {
    let model = model();
    let teacher = model.teacher(60);
    let tuned = |threads: usize| {
        let mut fitted = model.fitted.clone();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let run = || model.tuning(&teacher, [24, 60]).run(&mut fitted, &|_, _| ());
        let came = pool.install(run).expect("a tuned model");
        (fitted, came)
    };
    let ((fitted, came), again) = (tuned(1), tuned(3));
    assert_eq!(came, again.1);
    assert!(fitted.iter().all(|(id, matrix)| *matrix == again.0[id]), "threads make a difference");
    for tuned in came {
        let Tuned { before, after } = tuned.expect("both rounds");
        assert!(after < before, "{after} after {before}");
    }
    for (is_start, most) in [(false, 0.97), (true, 0.99)] {
        let (before, after) = (model.divergence(&model.fitted, is_start), model.divergence(&fitted, is_start));
        println!("start {is_start}: {before} before, {after} after");
        assert!(after < most * before, "start {is_start}: {before} before, {after} after");
    }
    // Signs stay, and so do the tables.
    for (id, matrix) in &fitted {
        assert_eq!(matrix.planes, model.fitted[id].planes);
        assert!(!id.kind.is_table() || *matrix == model.fitted[id]);
    }
}

/// The first block in planes, the others as they were: these come nearer to the checkpoint by what they learn, on any number of
/// threads.
#[test]
fn the_rest_makes_up_for_a_block() {
    let model = model();
    let teacher = model.teacher(usize::MAX);
    let learn = |steps: usize| {
        let mut weights = model.vectors();
        for id in MatrixId::all(&model.config) {
            weights.insert(
                id,
                match id.layer == 0 && !id.kind.is_table() {
                    true => model.fitted[&id].dequantize(2),
                    false => model.rotation.matrix(&model.checkpoint, id).expect("a matrix"),
                },
            );
        }
        let mut streams = Calibration::new(&model.config, &weights, &model.windows).expect("streams");
        streams.advance(&model.config, &weights, 0).expect("streams");
        let mut rest = Rest::new(&teacher);
        (0..steps).for_each(|_| rest.step(&mut weights, 1, &streams, &[Kind::Key]).expect("a step"));
        let of = |layer: usize, kind: Kind| weights.matrix(MatrixId { layer, kind }).to_vec();
        let own = [[of(0, Kind::Down), of(1, Kind::Key)], [of(1, Kind::Query), of(1, Kind::Down)]];
        (own, model.distance(&mut weights))
    };
    let on = |threads: usize, steps: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(|| learn(steps))
    };
    let ([settled, free], before) = on(1, 0);
    let ([still, moved], after) = on(1, 200);
    assert_eq!(settled, still);
    assert_ne!(free, moved);
    println!("{before} before, {after} after");
    assert!(after < 0.95 * before, "{before} before, {after} after");
    assert_eq!(on(3, 20), on(1, 20));
}
