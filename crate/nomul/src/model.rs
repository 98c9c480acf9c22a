//! A model in sign planes: streamed in, usable from the first planes on.

mod matrix;

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, sync::Arc, vec, vec::Vec};

pub use crate::index::Shard;
use crate::{
    Result, bail,
    config::{Architecture, ModelConfig},
    float::Float,
    forward::CHUNK,
    index::{names, plans, shards},
    kernel::{self, BackEnd, ColumnScales, Columns, Planes, Precision, Scales, value},
    plane::{self, Layout, VECTOR_COLUMNS, coded::Decoder},
    scale::Scale,
    shift::{
        ShiftAdd,
        factor::{Factor, Factors},
    },
    stream::{Expected, Sink, Stream, zeroed},
    team::Team,
    weights::{Kind, MatrixId, VectorId, Weights},
};
pub use matrix::MatrixInfo;
use matrix::{Matrix, Prefix};

/// How many bytes of planes a byte of a shard may stand for.
const MOST_SHRUNK: u64 = 16;

/// What a tensor of the stream is.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// `set` counts prefixes.
    Planes {
        matrix: usize,
        set: usize,
    },
    Columns {
        matrix: usize,
        set: usize,
    },
    Rows {
        matrix: usize,
    },
    Vector {
        vector: usize,
    },
}

/// A model. Make it from its two small files, [`push`](Model::push) the shards, run [`crate::forward`].
pub struct Model {
    config: ModelConfig,
    stream: Stream<Key>,
    weights: PlaneWeights,
}

/// The weights of a [`Model`]: all planes in one arena.
struct PlaneWeights {
    /// In the order of [`MatrixId::all`].
    matrices: Vec<Matrix>,
    /// The place of a matrix among them, by its [`slot`].
    lookup: Vec<u32>,
    arena: Vec<u8>,
    /// For the names of matrices.
    architecture: Architecture,
    /// By their [`VectorId`], see [`bias_slot`].
    biases: Vec<Option<Box<[f32]>>>,
    /// By their [`VectorId`], see [`gain_slot`].
    gains: Vec<Option<Box<Gain>>>,
    /// In the order in which `Key::Vector` counts.
    vector_ids: Vec<VectorId>,
    /// Bytes of the small tensor that is on its way.
    pending: Vec<u8>,
    /// Takes in the planes that are on their way.
    decoder: Option<Decoder>,
    tied: bool,
    /// The shard that is being received.
    shard: usize,
    /// Plane shards that arrived.
    level: usize,
    /// The most plane shards to use.
    limit: Option<usize>,
    back_end: BackEnd,
    scratch: kernel::Scratch,
    /// How finely the tables of every matrix are kept; `None`: as its planes ask for.
    precision: Option<Precision>,
}

/// A gain for either arithmetic.
struct Gain {
    factors: Factors,
    floats: Vec<f32>,
}

/// Where a matrix is found.
const fn slot(id: MatrixId) -> usize {
    id.layer << 4 | id.kind as usize
}

/// Where the gain of a norm is found.
const fn gain_slot(id: VectorId) -> usize {
    match id {
        VectorId::AttentionNorm(layer) => layer << 2,
        VectorId::FeedForwardNorm(layer) => layer << 2 | 1,
        VectorId::QueryNorm(layer) => layer << 2 | 2,
        VectorId::KeyNorm(layer) => layer << 2 | 3,
        // The norm before attention of the layer after the last: there is none.
        _ => usize::MAX,
    }
}

/// Where a bias is found: behind the kinds of matrices there is room for those of norms.
const fn bias_slot(id: VectorId) -> usize {
    match id {
        VectorId::Bias(matrix) => slot(matrix),
        VectorId::AttentionNormBias(layer) => layer << 4 | 15,
        VectorId::FeedForwardNormBias(layer) => layer << 4 | 14,
        _ => 13,
    }
}

