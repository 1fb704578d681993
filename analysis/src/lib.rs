//! Text analysis: language, sentences, search terms and document numbers.
//!
//! Indexing and search use the same functions, because both must produce the same terms. Every function is pure, and
//! its time is linear in the length of its input.

pub mod bm25;
pub mod codes;
mod fold;
pub mod language;
pub mod sentences;
mod stem;
mod stop_words;
pub mod terms;
mod words;

pub use language::{Language, detect};
