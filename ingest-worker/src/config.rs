//! Every setting of the ingest worker.

use platform::{health, lifecycle, nats, postgres, redis, telemetry};

use crate::extract;

/// Turns accepted documents into searchable passages.
#[derive(Debug, clap::Parser)]
#[command(version, about, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: Config,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Reads one document; the worker calls this itself.
    #[command(hide = true)]
    Extract(extract::child::Args),
}

#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub nats: nats::Config,
    #[command(flatten)]
    pub postgres: postgres::Config,
    #[command(flatten)]
    pub redis: redis::Config,
    #[command(flatten)]
    pub embedding: embedding::Config,
    #[command(flatten)]
    pub health: health::Config,
    #[command(flatten)]
    pub lifecycle: lifecycle::Config,
    #[command(flatten)]
    pub telemetry: telemetry::Config,
    /// The PDFium library that reads PDFs: a path, or a name for the system's loader to find.
    #[arg(long, env = "PDFIUM_PATH", default_value = "libpdfium.so")]
    pub pdfium_path: std::path::PathBuf,
    /// Documents processed at the same time.
    #[arg(long, env = "INGEST_SLOTS", default_value_t = 3)]
    pub ingest_slots: usize,
    /// Records of bulk imports processed at the same time.
    #[arg(long, env = "RECORD_SLOTS", default_value_t = 3)]
    pub record_slots: usize,
    /// Aim for passages of this many tokens.
    #[arg(long, env = "CHUNK_TOKENS", default_value_t = 220)]
    pub chunk_tokens: usize,
    /// Tokens that two passages in a row share.
    #[arg(long, env = "CHUNK_OVERLAP", default_value_t = 40)]
    pub chunk_overlap: usize,
}