impl Model {
    /// From `config.json` and `model.safetensors.index.json`. All memory for planes is taken here, after the sizes
    /// that the configuration asks for were found to fit the sizes of the shards.
    pub fn new(config_json: &[u8], index_json: &[u8]) -> Result<Model> {
        let config = ModelConfig::from_json(config_json)?;
        let architecture = config.architecture;
        let shards = shards(index_json)?;
        let plans = plans(config_json, &config)?;
        let total = shards.iter().fold(0u64, |sum, shard| sum.saturating_add(shard.bytes));
        let mut expected = BTreeMap::new();
        let (mut arena, mut stored) = (0usize, 0usize);
        let mut matrices = Vec::new();
        let layers = config.num_hidden_layers;
        let mut lookup = vec![u32::MAX; layers << 4];
        for (position, (id, plan)) in MatrixId::all(&config).map(|id| (id, plans[&id].clone())).enumerate() {
            let (rows, columns) = id.kind.shape(&config);
            let planes = plan.planes();
            let layout = Layout::new(rows, columns, planes);
            // What the shards hold bounds what is taken, but for what fills up the last tiles and blocks: weights are never so
            // alike that they are coded in less than a part of their planes.
            stored = plane::bytes(rows, columns)
                .and_then(|bytes| bytes.checked_mul(planes)?.checked_add(stored))
                .unwrap_or(usize::MAX);
            let end = layout.bytes().and_then(|bytes| arena.checked_add(bytes));
            let Some(end) = end.filter(|_| stored as u64 / MOST_SHRUNK <= total) else {
                bail!(
                    Shape,
                    "{}: {planes} planes of {rows} x {columns} do not fit into shards of {total} bytes",
                    id.name(architecture)
                );
            };
            let nothing = Prefix { planes_came: usize::MAX, codes: Vec::new(), codes_came: usize::MAX };
            let matrix = Matrix {
                id,
                rows,
                columns,
                place: arena..end,
                layout,
                planes,
                prefixes: vec![nothing; plan.prefixes.len()],
                row_codes: Vec::new(),
                column_scales: ColumnScales::default(),
                row_scales: Scales::default(),
                planes_in_use: 0,
                plan,
            };
            let mut codes = |name, shape: Vec<usize>, key| {
                let bytes = shape.iter().product::<usize>() * 2;
                expected.insert(name, Expected { dtype: "U16", shape, bytes, is_coded: false, key });
            };
            for (set, &prefix) in matrix.plan.prefixes.iter().enumerate() {
                let key = Key::Columns { matrix: position, set };
                let planes = if matrix.plan.is_even { 1 } else { prefix };
                codes(names::columns(architecture, id, prefix), vec![planes, columns], key);
            }
            codes(names::rows(architecture, id), vec![rows], Key::Rows { matrix: position });
            for (set, &prefix) in matrix.plan.prefixes.iter().enumerate() {
                let bytes = matrix.part(set).most_bytes().unwrap_or(usize::MAX);
                let key = Key::Planes { matrix: position, set };
                let planes = Expected { dtype: "U8", shape: vec![bytes], bytes, is_coded: true, key };
                expected.insert(names::planes(architecture, id, prefix), planes);
            }
            matrices.push(matrix);
            lookup[slot(id)] = position as u32;
            arena = end;
        }
        let vector_ids: Vec<VectorId> = VectorId::all(&config).filter(|id| !id.is_folded(architecture)).collect();
        for (position, id) in vector_ids.iter().enumerate() {
            let length = id.len(&config);
            let key = Key::Vector { vector: position };
            let floats = Expected { dtype: "F32", shape: vec![length], bytes: 4 * length, is_coded: false, key };
            expected.insert(id.name(architecture), floats);
        }
        let weights = PlaneWeights {
            matrices,
            lookup,
            arena: zeroed(arena, "the planes of the model")?,
            architecture,
            biases: vec![None; layers << 4],
            gains: (0..=layers << 2).map(|_| None).collect(),
            vector_ids,
            pending: Vec::new(),
            decoder: None,
            shard: 0,
            tied: config.tie_word_embeddings,
            level: 0,
            limit: None,
            back_end: kernel::best(),
            scratch: kernel::Scratch::default(),
            precision: None,
        };
        let mut model = Model { config, stream: Stream::new(shards, expected), weights };
        model.weights.reserve_all();
        Ok(model)
    }

    /// The shape of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The configuration and the weights, apart, as the forward pass wants them.
    pub fn parts(&mut self) -> (&ModelConfig, &mut (impl Weights<Arithmetic = ShiftAdd> + use<>)) {
        (&self.config, &mut self.weights)
    }

