//! Turns accepted documents into searchable passages.
//!
//! A job arrives on a JetStream subject; [`jobs`] reads the document in a child process ([`reader`]), cuts it into
//! passages ([`chunk`]), embeds them and stores all in one transaction ([`documents`]). Every step may run twice.

pub mod app;
pub mod chunk;
pub mod commands;
pub mod config;
pub mod dead_letters;
mod generations;
mod jobs;
mod metrics;
mod model;
mod pipeline;
mod progress;
mod readers;
mod sweep;
mod unreadable;
