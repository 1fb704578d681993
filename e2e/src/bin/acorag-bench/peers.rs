//! Compares acorag with two other programs that find passages by their meaning: txtai's API, and Haystack behind Hayhooks.
//!
//! All of them hold the same passages, use the same model file and are asked by the same clients, one program after the
//! other. `bench/README.md` says how the peers are set up, and `bench/peers` contains what they need.

use std::{
    cell::RefCell,
    collections::HashSet,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use devstack::{Launch, Process, free_port};
use e2e::{Client, Random, Service, System};
use embedding::{Embed as _, Model};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    bench::Bench,
    fill::{self, Fill, Source},
    ingest, large,
    load::{Clients, Request},
    memory,
    recall::NEAREST,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const SMALL: usize = 240;
const LARGE: usize = 40_000;
/// The number of searches that are compared with a full comparison of the vectors.
const COMPARED: usize = 30;
/// The number of searches before the first one that counts.
const WARM: usize = 20;
/// Maximum time until a peer is ready: it may have to embed the passages.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is measured of each program.
const ROWS: [(&str, &str); 5] = [
    ("searches by 1 client", "1/s"),
    ("searches by 8 clients", "1/s"),
    ("p50 alone", "ms"),
    ("memory (RSS)", "MB"),
    ("memory (PSS)", "MB"),
];

const PEERS: [Peer; 2] = [
    Peer { name: "txtai", launch: txtai, ready: "/count", request: ask_txtai },
    Peer { name: "Haystack", launch: haystack, ready: "/status", request: ask_haystack },
];

/// Measures all programs with 240 passages and, unless it must be quick, with 40,000.
pub async fn measure(bench: &mut Bench, quick: bool) -> Result<()> {
    let place = Place::prepare(&bench.system)?;
    bench.samples.upload(&bench.client).await?;
    let there = stored(&bench.pool).await?.len();
    let texts = bench.ceiling.texts(&mut bench.random, SMALL.saturating_sub(there));
    ingest::import(&bench.client, &texts).await?;
    all(bench, &place, false).await?;
    if quick {
        return Ok(());
    }
    let source = Arc::new(Source::new(&bench.ceiling.model).await?);
    let mut fill = Fill::begin(bench.system.stack.database_url(), &source, LARGE).await?;
    fill.project("grande", LARGE - SMALL).await?;
    fill.end().await?;
    all(bench, &place, true).await
}

/// Measures one program after the other. A peer that fails loses no other one. `given` tells that the peers do not embed the
/// passages themselves but get the vectors, because that would take too long, or because the vectors are made up.
async fn all(bench: &mut Bench, place: &Place, given: bool) -> Result<()> {
    let passages = stored(&bench.pool).await?;
    let (expected, what) = if given { (LARGE, "40,000 passages") } else { (SMALL, "240 passages") };
    ensure!(passages.len() == expected, "there are {} passages instead of {expected}", passages.len());
    place.write(&passages, given)?;
    let (model, questions, random) = (&bench.ceiling.model, &bench.questions, RefCell::new(Random::new(5)));
    // With many passages, the words of the query must occur in them, or the keyword leg of acorag would have nothing to do.
    let ask = || if given { large::query(&mut random.borrow_mut()) } else { questions.one() };
    let time = bench.effort.time;
    let own = Program::acorag(&bench.system)?.measure(time, &ask).await?;
    for ((row, unit), value) in ROWS.into_iter().zip(own) {
        bench.figures.plain(format!("peers: acorag, {what}: {row}"), value, unit);
    }
    for peer in PEERS {
        let measured = async {
            let program = peer.start(place).await?;
            let values = program.measure(time, &ask).await?;
            let compared: Vec<String> = (0..COMPARED).map(|_| ask()).collect();
            let found = program.nearest(model, &passages, &compared).await?;
            anyhow::Ok((values, found))
        };
        let name = format!("peers: {}, {what}", peer.name);
        match measured.await {
            Ok((values, found)) => {
                for ((row, unit), (value, own)) in ROWS.into_iter().zip(values.into_iter().zip(own)) {
                    bench.figures.ratio(format!("{name}: {row}"), value, unit, "acorag", own);
                }
                bench.figures.plain(format!("{name}: of the ten nearest"), found, "%");
            }
            Err(error) => bench.figures.failed(&name, &error),
        }
    }
    Ok(())
}

/// The key, the text and the vector of a passage.
type Stored = (i64, String, Vec<f32>);

/// Returns all passages of acorag, as it embeds them.
async fn stored(pool: &PgPool) -> Result<Vec<Stored>> {
    let passages = sqlx::query_as(
        "SELECT c.key, concat_ws(E'\\n', nullif(c.heading, ''), c.text), e.vector::real[]
         FROM chunk c JOIN embedding e ON e.project_key = c.project_key AND e.chunk_key = c.key
         WHERE e.model = $1 ORDER BY c.key",
    )
    .bind(fill::MODEL)
    .fetch_all(pool)
    .await?;
    Ok(passages)
}

/// Where the peers are.
struct Place {
    /// The interpreter of the environment in which the peers are installed.
    python: PathBuf,
    /// The folder with the model, the passages and the logs.
    folder: PathBuf,
}

impl Place {
    /// Installs the peers, if they are not installed yet, and gives them the model.
    fn prepare(system: &System) -> Result<Self> {
        let paths = system.stack.paths();
        let installed = Command::new("python3")
            .arg(format!("{ROOT}/devstack/fetch.py"))
            .arg("--python")
            .arg(format!("{ROOT}/bench/peers/requirements.txt"))
            .env("STACK_DIR", &paths.stack)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run python3")?;
        ensure!(installed.status.success(), "the peers could not be installed");
        let python = PathBuf::from(String::from_utf8(installed.stdout)?.trim());
        let folder = system.stack.logs().join("peers");
        fs::create_dir_all(&folder)?;
        // A copy of the model: the peers must not share the memory of its file with acorag.
        for file in ["model.onnx", "model.onnx.data", "tokenizer.json"] {
            fs::copy(paths.model.join(file), folder.join(file)).with_context(|| format!("copying {file}"))?;
        }
        // Haystack's embedder needs it.
        let tokenizer = json!({"model_max_length": 512, "pad_token": "<pad>"});
        fs::write(folder.join("tokenizer_config.json"), tokenizer.to_string())?;
        Ok(Self { python, folder })
    }

    fn passages(&self) -> PathBuf {
        self.folder.join("passages.jsonl")
    }

    /// Writes the passages for the peers, one in each line; with their vectors if these are given.
    fn write(&self, passages: &[Stored], given: bool) -> Result<()> {
        let mut file = BufWriter::new(File::create(self.passages())?);
        for (key, text, vector) in passages {
            let mut line = json!({"id": key.to_string(), "text": text});
            if given {
                // More digits than the half-precision numbers in the database have.
                let rounded = vector.iter().map(|number| (f64::from(*number) * 1e6).round() / 1e6);
                line["vector"] = rounded.collect();
            }
            writeln!(file, "{line}")?;
        }
        Ok(file.flush()?)
    }
}

/// A program that acorag is compared with.
struct Peer {
    name: &'static str,
    /// Makes it ready to be started on a port.
    launch: fn(&Place, u16) -> Result<Launch>,
    /// A path that answers when the passages can be searched.
    ready: &'static str,
    request: fn(&str) -> Request,
}

impl Peer {
    /// Starts the program with the passages; returns when it is ready.
    async fn start(&self, place: &Place) -> Result<Program> {
        let port = free_port()?;
        let launch = (self.launch)(place, port)?.log(place.folder.join(format!("{}.log", self.name)));
        let mut process = launch.start()?;
        let client = Client::new(&format!("http://127.0.0.1:{port}"))?;
        let deadline = Instant::now() + PATIENCE;
        while !client.get(self.ready).await.is_ok_and(|answer| answer.status().is_success()) {
            let waits = process.ended()?.is_none() && Instant::now() < deadline;
            ensure!(waits, "it did not start: {}", launch.last_lines());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let processes = vec![process.id()];
        Ok(Program { client, request: self.request, processes, _process: Some(process) })
    }
}

/// Makes an index for txtai's own API, which is then served.
fn txtai(place: &Place, port: u16) -> Result<Launch> {
    let index = place.folder.join("index");
    let making = Launch::new(&place.python)
        .arg(format!("{ROOT}/bench/peers/txtai_index.py"))
        .args([&place.folder, &place.passages(), &index])
        .log(place.folder.join("txtai-index.log"));
    let status = making.start()?.wait()?;
    ensure!(status.success(), "its index was not made: {}", making.last_lines());
    Ok(Launch::new(&place.python)
        .args(["-m", "uvicorn", "txtai.api:app", "--no-access-log", "--host", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .env("CONFIG", json!({"path": index, "embeddings": {}}).to_string()))
}

/// The HTTP client encodes spaces and accents; a question contains no character that has a meaning in a URL.
fn ask_txtai(query: &str) -> Request {
    Request::other(format!("/search?limit={NEAREST}&query={query}"), None)
}

/// Hayhooks serves the pipeline in `bench/peers/haystack`, which reads the passages when it starts.
fn haystack(place: &Place, port: u16) -> Result<Launch> {
    Ok(Launch::new(place.python.with_file_name("hayhooks"))
        .args(["run", "--host", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .env("HAYHOOKS_PIPELINES_DIR", format!("{ROOT}/bench/peers/haystack"))
        .env("MODEL", &place.folder)
        .env("PASSAGES", place.passages())
        // Nothing is recorded for each search.
        .envs([("HAYSTACK_TELEMETRY_ENABLED", "False"), ("HAYHOOKS_TRACING_ENABLED", "false")])
        .env("HAYHOOKS_LOG_LEVEL", "WARNING"))
}

fn ask_haystack(query: &str) -> Request {
    Request::other("/search/run".to_owned(), Some(json!({"query": query})))
}

/// All projects are searched.
fn ask_acorag(query: &str) -> Request {
    let body = json!({"query": query, "project_id": null, "top_k": NEAREST});
    Request::other("/search".to_owned(), Some(body))
}

/// A running program that answers searches.
struct Program {
    client: Client,
    request: fn(&str) -> Request,
    /// The processes that were started; their children belong to the program, too.
    processes: Vec<u32>,
    /// The process of a peer. It stops when this value is dropped.
    _process: Option<Process>,
}

impl Program {
    /// The servers belong to acorag, too.
    fn acorag(system: &System) -> Result<Self> {
        let services = system.apis.iter().chain(&system.query_workers).chain(&system.ingest_workers);
        let processes = services.filter_map(Service::id).chain(system.stack.process_ids()).collect();
        Ok(Self { client: system.client()?, request: ask_acorag, processes, _process: None })
    }

    /// Returns the values of [`ROWS`]. `ask` makes a question.
    async fn measure(&self, time: Duration, ask: &impl Fn() -> String) -> Result<[f64; 5]> {
        let next = |_| (self.request)(&ask());
        for number in 0..WARM {
            next(number).send(&self.client).await;
        }
        let clients = |count| Clients { count, time, pause: Duration::ZERO };
        let alone = clients(1).send(&self.client, next).await?.none_broken()?;
        let together = clients(8).send(&self.client, next).await?.none_broken()?;
        let [p50] = alone.percentiles([0.5]);
        let [resident, proportional] = memory::families(&self.processes)?;
        Ok([alone.rate(), together.rate(), p50, resident, proportional])
    }

    /// Returns the percentage of the ten nearest passages, by a full comparison of the vectors, that the program finds.
    async fn nearest(&self, model: &Model, passages: &[Stored], questions: &[String]) -> Result<f64> {
        let mut both = 0;
        for question in questions {
            let vector = model.query(question).await?;
            let similarity = |other: &[f32]| vector.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
            let mut all: Vec<(f32, i64)> =
                passages.iter().map(|(key, _, other)| (similarity(other), *key)).collect();
            all.sort_by(|one, other| other.0.total_cmp(&one.0));
            let answer = (self.request)(question).answer(&self.client).await?.error_for_status()?;
            let answer: Value = answer.json().await?;
            let rows = answer.get("result").unwrap_or(&answer).as_array().context("no rows")?;
            let found: HashSet<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
            both +=
                all.iter().take(NEAREST).filter(|(_, key)| found.contains(key.to_string().as_str())).count();
        }
        Ok(both as f64 * 100.0 / (questions.len() * NEAREST) as f64)
    }
}
