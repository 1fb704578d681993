//! The SQL is compiled in: a new file of it must build this crate anew.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks")]

fn main() {
    println!("cargo::rerun-if-changed=sql");
}
