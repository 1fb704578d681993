//! `devstack demo`: the first thing that a new user sees.

mod show;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use devstack::{Client, Location};

use super::up;
use crate::acorag::http_client;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    up: up::Arguments,
    /// Rate limit for uploads of one caller; the samples are more than the default limit allows
    #[arg(long, env = "RATE_LIMIT_UPLOAD", default_value = "off")]
    rate_limit_upload: String,
    /// Exit after showing everything, instead of running until Ctrl-C
    #[arg(long)]
    once: bool,
}

pub async fn demo(location: Location, arguments: Arguments) -> Result<ExitCode> {
    devstack::wipe(&location.folder()?.join("demo"))?;
    let settings = [("RATE_LIMIT_UPLOAD", arguments.rate_limit_upload)];
    let (acorag, mut interrupt) = up::start(location, arguments.up, "demo", &settings).await?;
    let Some(mut acorag) = acorag else { return Ok(ExitCode::from(130)) };
    let http = http_client(Duration::from_secs(60))?;
    let client = Client { http, url: acorag.url().to_owned() };
    let shown = tokio::select! {
        shown = show::show(&client) => shown,
        failed = acorag.supervise() => failed.map(|never| match never {}),
        _ = interrupt.next() => {
            up::stop(acorag, &mut interrupt).await?;
            return Ok(ExitCode::from(130));
        }
    };
    if shown.is_err() || arguments.once {
        up::stop(acorag, &mut interrupt).await?;
        return shown.map(|()| ExitCode::SUCCESS);
    }
    println!("\nacorag keeps running on {} with the samples in it; Ctrl-C stops it", acorag.url());
    up::serve(Some(acorag), interrupt).await
}
