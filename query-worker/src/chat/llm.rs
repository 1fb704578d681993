//! A language model behind an OpenAI-compatible server: any of them, by async-openai.

use std::time::Duration;

use anyhow::ensure;
use async_openai::{Client, config::OpenAIConfig, error::OpenAIError};
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use tokio::time::timeout;

use super::prompt::ChatMessage;

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// An OpenAI-compatible server, for instance http://localhost:11434/v1. Without it, answers quote the documents.
    #[arg(long, env = "LLM_BASE_URL")]
    pub llm_base_url: Option<String>,
    /// The model to ask there.
    #[arg(long, env = "LLM_MODEL", default_value = "", requires = "llm_base_url")]
    pub llm_model: String,
    /// The key that the server wants, if any.
    #[arg(long, env = "LLM_API_KEY", default_value = "", hide_env_values = true)]
    pub llm_api_key: String,
    /// Longest wait for the first words of an answer, retries included, and for each next ones, in seconds.
    #[arg(long, env = "LLM_TIMEOUT", default_value_t = 30)]
    pub llm_timeout: u64,
    /// Tokens that a question, its conversation and its passages may have together.
    #[arg(long, env = "LLM_CONTEXT_TOKENS", default_value_t = 4000)]
    pub llm_context_tokens: usize,
    /// Tokens that an answer may have.
    #[arg(long, env = "LLM_ANSWER_TOKENS", default_value_t = 800)]
    pub llm_answer_tokens: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the language model's server refused or failed")]
    Server(#[from] OpenAIError),
    #[error("the language model's server reported: {0}")]
    Reported(String),
    #[error("the language model was silent for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the language model's answer ended half-way")]
    CutOff,
    #[error("the language model said nothing")]
    Empty,
}

pub struct Llm {
    client: Client<OpenAIConfig>,
    pub model: String,
    pub context_tokens: usize,
    answer_tokens: u32,
    patience: Duration,
}

/// The part of a streamed chunk that is read. Servers differ in the rest.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

impl Llm {
    /// The model, if the settings name one.
    pub fn new(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(base) = config.llm_base_url.as_deref().map(str::trim).filter(|base| !base.is_empty()) else {
            return Ok(None);
        };
        ensure!(
            base.starts_with("http://") || base.starts_with("https://"),
            "LLM_BASE_URL: {base:?} is not an http(s) address such as http://localhost:11434/v1"
        );
        ensure!(!config.llm_model.is_empty(), "LLM_MODEL is missing: the model to ask at LLM_BASE_URL");
        let printable = config.llm_api_key.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(printable, "LLM_API_KEY holds characters that no key has");
        // Whoever came first may have chosen the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let settings = OpenAIConfig::new()
            .with_api_base(base.trim_end_matches('/'))
            // Not from OPENAI_API_KEY and its like: only this program's own settings count.
            .with_api_key(&config.llm_api_key)
            .with_org_id("")
            .with_project_id("");
        Ok(Some(Self {
            client: Client::with_config(settings),
            model: config.llm_model.clone(),
            context_tokens: config.llm_context_tokens,
            answer_tokens: config.llm_answer_tokens,
            patience: Duration::from_secs(config.llm_timeout),
        }))
    }

    /// Asks; pieces of the answer come as they are made. Refusals, overload and lost connections before the first
    /// piece are retried with growing pauses by the client. Dropping the stream closes the connection, which is how a
    /// server hears that nobody reads on.
    pub fn answer(
        &self,
        messages: &[ChatMessage],
    ) -> impl Stream<Item = Result<String, Error>> + Send + use<'_> {
        let request = serde_json::json!({
            "model": self.model,
            "messages": messages,
            "stream": true,
            "temperature": 0.1,
            "max_tokens": self.answer_tokens,
        });
        async_stream::try_stream! {
            let deadline = tokio::time::Instant::now() + self.patience;
            let silent = || Error::Silent(self.patience);
            let chat = self.client.chat();
            let mut chunks = tokio::time::timeout_at(deadline, chat.create_stream_byot::<_, Chunk>(request))
                .await
                .map_err(|_| silent())??;
            let (mut said, mut finished) = (false, false);
            loop {
                let next = if said {
                    timeout(self.patience, chunks.next()).await
                } else {
                    tokio::time::timeout_at(deadline, chunks.next()).await
                };
                let Some(chunk) = next.map_err(|_| silent())? else { break };
                let chunk = chunk?;
                if let Some(error) = chunk.error {
                    Err(Error::Reported(error.to_string()))?;
                }
                for choice in chunk.choices {
                    finished |= choice.finish_reason.is_some();
                    if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                        said = true;
                        yield text;
                    }
                }
            }
            if !said {
                Err(Error::Empty)?;
            }
            if !finished {
                Err(Error::CutOff)?;
            }
        }
    }
}
