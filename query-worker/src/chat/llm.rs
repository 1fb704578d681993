//! A client for language models with an OpenAI-compatible API: chat completions as a stream.

use std::{pin::pin, time::Duration};

use anyhow::{Context as _, Error, Result, anyhow, ensure};
use eventsource_stream::Eventsource as _;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use reqwest::{Certificate, Client, Response, StatusCode, header::RETRY_AFTER};
use rustls::RootCertStore;
use schemas::{chat::Turn, text};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// URL of an OpenAI-compatible server, such as http://localhost:11434/v1. Without it, answers quote documents.
    #[arg(long, env = "LLM_BASE_URL")]
    pub llm_base_url: Option<String>,
    /// The name of the model on that server.
    #[arg(long, env = "LLM_MODEL", default_value = "", requires = "llm_base_url")]
    pub llm_model: String,
    /// The API key of that server, if it needs one.
    #[arg(long, env = "LLM_API_KEY", default_value = "", hide_env_values = true)]
    pub llm_api_key: String,
    /// Maximum wait for the first text of an answer, including retries, and for each further text, in seconds.
    #[arg(long, env = "LLM_TIMEOUT", default_value_t = 30)]
    pub llm_timeout: u64,
    /// Maximum number of tokens of a question with its conversation and passages.
    #[arg(long, env = "LLM_CONTEXT_TOKENS", default_value_t = 4000)]
    pub llm_context_tokens: usize,
    /// Maximum number of tokens of an answer.
    #[arg(long, env = "LLM_ANSWER_TOKENS", default_value_t = 800)]
    pub llm_answer_tokens: u32,
}

pub enum Piece {
    Text(String),
    /// After the last text: the answer is not complete, because it reached the token limit or was filtered.
    Incomplete,
}

/// The pauses before a request is sent again when the server is busy or unreachable.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];
/// Maximum number of characters of a server's refusal that are logged.
const REFUSAL_CHARS: usize = 500;

pub struct Llm {
    client: Client,
    url: String,
    /// With the key of the server, so it is never logged.
    pub config: Config,
}

impl Llm {
    /// Creates the client; None if the settings name no server.
    pub fn new(config: &Config) -> Result<Option<Self>> {
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
        // Fails if another part of the process has already installed a provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = Client::builder();
        // Also trusts the certificates of the machine, which may include a company's own authority.
        for certificate in rustls_native_certs::load_native_certs().certs {
            // An unreadable certificate must not prevent the start of the worker.
            if RootCertStore::empty().add(certificate.clone()).is_ok() {
                client = client.add_root_certificate(Certificate::from_der(&certificate)?);
            }
        }
        let client = client.build().context("making a client for LLM_BASE_URL")?;
        let url = format!("{}/chat/completions", base.trim_end_matches('/'));
        Ok(Some(Self { client, url, config: config.clone() }))
    }

    /// Asks the model and returns a stream of pieces. Dropping the stream closes the connection; then the server stops.
    pub fn answer(&self, messages: &[Turn]) -> impl Stream<Item = Result<Piece>> + Send + use<'_> {
        let request = serde_json::json!({
            "model": self.config.llm_model,
            "messages": messages,
            "stream": true,
            "temperature": 0.1,
            "max_tokens": self.config.llm_answer_tokens,
        });
        let patience = Duration::from_secs(self.config.llm_timeout);
        async_stream::try_stream! {
            let silent = |_| anyhow!("the language model was silent for {} s", patience.as_secs());
            let mut deadline = Instant::now() + patience;
            let response = timeout_at(deadline, self.send(&request)).await.map_err(silent)??;
            let bytes = response.bytes_stream().map_err(reqwest::Error::without_url);
            let mut events = pin!(bytes.eventsource());
            let (mut said, mut finished, mut incomplete) = (false, false, false);
            while let Some(event) = timeout_at(deadline, events.next()).await.map_err(silent)? {
                let event = event.context("the language model's answer could not be read")?;
                if event.data == "[DONE]" {
                    break;
                }
                if event.event == "keepalive" {
                    continue;
                }
                // Other fields of a chunk differ between servers, so only these are read.
                let chunk: Value = serde_json::from_str(&event.data)
                    .context("the language model's answer does not follow the protocol")?;
                if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
                    let error = self.without_key(&error.to_string());
                    Err(anyhow!("the language model's server reported: {error}"))?;
                }
                for choice in chunk["choices"].as_array().into_iter().flatten() {
                    finished |= !choice["finish_reason"].is_null();
                    let reason = choice["finish_reason"].as_str().unwrap_or_default();
                    incomplete |= !["", "stop"].contains(&reason);
                    if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
                        said = true;
                        // PostgreSQL could not store an answer with a NUL.
                        yield Piece::Text(text::without_nul(text));
                    }
                }
                // The first text must arrive before the first deadline; each further text extends the deadline.
                if said {
                    deadline = Instant::now() + patience;
                }
            }
            if !said {
                Err(anyhow!("the language model said nothing"))?;
            }
            if !finished {
                Err(anyhow!("the language model's answer ended half-way"))?;
            }
            if incomplete {
                yield Piece::Incomplete;
            }
        }
    }

    /// Sends a request. If the server is overloaded or the connection fails, it is sent again after growing pauses, or
    /// after the time that the server names. Other refusals are final, also an exhausted quota.
    async fn send(&self, request: &Value) -> Result<Response> {
        let key = &self.config.llm_api_key;
        let mut pauses = PAUSES.into_iter();
        loop {
            let mut attempt = self.client.post(&self.url).json(request);
            if !key.is_empty() {
                attempt = attempt.bearer_auth(key);
            }
            let (again, wish, error) = match attempt.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status();
                    let wish = response.headers().get(RETRY_AFTER);
                    let wish = wish.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
                    let said = response.text().await.unwrap_or_default();
                    let busy =
                        status == StatusCode::TOO_MANY_REQUESTS && !said.contains("insufficient_quota");
                    let said = self.without_key(&said);
                    let error = anyhow!("the language model's server refused with {status}: {said}");
                    (busy || status.is_server_error(), wish.map(Duration::from_secs), error)
                }
                // The URL is removed because it may contain a password.
                Err(error) => {
                    let unreachable = "the language model's server cannot be reached";
                    (error.is_connect(), None, Error::new(error.without_url()).context(unreachable))
                }
            };
            match pauses.next() {
                Some(pause) if again => sleep(wish.unwrap_or(pause)).await,
                _ => return Err(error),
            }
        }
    }

    /// Returns the beginning of the server's error text, without the API key, which must not be logged.
    fn without_key(&self, said: &str) -> String {
        let key = &self.config.llm_api_key;
        let said = if key.is_empty() { said.to_owned() } else { said.replace(key, "***") };
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
