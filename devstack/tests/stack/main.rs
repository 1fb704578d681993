//! Tests that the real servers start, stop, start again, and end when they are no longer needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod acorag;
mod place;
mod processes;
mod servers;
mod users;
