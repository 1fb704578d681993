//! All settings of the query worker.

use platform::{health, lifecycle, nats, postgres, telemetry};

/// Answers searches, look-ups and chats from NATS JetStream.
#[derive(Debug, Clone, clap::Parser)]
#[command(version, about, after_help = "Commands: `keys --help` for API keys, `users --help` for accounts.")]
pub struct Config {
    #[command(flatten)]
    pub nats: nats::Config,
    #[command(flatten)]
    pub postgres: postgres::Config,
    #[command(flatten)]
    pub embedding: embedding::Config,
    #[command(flatten)]
    pub accounts: crate::accounts::Config,
    #[command(flatten)]
    pub llm: crate::chat::llm::Config,
    #[command(flatten)]
    pub health: health::Config,
    #[command(flatten)]
    pub lifecycle: lifecycle::Config,
    #[command(flatten)]
    pub telemetry: telemetry::Config,
    /// The most searches at the same time. Embedding is the bottleneck; a few more slots than its threads keep it busy.
    #[arg(long, env = "SEARCH_SLOTS", default_value_t = 6)]
    pub search_slots: usize,
    /// The most chats at the same time.
    #[arg(long, env = "CHAT_SLOTS", default_value_t = 4)]
    pub chat_slots: usize,
    /// The most look-ups at the same time.
    #[arg(long, env = "LOOKUP_SLOTS", default_value_t = 4)]
    pub lookup_slots: usize,
}
