//! All wire forms of acorag, without I/O.
//!
//! One Rust type is the HTTP body, the NATS payload and the published schema; a message knows its own subject. This
//! crate depends on no other crate of acorag, and every other crate may depend on it.

#[macro_use]
mod names;

pub mod account;
pub mod analytics;
pub mod asyncapi;
pub mod cache;
pub mod chat;
pub mod dead_letter;
pub mod document;
pub mod event;
pub mod feedback;
pub mod fields;
pub mod headers;
pub mod history;
pub mod ids;
pub mod ingest;
pub mod lenient;
pub mod limit;
pub mod messages;
pub mod metadata;
pub mod problem;
pub mod query;
pub mod request;
pub mod search;
pub mod subjects;
pub mod text;
pub mod upload;
pub mod view;

pub use fields::Fields;
pub use ids::{DocumentId, ProjectId};
pub use metadata::Metadata;
pub use problem::{Message, Problem, ProblemKind};
pub use query::{Lane, Scope};
pub use request::{Answer, Request};
