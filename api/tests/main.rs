//! The real api on a free port, against a real NATS and Valkey. Where a worker is needed for a property of the api, a
//! small one of the test's own answers in the real protocol; whole flows are tested in `e2e`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot get fails it")]

mod auth;
mod cache;
mod chat;
mod dead_letters;
mod documents;
mod edges;
mod files;
mod floods;
mod harness;
mod limits;
mod local;
mod overload;
mod process;
mod search;
mod uploads;
