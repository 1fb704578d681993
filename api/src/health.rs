//! `acorag-api health`: asks the running api whether it is ready, for containers whose image has nothing else that could.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use platform::health;

use crate::Config;

#[derive(Debug, clap::Parser)]
#[command(name = "acorag-api")]
pub enum Probe {
    /// Asks the api that runs with these settings whether it is ready
    Health(Box<Config>),
}

impl Probe {
    /// Whether this process was started as one.
    pub fn is_called() -> bool {
        health::Probe::is_called()
    }

    /// Says what the api said.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Health(config) = self;
        let scheme = if config.server.speaks_tls() { "https" } else { "http" };
        let address = health::own_address(config.bind, config.port);
        let answer = reqwest::Client::builder()
            .no_proxy()
            // Its certificate is made for the name that its clients use.
            .danger_accept_invalid_certs(true)
            .timeout(health::PROBE_PATIENCE)
            .build()?
            .get(format!("{scheme}://{address}/ready"))
            .send()
            .await?;
        let ready = answer.status().is_success();
        writeln!(io::stdout(), "{}", answer.text().await?)?;
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
