//! The program itself: its log lines, its memory, its end.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json as value};

use crate::harness::{Backends, Worker, json};

struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Program {
    fn start(backends: &Backends, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_acorag-api"))
            .args(["--port=0", "--auth=off"])
            .args(&backends.addresses)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_a_request_little_memory_and_an_orderly_end() {
    let backends = Backends::start().await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let mut program = Program::start(&backends, &[]);
    let address = program.line(|line| line["message"] == "listening")["address"].as_str().unwrap().to_owned();

    let url = format!("http://{address}/search");
    let query = "¿Cuál es el espesor de la losa del segundo piso de la torre norte?";
    let request =
        reqwest::Client::new().post(&url).header("x-request-id", "req-7").json(&value!({"query": query}));
    json(request.send().await.unwrap(), 200).await;
    let line = program.line(|line| line["message"] == "request");
    assert_eq!(
        (&line["request_id"], &line["path"], &line["method"]),
        (&"req-7".into(), &"/search".into(), &"POST".into())
    );
    assert_eq!(
        (&line["status"], &line["results_count"], &line["level"]),
        (&200.into(), &0.into(), &"INFO".into())
    );
    assert_eq!(line["query"].as_str().unwrap().chars().count(), 50);
    assert_eq!(line["user_id"], "ip:127.0.0.1");
    assert!(
        line["duration_ms"].as_f64().unwrap() > 0.0
            && line["timestamp"].is_string()
            && line["line"].is_number()
    );

    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    // The limit of 40 MiB holds for release builds, and also for this debug build.
    assert!(resident <= 40 * 1024, "{resident} kB resident");

    Command::new("kill").args(["-TERM", &program.child.id().to_string()]).status().unwrap();
    program.line(|line| line["message"] == "SIGTERM: stopping");
    assert!(program.child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_stops_the_start_and_names_itself() {
    let backends = Backends::start().await;
    for (arguments, name) in [
        (vec!["--rate-limit-search=many"], "rate-limit-search"),
        (vec!["--bind=0.0.0.0"], "BIND"),
        (vec!["--tls-cert=none.pem"], "tls-key"),
        (vec!["--jwt-issuer=x"], "jwt-audience"),
        (vec!["--cors-origins=obra"], "cors-origins"),
        (vec!["--jwt-issuer=x", "--jwt-audience=y", "--jwt-jwks=none.json"], "JWT_JWKS"),
    ] {
        let mut program = Program::start(&backends, &arguments);
        let mut said = String::new();
        while let Ok(line) = program.lines.recv_timeout(Duration::from_secs(60)) {
            said += &line;
        }
        assert!(!program.child.wait().unwrap().success());
        assert!(said.contains(name), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_itself_whether_it_is_ready() {
    let backends = Backends::start().await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let program = Program::start(&backends, &[]);
    let address = program.line(|line| line["message"] == "listening")["address"].as_str().unwrap().to_owned();
    let (_, port) = address.rsplit_once(':').unwrap();
    let health =
        || Command::new(env!("CARGO_BIN_EXE_acorag-api")).args(["health", "--port", port]).output().unwrap();

    let answer = health();
    assert!(answer.status.success(), "{answer:?}");
    let said: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(said["ready"], true);

    drop(program);
    assert_eq!(health().status.code(), Some(1));
}
