//! `acorag-api health`: asks the running API whether it is ready, for container images without a tool for that.

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
    /// Prints the API's answer. The exit code says whether the API is ready.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Health(config) = self;
        let scheme = if config.server.speaks_tls() { "https" } else { "http" };
        let address = health::own_address(config.bind, config.port);
        let answer = reqwest::Client::builder()
            .no_proxy()
            // The certificate is issued for the host name that clients use, not for this address.
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
