//! Tests of whole flows, over HTTP and NATS, with the real queue, databases and embedding model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

mod backup;
mod chat;
mod crash;
mod crashes;
mod dead_letters;
mod demo_documents;
mod documents;
mod failures;
mod freshness;
mod hostile_files;
mod hostile_producer;
mod least_privilege;
mod limits;
mod mails;
mod model_change;
mod producers;
mod restarts;
mod revisions;
mod rotation;
mod streaming;
mod telemetry;
mod tls;
mod turns;
mod walls;

/// The fake language model that the tests of the query worker use too.
#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "../../../query-worker/tests/it/fake_llm.rs"]
mod fake_llm;

use std::sync::OnceLock;

use e2e::{Client, Options, System};
use tokio::sync::Mutex;

/// Returns the acorag that most tests share; each test uses its own project. It runs until the test program
/// ends.
async fn shared() -> (Client, &'static System) {
    static STARTING: Mutex<()> = Mutex::const_new(());
    static SYSTEM: OnceLock<System> = OnceLock::new();
    let _one_at_a_time = STARTING.lock().await;
    let system = match SYSTEM.get() {
        Some(system) => system,
        None => {
            let system = System::start(Options::default()).await.expect("acorag starts");
            SYSTEM.get_or_init(|| system)
        }
    };
    (system.client().unwrap(), system)
}

/// Returns an acorag with two apis that requires keys and limits searches.
async fn guarded() -> &'static System {
    static STARTING: Mutex<()> = Mutex::const_new(());
    static SYSTEM: OnceLock<System> = OnceLock::new();
    let _one_at_a_time = STARTING.lock().await;
    match SYSTEM.get() {
        Some(system) => system,
        None => {
            let options = Options { apis: 2, ..Options::default() };
            let options = options.env("AUTH", "required").env("RATE_LIMIT_SEARCH", "100/minute");
            let system = System::start(options).await.expect("acorag starts");
            SYSTEM.get_or_init(|| system)
        }
    }
}

/// Returns the bytes of a sample document.
fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/../samples/files/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns a name that no other test uses.
fn unique(what: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
