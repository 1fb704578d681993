//! The real servers: started, taken away, brought back, and gone when nobody needs them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod acorag;
mod place;
mod processes;
mod servers;
mod users;
