//! PostgreSQL refuses to run as root. If root starts the stack, PostgreSQL runs as the user nobody. Folders that this
//! user cannot reach (in a clone below /root, for example) are replaced by a folder in /var/tmp, the shelter.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

const NOBODY: u32 = 65_534;

/// Returns the user under which PostgreSQL runs, if it cannot run as the user of this process.
pub fn user_of_postgres() -> Option<u32> {
    geteuid().is_root().then_some(NOBODY)
}

/// Returns the shelter of a folder. `fetch.py` computes the same name.
pub(crate) fn shelter(folder: &Path) -> PathBuf {
    let hash = format!("{:x}", Sha256::digest(folder.as_os_str().as_encoded_bytes()));
    Path::new("/var/tmp").join(format!("acorag-{}", &hash[..16]))
}

/// Returns the folder itself, or its shelter if PostgreSQL's user cannot reach the folder.
pub(crate) fn reachable(folder: &Path) -> Result<PathBuf> {
    if user_of_postgres().is_none() {
        return Ok(folder.to_owned());
    }
    for ancestor in folder.ancestors() {
        let metadata = fs::metadata(ancestor);
        let mode = metadata.with_context(|| format!("cannot look at {}", ancestor.display()))?.mode();
        if mode & 0o001 == 0 {
            return Ok(shelter(folder));
        }
    }
    Ok(folder.to_owned())
}

pub(crate) fn create(shelter: &Path) -> Result<()> {
    if !shelter.exists() {
        DirBuilder::new().mode(0o755).create(shelter)?;
        fs::set_permissions(shelter, Permissions::from_mode(0o755))?;
    }
    // Every user may write in /var/tmp, so a folder of another user is not used.
    let found = fs::symlink_metadata(shelter)?;
    ensure!(
        found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0,
        "{} is not this user's own folder; remove it",
        shelter.display()
    );
    Ok(())
}
