//! Every setting of the ingest worker.

use platform::{health, lifecycle, nats, postgres, redis, telemetry};

/// Turns accepted documents into searchable passages.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    version,
    about,
    after_help = "Commands: `dead-letters --help` for what failed for good, `model --help` to change the model, `sweep --help` for \
                  unused files."
)]
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
    /// The program that reads files [default: acorag-reader beside this program].
    #[arg(long, env = "READER_PATH")]
    pub reader_path: Option<std::path::PathBuf>,
    /// The PDFium library that reads PDFs: a path, or a name for the system's loader to find.
    #[arg(long, env = "PDFIUM_PATH", default_value = "libpdfium.so")]
    pub pdfium_path: std::path::PathBuf,
    /// Maximum size of a file, in MiB. The api refuses larger uploads; this worker refuses larger files of event
    /// producers.
    #[arg(long, env = "MAX_UPLOAD_MB", default_value_t = 100)]
    pub max_upload_mb: u32,
    /// Maximum number of documents processed at the same time. One project may use all but one of these slots.
    #[arg(long, env = "INGEST_SLOTS", default_value_t = 3)]
    pub ingest_slots: usize,
    /// Maximum number of waiting documents processed at the same time, in each of the two lanes for documents that wait
    /// for others of their project: one lane is for projects with a few of them, the other for projects with very many.
    #[arg(long, env = "BATCH_SLOTS", default_value_t = 3)]
    pub batch_slots: usize,
    /// Maximum number of bulk imports that queue their records at the same time. Each keeps a child process that reads
    /// its file.
    #[arg(long, env = "IMPORT_SLOTS", default_value_t = 3)]
    pub import_slots: usize,
    /// After this many seconds an import moves behind those that wait for a slot. When it continues, its file is read
    /// again.
    #[arg(long, env = "IMPORT_TURN_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub import_turn_seconds: u64,
    /// Maximum number of records of bulk imports processed at the same time.
    #[arg(long, env = "RECORD_SLOTS", default_value_t = 3)]
    pub record_slots: usize,
    /// Maximum number of files read at the same time, each in a child process.
    #[arg(long, env = "READ_SLOTS", default_value_t = 2)]
    pub read_slots: usize,
    /// Maximum address space of such a child process, in MiB. All of them and the worker (about 350 MiB) must fit into
    /// the container's memory: if it is too small, one large file makes all documents in progress fail.
    #[arg(long, env = "READ_MEMORY_MIB", default_value_t = 640)]
    pub read_memory_mib: u32,
    /// Added to this program's nice value, so that searches on the same machine get the processor first.
    #[arg(long, env = "INGEST_NICE", default_value_t = 10, value_parser = clap::value_parser!(i32).range(0..=19))]
    pub ingest_nice: i32,
    /// Target length of a passage, in tokens.
    #[arg(long, env = "CHUNK_TOKENS", default_value_t = 220)]
    pub chunk_tokens: usize,
    /// Maximum number of tokens that two consecutive passages share.
    #[arg(long, env = "CHUNK_OVERLAP", default_value_t = 40)]
    pub chunk_overlap: usize,
}

#[cfg(test)]
mod tests {
    use clap::{Parser as _, error::ErrorKind};

    use super::*;

    #[test]
    fn an_import_has_time_to_go_on() {
        let refused = Config::try_parse_from(["test", "--import-turn-seconds", "0"]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ValueValidation);
    }
}
