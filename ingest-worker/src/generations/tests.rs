//! Tests marks and tokens with a real Valkey.

use std::sync::LazyLock;

use clap::Parser as _;
use devstack::{Options, Stack};
use fred::interfaces::KeysInterface as _;

use super::*;

static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::start(Options::default()).unwrap());

#[derive(clap::Parser)]
struct Settings {
    #[command(flatten)]
    redis: platform::redis::Config,
}

fn change(document: &str) -> Change {
    Change::new(&"p".parse().unwrap(), &document.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_marked_until_all_who_change_it_are_done() {
    let url = tokio::task::spawn_blocking(|| STACK.redis_url().to_owned()).await.unwrap();
    let redis = Settings::parse_from(["test", "--redis-url", &url]).redis.connect().unwrap();
    let generations = Generations::new(redis.clone());
    let now = async || -> [String; 2] {
        let keys = vec![cache::generation_of("p"), cache::GENERATION.to_owned()];
        Box::pin(redis.mget(keys)).await.unwrap()
    };
    let is_marked = async || now().await.map(|generation| generation.starts_with(cache::CHANGING));
    generations.changed(change("a")).await;
    let before = now().await;
    // A project may have any name.
    generations.changed(Change::new(&"changing".parse().unwrap(), &"a".parse().unwrap())).await;
    assert!(generations.renew(&change("a")).await);
    let [of_project, of_all] = now().await;
    assert!(of_project != before[0] && of_all != before[1]);
    let before = now().await;

    let during = generations.changing(change("a"), is_marked()).await;
    assert_eq!((during, is_marked().await), ([true; 2], [false; 2]));
    assert_ne!(now().await, before, "it is another one now");

    // Two changes overlap. After the end of one, the generation is still marked because of the other, so no
    // answer is cached under it. It is a new generation nevertheless, so that no search joins an identical
    // one asked before.
    let (seen, after_one) = generations
        .changing(change("a"), async {
            let seen = generations.changing(change("b"), now()).await;
            (seen, now().await)
        })
        .await;
    assert!(after_one.iter().all(|generation| generation.starts_with(cache::CHANGING)), "{after_one:?}");
    assert_ne!(seen, after_one);
    assert_eq!(is_marked().await, [false; 2]);

    // The mark of a change whose worker died stays until the job is delivered again, even if other changes
    // end meanwhile.
    drop(
        tokio::time::timeout(
            Duration::from_millis(300),
            generations.changing(change("c"), std::future::pending::<()>()),
        )
        .await,
    );
    generations.changing(change("b"), async {}).await;
    assert_eq!(is_marked().await, [true; 2]);
    generations.changed(change("c")).await;
    assert_eq!(is_marked().await, [false; 2]);
}
