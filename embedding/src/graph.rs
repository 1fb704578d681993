use std::error::Error;
use std::ops::Range;
use std::path::Path;

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use crate::LoadError;
use crate::folder::{Declaration, Pooling};

/// The inputs that a sentence-embedding graph may have.
const INPUTS: [&str; 4] = ["input_ids", "attention_mask", "token_type_ids", "position_ids"];

/// Output names of sentence-embedding graphs, in order of preference; a graph with none of these uses its first output.
const OUTPUTS: [&str; 4] = ["sentence_embedding", "last_hidden_state", "token_embeddings", "hidden_states"];

/// The session of one worker: token ids are the input, a vector is the output.
///
/// Weights in a file beside the graph are mapped into memory, and shared by the sessions of all workers and processes.
/// Each session has its own buffers, and its own copy of the matrices in the layout of its kernels.
pub(crate) struct Graph {
    session: Session,
    output: String,
    pooling: Pooling,
    normalize: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Vectors {
    pub text: Vec<f32>,
    /// The vector of each sentence; `None` if the graph has no vectors of tokens of which the mean has a meaning.
    pub sentences: Option<Vec<Vec<f32>>>,
}

impl Graph {
    /// Opens a graph and embeds each sample once: later runs are not slowed by initialization, and the vectors must have
    /// the declared dimension.
    pub fn open(
        environment: &Environment,
        path: &Path,
        declared: &Declaration,
        samples: &[Vec<i64>],
    ) -> Result<Self, LoadError> {
        let failed = |reason: String| LoadError::Graph { path: path.to_owned(), reason };
        let session = session(environment, path).map_err(|error| failed(error.to_string()))?;
        if let Some(other) = session.inputs().iter().find(|input| !INPUTS.contains(&input.name())) {
            let name = other.name();
            return Err(failed(format!(
                "it wants an input {name}, which a sentence-embedding model does not have"
            )));
        }
        let names: Vec<_> = session.outputs().iter().map(|output| output.name()).collect();
        let output = OUTPUTS
            .into_iter()
            .find(|wanted| names.contains(wanted))
            .or(names.first().copied())
            .ok_or_else(|| failed("it has no output".to_owned()))?
            .to_owned();
        let Declaration { pooling, normalize, dimension, .. } = *declared;
        let mut graph = Self { session, output, pooling, normalize };
        for ids in samples {
            let made = graph.embed(ids, &[]);
            let made = made.map_err(|reason| failed(format!("{} tokens: {reason}", ids.len())))?;
            let actual = made.text.len();
            if actual != dimension {
                return Err(LoadError::Dimension { path: path.to_owned(), declared: dimension, actual });
            }
        }
        Ok(graph)
    }

    /// Embeds a text, and the sentences of which each is a range of its tokens.
    pub fn embed(&mut self, ids: &[i64], sentences: &[Range<usize>]) -> Result<Vectors, String> {
        let mut vectors = self.run(ids, sentences).map_err(|error| error.to_string())?;
        for vector in std::iter::once(&mut vectors.text).chain(vectors.sentences.iter_mut().flatten()) {
            if self.normalize {
                let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                if length > 0.0 {
                    vector.iter_mut().for_each(|x| *x /= length);
                }
            }
            // An index with one NaN gives wrong results for every comparison with it, so such a vector is an error.
            if !vector.iter().all(|x| x.is_finite()) {
                return Err("not a number".to_owned());
            }
        }
        Ok(vectors)
    }

    fn run(&mut self, ids: &[i64], sentences: &[Range<usize>]) -> Result<Vectors, Box<dyn Error>> {
        // One text per run needs no padding: every token is attended to and belongs to the first sentence.
        let shape = [1, ids.len()];
        let (ones, zeros) = (vec![1_i64; ids.len()], vec![0_i64; ids.len()]);
        let positions: Vec<i64> = (0_i64..).take(ids.len()).collect();
        let has = |name: &str| self.session.inputs().iter().any(|input| input.name() == name);
        let values = INPUTS
            .into_iter()
            .zip([ids, &ones, &zeros, &positions])
            .filter(|(name, _)| has(name))
            .map(|(name, data)| Ok((name, TensorRef::from_array_view((shape, data))?.into())))
            .collect::<ort::Result<Vec<(&str, SessionInputValue<'_>)>>>()?;
        let outputs = self.session.run(values)?;
        let output = outputs.get(&self.output).ok_or_else(|| format!("it gave no {}", self.output))?;
        let (shape, data) = output.try_extract_tensor::<f32>()?;
        Ok(pool(shape, data, self.pooling, sentences)?)
    }
}

fn session(environment: &Environment, path: &Path) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_log_level(LogLevel::Warning)?
        // Each worker uses one core. A thread pool per session would compete with the other workers.
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // A memory plan for one input length is useless for other lengths.
        .with_memory_pattern(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        // On a CPU, the fused kernel is much slower than the separate addition and normalization.
        .with_disabled_optimizers("SkipLayerNormFusion")?
        .commit_from_file(path)
}

/// Converts a graph's output into vectors: `[1, width]` already is the text's, `[1, tokens, width]` has one per token.
fn pool(
    shape: &[i64],
    data: &[f32],
    pooling: Pooling,
    sentences: &[Range<usize>],
) -> Result<Vectors, String> {
    let (width, has_tokens) = match shape {
        [1, width] => (*width, false),
        [1, _, width] => (*width, true),
        _ => return Err(format!("its output has the shape {shape:?}")),
    };
    let width = usize::try_from(width).unwrap_or(0);
    if width == 0 || data.is_empty() {
        return Err(format!("its output is empty: {shape:?}"));
    }
    if pooling == Pooling::Cls || !has_tokens {
        return Ok(Vectors { text: data[..width].to_vec(), sentences: None });
    }
    let part = |tokens: &Range<usize>| data.get(tokens.start * width..tokens.end * width).unwrap_or_default();
    let sentences = sentences.iter().map(|tokens| mean(part(tokens), width)).collect();
    Ok(Vectors { text: mean(data, width), sentences: Some(sentences) })
}

/// The mean of the tokens' vectors; zero without tokens.
fn mean(tokens: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0_f32; width];
    for token in tokens.chunks_exact(width) {
        mean.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
    }
    let count = (tokens.len() / width).max(1) as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_pooled_as_declared() {
        let tokens = [1.0, 2.0, 3.0, 6.0, 5.0, 1.0];
        let pooled =
            |shape: &[i64], pooling| pool(shape, &tokens, pooling, &[0..1, 1..3, 0..0, 2..4]).unwrap();
        let sentences = vec![vec![1.0, 2.0], vec![4.0, 3.5], vec![0.0, 0.0], vec![0.0, 0.0]];
        let vectors = Vectors { text: vec![3.0, 3.0], sentences: Some(sentences) };
        assert_eq!(pooled(&[1, 3, 2], Pooling::Mean), vectors);
        assert_eq!(pooled(&[1, 3, 2], Pooling::Cls), Vectors { text: vec![1.0, 2.0], sentences: None });
        assert_eq!(pooled(&[1, 6], Pooling::Mean), Vectors { text: tokens.to_vec(), sentences: None });
    }

    #[test]
    fn an_output_of_another_shape_is_refused() {
        for shape in [&[2, 3][..], &[6], &[1, 1, 2, 3], &[1, 0]] {
            assert!(pool(shape, &[0.0; 6], Pooling::Mean, &[]).is_err(), "{shape:?}");
        }
        assert!(pool(&[1, 0, 6], &[], Pooling::Cls, &[]).is_err());
    }
}
