//! Tests of a stack that root or another user starts: PostgreSQL does not run as root, and another user
//! cannot access all folders.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use crate::place::Place;

const NOBODY: u32 = 65_534;

#[test]
fn the_stack_runs_in_a_folder_that_only_its_owner_may_enter() {
    let place = Place::new("private");
    fs::set_permissions(&place.folder, Permissions::from_mode(0o700)).unwrap();
    let status = place
        .devstack()
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
        // Without root, all other tests already run as an ordinary user.
        return;
    }
    let stack = place.folder.join("stack");
    chown(&stack, Some(NOBODY), Some(NOBODY)).unwrap();
    let status = place
        .devstack()
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
