//! Tests of the query worker with the real servers and the real embedding model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod accounts;
mod analytics;
mod chat;
mod documents;
mod evidence;
mod fake_llm;
mod history;
mod llm;
mod samples;
mod search;
mod seed;
mod serve;
mod walls;
mod world;
