//! Tests marks and tokens with a real Valkey.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use clap::Parser as _;
use devstack::{Options, Stack};
use fred::interfaces::{ClientLike as _, KeysInterface as _};

use super::*;

#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    redis: platform::redis::Config,
}

fn change(document: &str) -> Change {
    change_of("p", document)
}

fn change_of(project: &str, document: &str) -> Change {
    Change::new(&project.parse().unwrap(), &document.parse().unwrap(), DateTime::UNIX_EPOCH)
}

/// Starts a Valkey for one test, because each change also marks the generation of all projects.
async fn start() -> (Stack, Generations) {
    let nothing = Some(String::new());
    let options = Options { nats_url: nothing.clone(), database_url: nothing, ..Options::default() };
    let stack = tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap();
    let generations = connect(&stack, "1000").await;
    (stack, generations)
}

async fn connect(stack: &Stack, timeout_ms: &str) -> Generations {
    let arguments = ["test", "--redis-url", stack.redis_url(), "--redis-timeout-ms", timeout_ms];
    let redis = Settings::parse_from(arguments).redis.connect().unwrap();
    redis.wait_for_connect().await.unwrap();
    Generations::new(redis)
}

impl Generations {
    /// The generations of the project and of all projects.
    async fn now(&self) -> [String; 2] {
        let keys = vec![cache::generation_of("p"), cache::GENERATION.to_owned()];
        let now: [Option<String>; 2] = Box::pin(self.redis.mget(keys)).await.unwrap();
        now.map(Option::unwrap_or_default)
    }

    async fn is_marked(&self) -> [bool; 2] {
        self.now().await.map(|generation| generation.starts_with(cache::CHANGING))
    }

    /// Begins a change whose worker dies.
    async fn begin_only(&self, document: &str) {
        assert!(self.run(&self.begin, &change(document)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_marked_until_all_who_change_it_are_done() {
    let (_stack, generations) = start().await;
    generations.changed(change("a")).await;
    let before = generations.now().await;
    // A project may have any name.
    generations.changed(change_of("changing", "a")).await;
    assert!(generations.renew(&change("a")).await);
    let [of_project, of_all] = generations.now().await;
    assert!(of_project != before[0] && of_all != before[1]);
    let before = generations.now().await;

    let during = generations.changing(change("a"), generations.is_marked()).await;
    assert_eq!((during, generations.is_marked().await), ([true; 2], [false; 2]));
    assert_ne!(generations.now().await, before, "it is another one now");

    // Two changes overlap. After the end of one, the generation is still marked because of the other, so no
    // answer is cached under it. It is a new generation nevertheless, so that no search joins an identical
    // one asked before.
    let (seen, after_one) = generations
        .changing(change("a"), async {
            let seen = generations.changing(change("b"), generations.now()).await;
            (seen, generations.now().await)
        })
        .await;
    assert!(after_one.iter().all(|generation| generation.starts_with(cache::CHANGING)), "{after_one:?}");
    assert_ne!(seen, after_one);
    assert_eq!(generations.is_marked().await, [false; 2]);

    // The mark of a change whose worker died stays until the job is delivered again, even if other changes
    // end meanwhile.
    generations.begin_only("c").await;
    generations.changing(change("b"), async {}).await;
    assert_eq!(generations.is_marked().await, [true; 2]);
    generations.changed(change("c")).await;
    assert_eq!(generations.is_marked().await, [false; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_jobs_of_one_document_has_its_own_mark() {
    let (_stack, generations) = start().await;
    let later = Change { accepted_at: DateTime::from_timestamp(1, 0).unwrap(), ..change("a") };
    let after_one = generations
        .changing(change("a"), async {
            generations.changing(later, async {}).await;
            generations.is_marked().await
        })
        .await;
    assert_eq!((after_one, generations.is_marked().await), ([true; 2], [false; 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_never_ended_is_forgotten_while_others_go_on() {
    let (_stack, generations) = start().await;
    let generations = Generations { forgotten: Duration::from_secs(3), ..generations };
    generations.begin_only("a").await;
    let begun = Instant::now();
    generations.changing(change("b"), async {}).await;
    assert_eq!(generations.is_marked().await, [true; 2]);
    while generations.is_marked().await != [false; 2] {
        assert!(begun.elapsed() < Duration::from_secs(30), "the mark stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
        generations.changing(change("b"), async {}).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_not_forgotten_while_its_work_goes_on() {
    let (_stack, generations) = start().await;
    let generations = Generations { forgotten: Duration::from_secs(3), ..generations };
    let long = async {
        tokio::time::sleep(generations.forgotten * 2).await;
        generations.is_marked().await
    };
    assert_eq!(generations.changing(change("a"), long).await, [true; 2]);
    assert_eq!(generations.is_marked().await, [false; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_connection_is_lost_ends_before_its_events_are_published() {
    let (stack, generations) = start().await;
    // Its first attempt is over before it has reconnected.
    let worker = connect(&stack, "100").await;
    generations.begin_only("a").await;
    let mut valkey = TcpStream::connect(stack.redis_url().trim_start_matches("redis://")).unwrap();
    valkey.write_all(b"CLIENT KILL TYPE normal\r\nQUIT\r\n").unwrap();
    valkey.read_to_end(&mut Vec::new()).unwrap();
    worker.changed(change("a")).await;
    assert!(lock(&worker.pending).is_empty());
    assert_eq!(generations.is_marked().await, [false; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_outage_delays_one_change_and_loses_none() {
    let (stack, generations) = start().await;
    let worker = connect(&stack, "100").await;
    tokio::task::block_in_place(|| stack.redis().unwrap().stop()).unwrap();
    worker.changed(change("a")).await;
    let begun = Instant::now();
    worker.changed(change_of("other", "b")).await;
    assert!(begun.elapsed() < PATIENCE, "it waits like the first one");
    assert_eq!(lock(&worker.pending).len(), 2);
    tokio::task::block_in_place(|| stack.redis().unwrap().start()).unwrap();
    let begun = Instant::now();
    while !lock(&worker.pending).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "they stay pending");
        tokio::time::sleep(Duration::from_millis(20)).await;
        worker.renew_pending().await;
    }
    assert!(generations.now().await.iter().all(|generation| !generation.is_empty()));
    let of_other: Option<String> = Box::pin(worker.redis.get(cache::generation_of("other"))).await.unwrap();
    assert!(of_other.is_some());
}
