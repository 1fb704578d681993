use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use devstack::{Options, Stack};

use crate::place::{DEVSTACK, command};

#[test]
fn dropping_a_stack_stops_its_servers_and_removes_its_data() {
    let stack = Stack::start(Options::default()).unwrap();
    let processes = stack.process_ids();
    let data = stack.paths().stack.join("tmp");
    let mine = format!("{}-", std::process::id());
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(|&id| is_alive(id)));
    let before = folders(&data, &mine);
    drop(stack);
    assert!(!processes.iter().any(|&id| is_alive(id)));
    // Other tests of this process create and remove folders; this test's folder must be gone.
    assert!(folders(&data, &mine).iter().filter(|name| before.contains(name)).count() < before.len());
}

#[test]
fn servers_outlive_the_thread_that_asked_for_them() {
    let stack = thread::spawn(|| Stack::start(Options::default()).unwrap()).join().unwrap();
    // For the kernel, the parent of a program is the thread that started it, and the program gets its death
    // signal when that thread ends. The thread above has ended.
    let redis = stack.redis().unwrap();
    redis.stop().unwrap();
    redis.start().unwrap();
    assert!(stack.process_ids().iter().all(|&id| is_alive(id)));
    stack.database("still_there").unwrap();
}

#[test]
fn servers_and_command_die_with_a_parent_that_is_killed() {
    let (mut devstack, children) = running("echo up; exec sleep 1000");
    assert_eq!(children.len(), 4, "three servers and the command");
    devstack.kill().unwrap();
    devstack.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while children.iter().any(|&id| is_alive(id)) {
        assert!(Instant::now() < deadline, "still alive: {children:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_terminated_run_passes_the_signal_on_and_cleans_up() {
    let (mut devstack, children) = running("trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done");
    Command::new("kill").arg(devstack.id().to_string()).status().unwrap();
    assert_eq!(devstack.wait().unwrap().code(), Some(7));
    assert!(!children.iter().any(|&id| is_alive(id)));
}

#[test]
fn a_command_finds_the_servers_and_its_exit_code_counts() {
    let script = r#"test -n "$NATS_URL" -a -n "$DATABASE_URL" -a -n "$REDIS_URL" || exit 1
        test -f "$ORT_DYLIB_PATH" -a -f "$PDFIUM_PATH" -a -f "$MODEL_DIR/model.onnx" || exit 2
        exit 42"#;
    let status = command(DEVSTACK).args(["run", "--", "sh", "-c", script]).status().unwrap();
    assert_eq!(status.code(), Some(42));
}

/// Starts `devstack run` with a shell script that prints "up"; returns it and the processes that it started.
fn running(script: &str) -> (Child, Vec<u32>) {
    let mut devstack =
        command(DEVSTACK).args(["run", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(devstack.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let children = children(devstack.id());
    (devstack, children)
}

fn children(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    threads
        .flat_map(|thread| {
            let list = std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap();
            list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

/// A zombie is dead, although its new parent has not noticed yet.
fn is_alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

fn folders(parent: &Path, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(parent).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}
