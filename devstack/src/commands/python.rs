//! `devstack python`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use devstack::{Launch, Location};

use super::run::{exit_code, finish};
use crate::interrupt::Interrupt;

#[derive(clap::Args)]
pub struct Arguments {
    /// The requirements file
    requirements: PathBuf,
    /// What Python is to do, such as `-m locust`
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

pub async fn python(location: &Location, arguments: Arguments) -> Result<ExitCode> {
    let python = devstack::python_for(location, &arguments.requirements)?;
    let mut interrupt = Interrupt::new()?;
    let process = Launch::new(python).args(arguments.arguments).start()?;
    Ok(exit_code(finish(process, &mut interrupt).await?))
}
