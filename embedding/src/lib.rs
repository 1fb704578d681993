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

use std::ops::Range;

use futures::future::BoxFuture;

pub use config::Config;
pub use error::{Error, LoadError};
pub use folder::Identity;
pub use model::Model;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    pub text: String,
    /// The places of those sentences that get a vector of their own, in bytes of the text.
    pub sentences: Vec<Range<usize>>,
}

/// The vectors of a passage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    pub vector: Vec<f32>,
    /// The vectors of the sentences, in the order of [`Passage::sentences`]. A sentence that the model does not read,
    /// because it is beyond the maximum length, has the zero vector, which is similar to no other vector.
    pub sentences: Vec<Vec<f32>>,
}

impl From<String> for Passage {
    fn from(text: String) -> Self {
        Self { text, sentences: Vec::new() }
    }
}

/// The interface of an embedding model.
///
/// Dropping a returned future withdraws its texts: those that no worker has started are not embedded.
pub trait Embed: Send + Sync {
    /// Returns the vector of a search query. Waiting queries are embedded before waiting passages.
    fn query<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>>;

    /// Returns the vectors of some passages, in their order. Concurrent calls take turns, passage by passage.
    ///
    /// The vector of a sentence comes from the model's run over the whole passage, so it knows what the sentence refers
    /// to ("late chunking"), and costs no run of its own.
    fn passages(&self, passages: Vec<Passage>) -> BoxFuture<'_, Result<Vec<Embedded>, Error>>;

    /// Like [`Self::passages`], for a document that is one of very many: other waiting passages get most of the turns.
    fn bulk_passages(&self, passages: Vec<Passage>) -> BoxFuture<'_, Result<Vec<Embedded>, Error>> {
        self.passages(passages)
    }

    /// Returns the number of a text's own tokens, without the model's prefix and special tokens.
    fn count_tokens(&self, text: &str) -> usize;

    /// Returns how many of a passage's own tokens the model reads at most; later ones do not influence the vector.
    fn passage_tokens(&self) -> usize;

    /// Returns the identity of this model. Vectors of different models must never be compared.
    fn identity(&self) -> &Identity;
}
