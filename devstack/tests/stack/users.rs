//! PostgreSQL does not run as root, and another user cannot go everywhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const DEVSTACK: &str = env!("CARGO_BIN_EXE_devstack");
const NOBODY: u32 = 65_534;

#[test]
fn the_stack_runs_in_a_folder_that_only_its_owner_may_enter() {
    let place = Place::new("private");
    fs::set_permissions(&place.folder, Permissions::from_mode(0o700)).unwrap();
    let status = Command::new(DEVSTACK)
        .args(["run", "--", "true"])
        .env("STACK_DIR", place.folder.join("stack"))
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn root_can_give_the_stack_to_an_ordinary_user() {
    let place = Place::new("ordinary");
    if fs::metadata(&place.folder).unwrap().uid() != 0 {
        // Every other test here runs as an ordinary user then.
        return;
    }
    let stack = place.folder.join("stack");
    chown(&stack, Some(NOBODY), Some(NOBODY)).unwrap();
    // The clone may be where only root can go.
    let devstack = place.folder.join("devstack");
    fs::copy(DEVSTACK, &devstack).unwrap();
    let status = Command::new(devstack)
        .args(["run", "--", "true"])
        .env("STACK_DIR", stack)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .status()
        .unwrap();
    assert!(status.success());
}

/// A stack's folder that borrows what is already fetched.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let fetched = devstack::ensure().unwrap();
        let folder = std::env::temp_dir().join(format!("devstack-{name}-{}", std::process::id()));
        let stack = folder.join("stack");
        fs::create_dir_all(&stack).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        for name in ["bin", "lib", "weights", "model"] {
            symlink(fetched.stack.join(name), stack.join(name)).unwrap();
        }
        symlink(&fetched.postgres, stack.join("postgres")).unwrap();
        for stamp in ["packages.stamp", "model.stamp"] {
            fs::copy(fetched.stack.join(stamp), stack.join(stamp)).unwrap();
        }
        Self { folder }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        devstack::wipe(&self.folder.join("stack")).unwrap();
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
}
