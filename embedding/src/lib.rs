//! Turns text into vectors.
//!
//! Callers see one trait, [`Embed`]: a query or some passages go in, vectors come out, or a plain [`Error::Busy`] when
//! too much is already waiting. Behind it, [`Model`] keeps one ONNX session per worker thread and feeds each of them one
//! text at a time from a queue in which queries overtake passages.
//!
//! ```text
//! query ────▶ queries  ┐                ┌▶ worker: tokens → graph → pool → normalize ┐
//!                      ├─ bounded queue ┤                                            ├▶ vectors
//! passages ─▶ passages ┘                └▶ worker: tokens → graph → pool → normalize ┘
//! ```
//!
//! A text's vector depends on that text alone, never on what else is being embedded: int8 graphs quantize activations by
//! the range of a whole run, so a batch would change each of its members.

mod config;
mod error;
mod folder;
mod graph;
mod metrics;
mod model;
mod queue;
mod runtime;
mod tokens;
mod unigram;
mod vocabulary;
mod worker;

use futures::future::BoxFuture;

pub use config::Config;
pub use error::{Error, LoadError};
pub use folder::Identity;
pub use model::Model;

/// The model, as everybody else sees it.
///
/// Dropping a returned future withdraws its texts: those that no worker has started are never embedded.
pub trait Embed: Send + Sync {
    /// The vector of a search query. Waiting queries go before waiting passages.
    fn query<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>>;

    /// The vectors of some passages, in their order. Calls that wait together take turns, text by text.
    fn passages(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Error>>;

    /// The same for a document that is one of very many: other passages that wait get most of the turns.
    fn bulk_passages(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Error>> {
        self.passages(texts)
    }

    /// How many tokens a text has by itself: without the model's prefix and special tokens.
    fn count_tokens(&self, text: &str) -> usize;

    /// How many of a passage's own tokens the model reads; what comes after them does not reach its vector.
    fn passage_tokens(&self) -> usize;

    /// Which model this is. Vectors of different models must never be compared.
    fn identity(&self) -> &Identity;
}
