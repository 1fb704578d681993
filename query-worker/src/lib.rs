//! Answers searches, look-ups and chats.
//!
//! A query arrives on a JetStream subject, [`app`] routes it to the handler of its type, and the handler runs its SQL.
//! The caller's scope limits what a handler sees, in its SQL and again in the database.

pub mod accounts;
mod analytics;
pub mod app;
mod chat;
pub mod config;
mod documents;
mod error;
mod feedback;
mod history;
mod metrics;
mod model;
mod reply;
pub mod scope;
mod search;
mod turns;
