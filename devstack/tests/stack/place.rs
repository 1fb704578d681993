use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const DEVSTACK: &str = env!("CARGO_BIN_EXE_devstack");

/// A folder for a stack, which uses the packages that are already fetched.
pub struct Place {
    pub folder: PathBuf,
}

impl Place {
    pub fn new(name: &str) -> Self {
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

    /// The devstack program in this folder, because other users may have no access to the clone. (It is a hard link if
    /// possible: a copy may still be open for writing in a child that another test is starting.)
    pub fn devstack(&self) -> Command {
        let program = self.folder.join("devstack");
        if !program.exists() && fs::hard_link(DEVSTACK, &program).is_err() {
            fs::copy(DEVSTACK, &program).unwrap();
        }
        command(&program)
    }
}

/// Removes variables from the environment that would change the program's behaviour.
pub fn command(devstack: impl AsRef<Path>) -> Command {
    let mut command = Command::new(devstack.as_ref());
    for name in [
        "NATS_URL",
        "DATABASE_URL",
        "REDIS_URL",
        "MODEL_DIR",
        "AUTH",
        "BIND",
        "TLS_CERT",
        "RATE_LIMIT_UPLOAD",
    ] {
        command.env_remove(name);
    }
    command
}

impl Drop for Place {
    fn drop(&mut self) {
        devstack::wipe(&self.folder.join("stack")).unwrap();
        fs::remove_dir_all(&self.folder).unwrap();
    }
}
