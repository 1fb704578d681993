//! The real model, and tiny ones whose results can be worked out by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod folders;
mod loading;
mod meaning;
mod queueing;
mod sentences;
mod texts;

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use devstack::Paths;
use embedding::{Config, Embed as _, Error, Model};

/// The library and the model; fetched and made when they are not there yet.
fn paths() -> &'static Paths {
    static PATHS: OnceLock<Paths> = OnceLock::new();
    PATHS.get_or_init(|| devstack::ensure().unwrap())
}

fn config() -> Config {
    Config {
        model_dir: paths().model.clone(),
        ort_dylib_path: paths().onnxruntime.clone(),
        embed_threads: NonZeroUsize::new(2),
        embed_queue: NonZeroUsize::new(1000).unwrap(),
        in_background: false,
    }
}

/// The default model, for tests that do not care what else it is doing.
fn model() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| Model::load_blocking(&config()).unwrap()).clone()
}

/// The vectors of passages, without any of their sentences.
async fn passages(model: &Model, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
    let embedded = model.passages(texts.into_iter().map(Into::into).collect()).await?;
    Ok(embedded.into_iter().map(|embedded| embedded.vector).collect())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
