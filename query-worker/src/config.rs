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
    /// Maximum number of searches at the same time. A few more slots than embedding threads keep these threads busy.
    #[arg(long, env = "SEARCH_SLOTS", default_value_t = 6)]
    pub search_slots: usize,
    /// Maximum number of chats at the same time.
    #[arg(long, env = "CHAT_SLOTS", default_value_t = 4)]
    pub chat_slots: usize,
    /// Maximum number of look-ups at the same time.
    #[arg(long, env = "LOOKUP_SLOTS", default_value_t = 4)]
    pub lookup_slots: usize,
}
