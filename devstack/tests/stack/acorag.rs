//! Tests how acorag's programs are run: with the real servers, and scripts in place of the programs.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use devstack::{free_port, is_free};

use crate::place::Place;

const API: &str = r#"#!/usr/bin/env python3
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        workers = [name for name in os.listdir(os.environ["RECORD"]) if name.startswith("worker-")]
        self.send_response(200 if len(workers) >= int(os.environ["WORKERS"]) else 503)
        self.end_headers()
def stop(*_):
    print("api", file=open(os.environ["RECORD"] + "/stopped", "a"))
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print(os.environ["AUTH"], file=open(os.environ["RECORD"] + "/auth", "w"))
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const WORKER: &str = r#"#!/usr/bin/env python3
import http.server, os, signal, sys
os.environ["NATS_URL"], os.environ["DATABASE_URL"], os.environ["REDIS_URL"], os.listdir(os.environ["MODEL_DIR"])
record, port = os.environ["RECORD"], os.environ["HEALTH_PORT"]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
def stop(*_):
    print(os.path.basename(sys.argv[0]), file=open(record + "/stopped", "a"))
    sys.exit()
signal.signal(signal.SIGTERM, stop)
server = http.server.HTTPServer(("127.0.0.1", int(port)), Handler)
print(os.getpid(), file=open(record + "/worker-" + port, "w"))
server.serve_forever()
"#;

#[test]
fn up_restarts_programs_that_end_and_stops_in_order() {
    let programs = Programs::new("up");
    let port = free_port().unwrap();
    let mut up = programs.devstack(&["up"]).env("PORT", port.to_string()).spawn().unwrap();
    assert_eq!(next_line(&mut up), format!("ready: http://127.0.0.1:{port}"));
    assert_eq!(programs.record("auth"), "off");

    let workers = programs.workers();
    assert_eq!(workers.len(), 2);
    Command::new("kill").args(["-9", &workers[0]]).status().unwrap();
    wait_for("a new worker", || programs.workers().len() == 2 && !programs.workers().contains(&workers[0]));

    Command::new("kill").args(["-INT", &up.id().to_string()]).status().unwrap();
    assert!(up.wait().unwrap().success());
    let said = rest(&mut up);
    assert!(said.contains("-worker ended") && said.contains("-worker is started again"), "{said}");
    let stopped = programs.record("stopped");
    assert_eq!(stopped.lines().next(), Some("api"));
    assert_eq!(stopped.lines().count(), 3);
    assert!(is_free(port));
    assert!(programs.place.folder.join("stack/data/postgres").exists(), "the data is gone");

    fs::remove_file(programs.place.folder.join("stopped")).unwrap();
    let mut again = programs.devstack(&["up"]).env("PORT", port.to_string()).spawn().unwrap();
    assert_eq!(next_line(&mut again), format!("ready: http://127.0.0.1:{port}"));
    Command::new("kill").arg(again.id().to_string()).status().unwrap();
    assert!(again.wait().unwrap().success());
}

#[test]
fn a_port_of_the_api_that_is_taken_is_refused_before_anything_starts() {
    let programs = Programs::new("taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut up = programs.devstack(&["up"]).env("PORT", &port).spawn().unwrap();
    assert!(!up.wait().unwrap().success());
    assert!(rest(&mut up).contains(&format!("port {port} is taken")));
    assert!(!programs.place.folder.join("stack/data").exists());
}

#[test]
fn a_failed_migration_ends_the_start_with_its_output() {
    let programs = Programs::new("migration");
    programs.write("acorag-migrate", "#!/bin/sh\necho the database is newer >&2\nexit 1\n");
    let mut up = programs.devstack(&["with-acorag", "--", "true"]).spawn().unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(1));
    let said = rest(&mut up);
    assert!(said.contains("the migration failed") && said.contains("the database is newer"), "{said}");
}

#[test]
fn a_program_that_does_not_start_is_given_up() {
    let programs = Programs::new("broken");
    programs.write("acorag-query-worker", "#!/bin/sh\necho no model here >&2\nexit 3\n");
    programs.write("acorag-api", &API.replace("200 if", "503 if"));
    let mut up = programs.devstack(&["with-acorag", "--", "true"]).spawn().unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(1));
    let said = rest(&mut up);
    assert!(said.contains("query-worker does not start") && said.contains("no model here"), "{said}");
}

#[test]
fn a_command_with_acorag_prints_the_last_line_and_sets_the_exit_code() {
    let programs = Programs::new("with");
    let script = r#"test "$RATE_LIMIT_UPLOAD" = "" || exit 1
        python3 -c 'import os, urllib.request; urllib.request.urlopen(os.environ["ACORAG_URL"] + "/ready")' || exit 2
        echo '{"last": "line"}'; exit 5"#;
    let output = programs
        .devstack(&["with-acorag", "--ingest-workers", "2", "--", "sh", "-c", script])
        .env("WORKERS", "3")
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"last\": \"line\"}\n");
    assert_eq!(
        programs.record("stopped").lines().count(),
        4,
        "the api, two ingest workers, one query worker"
    );
}

#[test]
fn programs_that_are_not_built_are_named() {
    let programs = Programs::new("missing");
    fs::remove_file(programs.place.folder.join("acorag-query-worker")).unwrap();
    let mut up = programs.devstack(&["with-acorag", "--", "true"]).spawn().unwrap();
    assert!(!up.wait().unwrap().success());
    assert!(rest(&mut up).contains("acorag-query-worker is missing"));
}

/// A folder with the devstack binary and scripts in place of acorag's programs.
struct Programs {
    place: Place,
}

impl Programs {
    fn new(name: &str) -> Self {
        let programs = Self { place: Place::new(name) };
        // The service that makes vector indexes goes on; the migration ends.
        programs
            .write("acorag-migrate", "#!/bin/sh\nif test \"$1\" = index-vectors; then exec sleep 600; fi\n");
        programs.write("acorag-reader", "#!/bin/sh\n");
        programs.write("acorag-api", API);
        programs.write("acorag-ingest-worker", WORKER);
        programs.write("acorag-query-worker", WORKER);
        programs.write("acorag-reader", "#!/bin/sh\n");
        programs
    }

    fn write(&self, name: &str, script: &str) {
        let path = self.place.folder.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn devstack(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.devstack();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("STACK_DIR", self.place.folder.join("stack")).env("RECORD", &self.place.folder);
        command.env("WORKERS", "2");
        command
    }

    /// The process ids of the workers. Each worker has its own file and writes it again after a restart.
    fn workers(&self) -> Vec<String> {
        let files = fs::read_dir(&self.place.folder).unwrap().map(|entry| entry.unwrap());
        let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("worker-"));
        files.map(|file| read(&file.path()).trim().to_owned()).filter(|id| !id.is_empty()).collect()
    }

    fn record(&self, name: &str) -> String {
        read(&self.place.folder.join(name)).trim().to_owned()
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn next_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "it said nothing but: {}", rest(child));
    line.trim_end().to_owned()
}

fn rest(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    said
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
