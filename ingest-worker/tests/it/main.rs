//! The ingest worker from outside.

mod extract;
