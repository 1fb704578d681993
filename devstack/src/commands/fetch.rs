//! `devstack fetch`

use std::process::ExitCode;

use anyhow::Result;
use devstack::{Location, report};

pub fn fetch(location: &Location) -> Result<ExitCode> {
    let paths = devstack::ensure_in(location)?;
    report(format_args!("the servers, libraries and the model are in {}", paths.stack.display()));
    Ok(ExitCode::SUCCESS)
}
