//! Limits that the kernel keeps for this process.

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Error, Limits};

/// Standard streams, the document, the library and what the loader needs to find it.
const OPEN_FILES: u64 = 32;

/// Before the first byte of the file is read: nothing that it makes us do goes beyond this.
pub fn this_process(limits: &Limits) -> Result<(), Error> {
    let same = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    for (resource, limit) in [
        (Resource::Core, same(0)),
        (Resource::Fsize, same(0)),
        (Resource::Nofile, same(OPEN_FILES)),
        (Resource::Cpu, processor(limits.cpu_seconds, limits)),
        (Resource::As, same(limits.memory_bytes)),
    ] {
        set(resource, limit)?;
    }
    Ok(())
}

/// A bulk import has as many records as it has, and takes its time.
pub fn for_import(limits: &Limits) -> Result<(), Error> {
    set(Resource::Cpu, processor(limits.import_seconds, limits))
}

/// The soft limit ends us with a signal that tells the cause; the hard one is for a handler that would not end.
fn processor(seconds: u64, limits: &Limits) -> Rlimit {
    let longest = limits.cpu_seconds.max(limits.import_seconds);
    Rlimit { current: Some(seconds), maximum: Some(longest + 2) }
}

fn set(resource: Resource, limit: Rlimit) -> Result<(), Error> {
    setrlimit(resource, limit).map_err(|error| Error::Unavailable(format!("{resource:?}: {error}")))
}