    /// The same with norms, positions, attention and gates in floats: what [`ShiftAdd`] is measured against.
    pub fn float_parts(&mut self) -> (&ModelConfig, impl Weights<Arithmetic = Float>) {
        (&self.config, WithFloats(&mut self.weights))
    }

    /// The files, in the order to stream.
    pub fn shards(&self) -> &[Shard] {
        self.stream.shards()
    }

    /// Takes the next bytes of the shards, concatenated in the order of [`Model::shards`] and cut anywhere.
    ///
    /// Each shard's SHA-256 is checked when it ends; only then do its planes count. After an error the model takes
    /// nothing more until it is [rewound](Model::rewind), and planes that were complete before it stay usable.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.push(bytes, &mut self.weights)
    }

    /// The caller has checked every byte of the shard that comes next: its SHA-256 is not. Without effect within a shard, and
    /// gone with it, or when it is rewound. All else is checked as ever.
    pub fn trust(&mut self) {
        self.stream.trust();
    }

    /// Forgets what has come of the shard that is being received, also after an error: its bytes may be pushed anew.
    pub fn rewind(&mut self) {
        self.stream.rewind(&mut self.weights);
    }

    /// For each block, the fewest planes that one of its matrices uses.
    pub fn planes_by_layer(&self) -> Vec<usize> {
        let mut fewest = vec![usize::MAX; self.config.num_hidden_layers];
        let blocks = self.weights.matrices.iter().filter(|m| !m.id.kind.is_table());
        blocks.for_each(|m| fewest[m.id.layer] = fewest[m.id.layer].min(m.planes_in_use));
        fewest
    }

    /// Bytes so far.
    pub fn received(&self) -> u64 {
        self.stream.received()
    }

    /// Bytes of all shards.
    pub fn total(&self) -> u64 {
        self.shards().iter().map(|shard| shard.bytes).sum()
    }

    /// Plane shards that there are.
    pub fn levels(&self) -> usize {
        self.shards().len() - 1
    }

    /// Plane shards that have arrived.
    pub fn level(&self) -> usize {
        self.weights.level
    }

    /// How many of the plane shards that have arrived are in use, see [`Model::set_planes`].
    pub fn level_in_use(&self) -> usize {
        self.weights.limit.map_or(self.weights.level, |limit| limit.min(self.weights.level))
    }

    /// True once every matrix has enough planes to be evaluated.
    pub fn is_usable(&self) -> bool {
        self.weights.matrices.iter().all(|matrix| matrix.planes_in_use > 0)
    }

    /// Uses only the planes of the first `level` plane shards; `None`: all that have arrived.
    pub fn set_planes(&mut self, level: Option<usize>) -> Result<()> {
        if let Some(level) = level
            && (level > self.weights.level || self.weights.matrices.iter().any(|m| m.planes_at(level) == 0))
        {
            bail!(
                Input,
                "planes {level}: {} of {} plane shards have arrived, and a model needs at least {}",
                self.weights.level,
                self.levels(),
                self.least_level()
            );
        }
        self.weights.limit = level;
        self.weights.use_planes();
        Ok(())
    }

    /// Plane shards without which no answer is possible.
    fn least_level(&self) -> usize {
        let levels = 1..self.levels();
        let enough = |level| self.weights.matrices.iter().all(|m| m.planes_at(level) > 0);
        levels.into_iter().find(|&level| enough(level)).unwrap_or(self.weights.level + 1)
    }

    /// Which instructions the kernel runs on.
    pub fn back_end(&self) -> BackEnd {
        self.weights.back_end
    }

    /// Runs on another back end; the answers are the same bits.
    pub fn set_back_end(&mut self, back_end: BackEnd) {
        self.weights.back_end = back_end;
        self.weights.reserve_all();
    }

    /// Has its products done by a team; the answers are the same bits.
    pub fn set_team(&mut self, team: Arc<dyn Team>) {
        self.weights.scratch = kernel::Scratch::new(team);
        self.weights.reserve_all();
    }

    /// How finely the tables of every matrix are kept; `None`: as its planes ask for.
    pub fn set_precision(&mut self, precision: Option<Precision>) {
        self.weights.precision = precision;
    }

    /// Every matrix: shape, planes, bytes, error, and why it got its planes.
    pub fn inspect(&self) -> Vec<MatrixInfo> {
        self.weights
            .matrices
            .iter()
            .map(|matrix| MatrixInfo {
                name: matrix.id.name(self.config.architecture),
                layer: matrix.id.layer,
                kind: matrix.id.kind.short_name(),
                rows: matrix.rows,
                columns: matrix.columns,
                planes: matrix.planes,
                planes_ready: matrix.planes_in_use,
                bytes: matrix.plan.bytes.last().copied().unwrap_or(0),
                prefix_bytes: matrix.plan.bytes.clone(),
                prefixes: matrix.plan.prefixes.clone(),
                errors: matrix.plan.errors.clone(),
                error: matrix.plan.error(),
                reason: matrix.plan.reason.clone(),
            })
            .collect()
    }
}

