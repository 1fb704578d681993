//! The query worker against the real servers and the real model.

mod accounts;
mod analytics;
mod chat;
mod fake_llm;
mod history;
mod llm;
mod samples;
mod seed;
mod walls;
mod world;
