use std::net::TcpStream;

use async_nats::jetstream;
use devstack::{Options, Stack};
use sqlx::{Connection, PgConnection};

#[tokio::test(flavor = "multi_thread")]
async fn each_server_restarts_on_the_same_port_with_its_durable_data() {
    let stack = Stack::start(Options::default()).unwrap();

    let nats = async_nats::connect(stack.nats_url()).await.unwrap();
    let streams = jetstream::new(nats);
    let config = jetstream::stream::Config {
        name: "KEPT".into(),
        subjects: vec!["kept".into()],
        storage: jetstream::stream::StorageType::File,
        ..Default::default()
    };
    streams.create_stream(config).await.unwrap();
    streams.publish("kept", "acknowledged".into()).await.unwrap().await.unwrap();
    stack.nats().unwrap().kill().unwrap();
    assert!(TcpStream::connect(address(stack.nats_url())).is_err(), "NATS answers after its death");
    stack.nats().unwrap().start().unwrap();
    let nats = async_nats::connect(stack.nats_url()).await.unwrap();
    let stream = jetstream::new(nats).get_stream("KEPT").await.unwrap();
    assert_eq!(stream.get_raw_message(1).await.unwrap().payload, "acknowledged");

    let url = stack.database("kept").unwrap();
    let mut database = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE EXTENSION vector; CREATE TABLE kept (v halfvec(3)); SET synchronous_commit = on")
        .execute(&mut database)
        .await
        .unwrap();
    sqlx::query("INSERT INTO kept VALUES ('[1,2,3]')").execute(&mut database).await.unwrap();
    stack.postgres().unwrap().kill().unwrap();
    // Uses a new connection: an open one may end slightly later than the server.
    assert!(PgConnection::connect(&url).await.is_err(), "PostgreSQL answers after its death");
    stack.postgres().unwrap().start().unwrap();
    let mut database = PgConnection::connect(&url).await.unwrap();
    let kept: String = sqlx::query_scalar("SELECT v::text FROM kept").fetch_one(&mut database).await.unwrap();
    assert_eq!(kept, "[1,2,3]");

    stack.redis().unwrap().stop().unwrap();
    assert!(TcpStream::connect(address(stack.redis_url())).is_err(), "Valkey answers after its end");
    stack.redis().unwrap().start().unwrap();
    TcpStream::connect(address(stack.redis_url())).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_starts_empty_even_when_one_of_that_name_was_used() {
    let stack = Stack::start(Options::default()).unwrap();
    let url = stack.database("again").unwrap();
    let mut in_use = PgConnection::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE left_over ()").execute(&mut in_use).await.unwrap();

    assert_eq!(stack.database("again").unwrap(), url);

    let mut database = PgConnection::connect(&url).await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(tables, 0);
    assert!(stack.database("no; DROP").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_compared_and_lowered_as_unicode() {
    let stack = Stack::start(Options::default()).unwrap();
    let mut database = PgConnection::connect(stack.database_url()).await.unwrap();
    let (lowered, words): (String, String) =
        sqlx::query_as("SELECT lower('SEÑALIZACIÓN'), to_tsvector('simple', '¿Cuál es?')::text")
            .fetch_one(&mut database)
            .await
            .unwrap();
    assert_eq!(lowered, "señalización");
    assert_eq!(words, "'cuál':1 'es':2");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_synced_to_the_disk_before_they_are_acknowledged() {
    let stack = Stack::start(Options::default()).unwrap();
    let nats = async_nats::connect(stack.nats_url()).await.unwrap();
    assert_eq!(nats.server_info().max_payload, 1 << 20);
    assert!(nats.server_info().jetstream);
    let mut database = PgConnection::connect(stack.database_url()).await.unwrap();
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut database).await.unwrap();
    assert_eq!(fsync, "on");

    // The server itself says whether each write is synchronized to disk.
    let answer = http_get(&stack.nats_monitor_url(), "/jsz?config=true");
    assert!(answer.contains(r#""sync_always": true"#), "{answer}");
}

#[test]
fn data_in_a_folder_is_kept_and_belongs_to_one_stack_at_a_time() {
    let folder = std::env::temp_dir().join(format!("devstack-test-{}", std::process::id()));
    devstack::wipe(&folder).unwrap();
    let options = Options { data: Some(folder.clone()), ..Options::default() };

    let first = Stack::start(options.clone()).unwrap();
    let first_url = first.database("kept").unwrap();
    let refused = Stack::start(options.clone()).err().expect("a second stack started on the same data");
    assert!(refused.to_string().contains("stop it first"), "{refused:#}");
    assert!(devstack::wipe(&folder).is_err(), "wiped under a running stack");
    drop(first);

    let second = Stack::start(options).unwrap();
    let same_password = |url: &str| url.split('@').next().unwrap().to_owned();
    assert_eq!(same_password(second.database_url()), same_password(&first_url));
    drop(second);
    devstack::wipe(&folder).unwrap();
    assert!(!folder.exists());
}

#[test]
fn a_server_that_is_given_is_used_and_not_stopped() {
    let owner = Stack::start(Options::default()).unwrap();
    let user = Stack::start(Options {
        nats_url: Some(owner.nats_url().to_owned()),
        database_url: Some(owner.database_url().to_owned()),
        ..Options::default()
    })
    .unwrap();

    assert_eq!(user.nats_url(), owner.nats_url());
    assert_eq!(user.database_url(), owner.database_url());
    assert_ne!(user.redis_url(), owner.redis_url());
    assert_eq!(user.process_ids().len(), 1);
    assert!(user.nats().is_err());
    drop(user);
    TcpStream::connect(address(owner.nats_url())).unwrap();
}

#[test]
fn a_port_that_is_taken_is_named_in_the_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let redis = taken.local_addr().unwrap().port();
    let ports = devstack::Ports { redis: Some(redis), ..Default::default() };
    let error = Stack::start(Options { ports, ..Options::default() }).err().expect("two servers on one port");
    let error = format!("{error:#}");
    assert!(error.contains("Valkey") && error.contains("already in use"), "{error}");
}

fn address(url: &str) -> &str {
    url.split("//").nth(1).unwrap()
}

fn http_get(base: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut connection = TcpStream::connect(address(base)).unwrap();
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}