impl PlaneWeights {
    /// Brings every matrix to the planes that the level and the limit allow.
    fn use_planes(&mut self) {
        let level = self.limit.unwrap_or(self.level).min(self.level);
        for matrix in &mut self.matrices {
            matrix.use_planes(matrix.planes_at(level));
        }
    }

    /// Takes the memory for products of every matrix with as many tokens as are read at once, and of the head with one.
    fn reserve_all(&mut self) {
        for matrix in &self.matrices {
            self.scratch.reserve(self.back_end, matrix.need(if matrix.id.kind.is_table() { 1 } else { CHUNK }));
        }
    }

    fn codes(&self, what: impl Fn(usize) -> String) -> Result<Vec<u16>> {
        let codes: Vec<u16> = self.pending.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        match codes.iter().position(|&code| !Scale(code).is_valid()) {
            Some(position) => bail!(Value, "scale {:#06x} at {} is none", codes[position], what(position)),
            None => Ok(codes),
        }
    }
}

impl Sink<Key> for PlaneWeights {
    fn bytes(&mut self, key: &Key, offset: usize, bytes: &[u8]) -> Result<()> {
        let Key::Planes { matrix, set } = *key else {
            self.pending.extend_from_slice(bytes);
            return Ok(());
        };
        let matrix = &self.matrices[matrix];
        if set > 0 && matrix.prefixes[set - 1].planes_came == usize::MAX {
            bail!(Format, "comes before planes 0 to {}, which it goes on from", matrix.plan.prefixes[set - 1]);
        }
        if offset == 0 {
            self.decoder = Some(Decoder::new(matrix.part(set), matrix.planes));
        }
        let decoder = self.decoder.as_mut();
        decoder.map_or(Ok(()), |decoder| decoder.push(bytes, &mut self.arena[matrix.place.clone()]))
    }

    fn tensor(&mut self, key: &Key) -> Result<()> {
        match *key {
            Key::Planes { matrix, set } => {
                self.decoder.take().map_or(Ok(()), |decoder| decoder.finish())?;
                // They count once their shard is complete.
                self.matrices[matrix].prefixes[set].planes_came = self.shard;
            }
            Key::Columns { matrix, set } => {
                let codes = self.codes(|position| format!("element {position}"))?;
                let matrix = &mut self.matrices[matrix];
                let doubled = if matrix.plan.is_even { matrix.plan.prefixes[set] - 1 } else { 0 };
                if let Some(position) = codes.iter().position(|&code| !Scale(code).doubled(doubled).is_valid()) {
                    bail!(Value, "scale {:#06x} at element {position} is too large", codes[position]);
                }
                let prefix = &mut matrix.prefixes[set];
                (prefix.codes, prefix.codes_came) = (codes, self.shard);
            }
            Key::Rows { matrix } => {
                let codes = self.codes(|position| format!("row {position}"))?;
                let matrix = &mut self.matrices[matrix];
                matrix.row_scales = Scales::new(matrix.rows, |row| Scale(codes[row]));
                matrix.row_codes = codes;
            }
            Key::Vector { vector } => {
                let floats: Vec<f32> =
                    self.pending.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                if let Some(position) = floats.iter().position(|x| !x.is_finite()) {
                    bail!(Value, "element {position} is {}", floats[position]);
                }
                match self.vector_ids[vector] {
                    bias @ (VectorId::Bias(_)
                    | VectorId::EmbeddingNormBias
                    | VectorId::AttentionNormBias(_)
                    | VectorId::FeedForwardNormBias(_)) => self.biases[bias_slot(bias)] = Some(floats.into()),
                    norm => {
                        let slot = gain_slot(norm).min(self.gains.len() - 1);
                        self.gains[slot] = Some(Box::new(Gain { factors: Factors::new(&floats), floats }));
                    }
                }
            }
        }
        self.pending.clear();
        Ok(())
    }

