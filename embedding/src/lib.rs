//! Turns text into vectors.
//!
//! Callers use one trait, [`Embed`]: a query or some passages are the input, and vectors are the output, or
//! [`Error::Busy`] if too many texts are already waiting. Its implementation [`Model`] has one ONNX session per worker
//! thread. Each worker takes one text at a time from a queue in which queries overtake passages.
//!
//! ```text
//! query ────▶ queries  ┐                ┌▶ worker: tokens → graph → pool → normalize ┐
//!                      ├─ bounded queue ┤                                            ├▶ vectors
//! passages ─▶ passages ┘                └▶ worker: tokens → graph → pool → normalize ┘
//! ```
//!
//! A text's vector depends only on this text, never on others that are embedded at the same time: int8 graphs quantize
//! activations by the value range of a whole run, so a batch would change the vector of each text in it.

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

/// The interface of an embedding model.
///
/// Dropping a returned future withdraws its texts: those that no worker has started are not embedded.
pub trait Embed: Send + Sync {
    /// Returns the vector of a search query. Waiting queries are embedded before waiting passages.
    fn query<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>>;

    /// Returns the vectors of some passages, in their order. Concurrent calls take turns, text by text.
    fn passages(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Error>>;

    /// Like [`Self::passages`], for a document that is one of very many: other waiting passages get most of the turns.
    fn bulk_passages(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<Vec<f32>>, Error>> {
        self.passages(texts)
    }

    /// Returns the number of a text's own tokens, without the model's prefix and special tokens.
    fn count_tokens(&self, text: &str) -> usize;

    /// Returns the maximum number of a passage's own tokens that the model reads; later tokens do not influence the
    /// vector.
    fn passage_tokens(&self) -> usize;

    /// Returns the identity of this model. Vectors of different models must never be compared.
    fn identity(&self) -> &Identity;
}
