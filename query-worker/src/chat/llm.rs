//! A language model behind an OpenAI-compatible server: the part of the chat-completions protocol that streams.

use std::{pin::pin, time::Duration};

use anyhow::{Context as _, ensure};
use eventsource_stream::Eventsource as _;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use reqwest::{Certificate, Client, Response, StatusCode, header::RETRY_AFTER};
use rustls::RootCertStore;
use schemas::text;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

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
    #[error("the language model's server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the language model's server refused with {0}: {1}")]
    Refused(StatusCode, String),
    #[error("the language model's answer could not be read")]
    Lost(#[from] eventsource_stream::EventStreamError<reqwest::Error>),
    #[error("the language model's answer does not follow the protocol")]
    Unreadable(#[from] serde_json::Error),
    #[error("the language model's server reported: {0}")]
    Reported(String),
    #[error("the language model was silent for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the language model's answer ended half-way")]
    CutOff,
    #[error("the language model said nothing")]
    Empty,
}

/// How long to wait before a request is sent again, each time that the server is busy or cannot be reached.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];
/// What is logged of a refusal, in characters.
const REFUSAL_CHARS: usize = 500;

pub struct Llm {
    client: Client,
    url: String,
    /// Never logged, not even where a server's refusal quotes it.
    key: String,
    pub model: String,
    pub context_tokens: usize,
    answer_tokens: u32,
    patience: Duration,
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
        // Another part of the process may have installed it already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = Client::builder();
        // A company's own server may have a certificate of the company's own authority, which its machines trust.
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One that cannot be read must not keep the worker from starting.
            if RootCertStore::empty().add(certificate.clone()).is_ok() {
                client = client.add_root_certificate(Certificate::from_der(&certificate)?);
            }
        }
        Ok(Some(Self {
            client: client.build().context("making a client for LLM_BASE_URL")?,
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            key: config.llm_api_key.clone(),
            model: config.llm_model.clone(),
            context_tokens: config.llm_context_tokens,
            answer_tokens: config.llm_answer_tokens,
            patience: Duration::from_secs(config.llm_timeout),
        }))
    }

    /// Asks; pieces of the answer come as they are made. Dropping the stream closes the connection, and the server stops.
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
            let silent = |_| Error::Silent(self.patience);
            let mut deadline = Instant::now() + self.patience;
            let response = timeout_at(deadline, self.send(&request)).await.map_err(silent)??;
            let bytes = response.bytes_stream().map_err(reqwest::Error::without_url);
            let mut events = pin!(bytes.eventsource());
            let (mut said, mut finished) = (false, false);
            while let Some(event) = timeout_at(deadline, events.next()).await.map_err(silent)? {
                let event = event?;
                if event.data == "[DONE]" {
                    break;
                }
                if event.event == "keepalive" {
                    continue;
                }
                // Servers differ in what else a chunk holds.
                let chunk: Value = serde_json::from_str(&event.data)?;
                if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
                    Err(Error::Reported(self.without_key(&error.to_string())))?;
                }
                for choice in chunk["choices"].as_array().into_iter().flatten() {
                    finished |= !choice["finish_reason"].is_null();
                    if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
                        said = true;
                        yield text.to_owned();
                    }
                }
                // The first words must come by the first deadline; each next ones have as long again.
                if said {
                    deadline = Instant::now() + self.patience;
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

    /// Sends a request until the server takes it. Overload and lost connections are retried with growing pauses, or as
    /// long as the server says; another refusal is final, and so is a quota that is used up.
    async fn send(&self, request: &Value) -> Result<Response, Error> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let mut attempt = self.client.post(&self.url).json(request);
            if !self.key.is_empty() {
                attempt = attempt.bearer_auth(&self.key);
            }
            let (again, wish, error) = match attempt.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status();
                    let wish = response
                        .headers()
                        .get(RETRY_AFTER)
                        .and_then(|value| value.to_str().ok()?.parse().ok());
                    let said = response.text().await.unwrap_or_default();
                    let busy =
                        status == StatusCode::TOO_MANY_REQUESTS && !said.contains("insufficient_quota");
                    let error = Error::Refused(status, self.without_key(&said));
                    (busy || status.is_server_error(), wish.map(Duration::from_secs), error)
                }
                // The address may hold a password.
                Err(error) => (error.is_connect(), None, Error::Unreachable(error.without_url())),
            };
            match pauses.next() {
                Some(pause) if again => sleep(wish.unwrap_or(pause)).await,
                _ => return Err(error),
            }
        }
    }

    /// The beginning of what the server said of a failure.
    fn without_key(&self, said: &str) -> String {
        let said = if self.key.is_empty() { said.to_owned() } else { said.replace(&self.key, "***") };
        text::clip(&said, REFUSAL_CHARS).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Settings {
        #[command(flatten)]
        llm: Config,
    }

    fn llm(settings: &[&str]) -> anyhow::Result<Option<Llm>> {
        Llm::new(&Settings::parse_from([&["test"], settings].concat()).llm)
    }

    #[test]
    fn a_refusal_that_quotes_the_key_is_logged_without_it() {
        let settings = ["--llm-base-url=http://localhost:1/v1/", "--llm-model=m", "--llm-api-key=sk-secret"];
        let llm = llm(&settings).unwrap().unwrap();
        assert_eq!(llm.url, "http://localhost:1/v1/chat/completions");
        assert_eq!(llm.without_key("Incorrect API key: sk-secret."), "Incorrect API key: ***.");
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        assert!(llm(&[]).unwrap().is_none());
        for (settings, named) in [
            (&["--llm-base-url=localhost"][..], "LLM_BASE_URL"),
            (&["--llm-base-url=http://localhost"], "LLM_MODEL"),
            (&["--llm-base-url=http://localhost", "--llm-model=m", "--llm-api-key=a b"], "LLM_API_KEY"),
        ] {
            let error = llm(settings).err().unwrap().to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