    fn shard(&mut self, position: usize) -> Result<()> {
        if let Some(matrix) = self.matrices.iter().find(|matrix| matrix.row_codes.is_empty()) {
            bail!(Missing, "the base shard has no scales of the rows of {}", matrix.id.name(self.architecture));
        }
        self.shard = position + 1;
        self.level = position;
        self.use_planes();
        Ok(())
    }

    fn rewind(&mut self) {
        self.pending.clear();
        self.decoder = None;
        for prefix in self.matrices.iter_mut().flat_map(|matrix| &mut matrix.prefixes) {
            for came in [&mut prefix.planes_came, &mut prefix.codes_came] {
                *came = if *came == self.shard { usize::MAX } else { *came };
            }
        }
    }
}

impl PlaneWeights {
    fn matrix(&self, id: MatrixId) -> &Matrix {
        let id = MatrixId { kind: names::table(id.kind, self.tied), ..id };
        &self.matrices[self.lookup[slot(id)] as usize]
    }

    fn gain(&self, norm: VectorId) -> Option<&Gain> {
        self.gains[gain_slot(norm).min(self.gains.len() - 1)].as_deref()
    }
}

impl Weights for PlaneWeights {
    type Arithmetic = ShiftAdd;

    fn row(&self, table: Kind, row: usize, out: &mut [f32]) {
        let matrix = self.matrix(MatrixId { layer: 0, kind: table });
        let signs = matrix.signs(&self.arena);
        out.fill(0.0);
        for plane in 0..matrix.planes_in_use {
            let scales = matrix.column_scales.plane(plane);
            let bytes = matrix.layout.row(signs, plane, row);
            for ((out, byte), scales) in out.chunks_mut(VECTOR_COLUMNS).zip(bytes).zip(scales.as_chunks::<2>().0) {
                for (column, out) in out.iter_mut().enumerate() {
                    let scale = value(&scales[column / 4], column % 4);
                    *out += if byte >> column & 1 == 1 { scale } else { -scale };
                }
            }
        }
        Factor::new(Scale(matrix.row_codes[row]).value()).scale(out);
    }

    fn product(&mut self, id: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]) {
        let id = MatrixId { kind: names::table(id.kind, self.tied), ..id };
        let matrix = &self.matrices[self.lookup[slot(id)] as usize];
        let seen = Planes {
            rows: matrix.rows,
            columns: matrix.columns,
            stored: matrix.planes,
            signs: matrix.signs(&self.arena),
            pair_stride: matrix.layout.pair_bytes(),
            columns_by: Columns::Each(&matrix.column_scales),
            rows_by: Some(matrix.row_scales.from(0)),
            precision: self.precision.unwrap_or(Precision::for_planes(matrix.planes_in_use)),
        };
        kernel::product(self.back_end, seen, x, tokens, y, &mut self.scratch);
    }

    fn reserve(&mut self, id: MatrixId, tokens: usize) {
        let need = self.matrix(MatrixId { kind: names::table(id.kind, self.tied), ..id }).need(tokens);
        self.scratch.reserve(self.back_end, need);
    }

    fn bias(&self, bias: VectorId) -> Option<&[f32]> {
        self.biases[bias_slot(bias)].as_deref()
    }

    fn gain(&self, norm: VectorId) -> Option<&Factors> {
        self.gain(norm).map(|gain| &gain.factors)
    }
}

/// See [`Model::float_parts`].
struct WithFloats<'a>(&'a mut PlaneWeights);

impl Weights for WithFloats<'_> {
    type Arithmetic = Float;

    fn row(&self, table: Kind, row: usize, out: &mut [f32]) {
        self.0.row(table, row, out);
    }

    fn product(&mut self, matrix: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]) {
        self.0.product(matrix, x, tokens, y);
    }

    fn reserve(&mut self, matrix: MatrixId, tokens: usize) {
        self.0.reserve(matrix, tokens);
    }

    fn bias(&self, bias: VectorId) -> Option<&[f32]> {
        self.0.bias(bias)
    }

    fn gain(&self, norm: VectorId) -> Option<&Vec<f32>> {
        self.0.gain(norm).map(|gain| &gain.floats)
    }
}
