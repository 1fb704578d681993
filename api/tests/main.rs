//! Tests the real api on a free port with a real NATS and Valkey. Where the api needs a worker, a small
//! stand-in answers in the real protocol. Whole flows are tested in `e2e`.

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
