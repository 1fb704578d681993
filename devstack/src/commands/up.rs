//! `devstack up`: runs acorag until Ctrl-C, and keeps its data.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use devstack::{Location, Options, is_free, report};

use super::servers::{self, Given};
use crate::acorag::{Acorag, Plan, Workers};
use crate::interrupt::Interrupt;

#[derive(clap::Args)]
// clap names a group after its struct. This struct is a part of the demo's arguments, whose struct has the
// same name.
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    pub given: Given,
    /// Address of the api
    #[arg(long, env = "BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Port of the api
    #[arg(long, env = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// `required`: callers need a key; `off`: everybody may do everything. Default: off on a loopback address only
    #[arg(long, env = "AUTH")]
    pub auth: Option<String>,
    /// Certificate for HTTPS
    #[arg(long, env = "TLS_CERT")]
    pub tls_cert: Option<OsString>,
    #[command(flatten)]
    pub workers: Workers,
}

impl Arguments {
    fn url(&self) -> String {
        let scheme =
            if self.tls_cert.as_ref().is_some_and(|file| !file.is_empty()) { "https" } else { "http" };
        let host = if self.bind.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { self.bind };
        format!("{scheme}://{}", SocketAddr::new(host, self.port))
    }

    fn api_settings(&self) -> Vec<(&'static str, OsString)> {
        let auth = match self.auth.as_deref() {
            None | Some("") if self.bind.is_loopback() => "off",
            None | Some("") => "required",
            Some(auth) => auth,
        };
        vec![("BIND", self.bind.to_string().into()), ("AUTH", auth.into())]
    }
}

pub async fn up(location: Location, arguments: Arguments) -> Result<ExitCode> {
    let (acorag, interrupt) = start(location, arguments, "data", &[]).await?;
    serve(acorag, interrupt).await
}

/// Starts everything on the default ports; returns no programs if it was interrupted.
pub async fn start(
    location: Location,
    arguments: Arguments,
    data: &str,
    settings: &[(&'static str, String)],
) -> Result<(Option<Acorag>, Interrupt)> {
    let port = arguments.port;
    ensure!(is_free(port), "port {port} is taken; stop what listens there, or choose another: PORT=8001");
    let folder = location.folder()?;
    let logs = folder.join("log");
    report(format_args!("starting NATS, PostgreSQL and Valkey; the logs are in {}", logs.display()));
    let options = Options {
        ports: servers::well_known_ports()?,
        data: Some(folder.join(data)),
        logs: Some(fresh(&logs)?),
        location: Some(location),
        ..Options::default()
    };
    let stack = arguments.given.start(options).await?;
    let mut interrupt = Interrupt::new()?;
    report(format_args!("starting acorag on port {port}"));
    let mut environment = arguments.given.environment(&stack);
    environment.extend(settings.iter().map(|(name, value)| (*name, value.into())));
    environment.extend(arguments.api_settings());
    let plan = Plan { url: arguments.url(), port, logs, environment, workers: arguments.workers };
    tokio::select! {
        acorag = Acorag::start(stack, plan) => {
            let acorag = acorag?;
            println!("ready: {}", acorag.url());
            Ok((Some(acorag), interrupt))
        }
        _ = interrupt.next() => Ok((None, interrupt)),
    }
}

/// Keeps everything running until an interruption, then stops it; a second interruption exits at once.
pub async fn serve(acorag: Option<Acorag>, mut interrupt: Interrupt) -> Result<ExitCode> {
    let Some(mut acorag) = acorag else { return Ok(ExitCode::SUCCESS) };
    let outcome = tokio::select! {
        failed = acorag.supervise() => failed.map(|never| match never {}),
        _ = interrupt.next() => Ok(ExitCode::SUCCESS),
    };
    stop(acorag, &mut interrupt).await?;
    outcome
}

pub async fn stop(acorag: Acorag, interrupt: &mut Interrupt) -> Result<()> {
    report("stopping the api, the workers and the servers");
    tokio::select! {
        stopped = acorag.stop() => stopped,
        _ = interrupt.next() => {
            report("not waiting any longer");
            // The kernel ends the children when this process ends.
            std::process::exit(130)
        }
    }
}

/// Creates the folder for the logs and removes the old logs.
pub fn fresh(logs: &Path) -> Result<std::path::PathBuf> {
    std::fs::create_dir_all(logs).with_context(|| format!("cannot create {}", logs.display()))?;
    for entry in std::fs::read_dir(logs)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(logs.to_owned())
}
