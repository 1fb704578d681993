//! What acorag knows about text: its language, its sentences, its search vocabulary and its document numbers.
//!
//! Ingest indexes with these functions and search asks with the same ones; both must agree on every term, which is
//! why they live here. Everything is a pure function of its input and takes time linear in it.

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
