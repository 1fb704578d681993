//! Clients that occupy what others need: connections, bodies, upload slots, streams. Each client gets its
//! share of them and no more.

use std::{
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use schemas::{Scope, account::Role, document::State};
use serde_json::json as value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    edges::is_served,
    harness::{Api, Backends, Worker, document, form, json, refused, until},
};

/// Connects from this loopback address, so that the api sees a separate client.
async fn connect_from(from: [u8; 4], api: &Api) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(api.address().parse().unwrap()).await.unwrap()
}

/// Sends the head of a request and waits until the server asks for the body, which is never sent completely.
async fn half_sent(api: &Api, path: &str, headers: &str) -> TcpStream {
    let mut socket = TcpStream::connect(api.address()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"{\"query\":").await.unwrap();
    socket
}

/// Returns everything that arrives until the server closes the connection.
async fn until_closed(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection is still open");
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_take_no_permits() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-concurrent-requests=2"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let _held = [
        half_sent(&api, "/search", "").await,
        half_sent(&api, "/search", "").await,
        half_sent(&api, "/chat", "").await,
    ];
    json(api.post("/search", &value!({"query": "losa"})).await, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_part_of_the_bodies_on_their_way() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-bodies-per-address=2", "--trusted-proxies=1"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let first = half_sent(&api, "/search", "X-Forwarded-For: 1.1.1.1\r\n").await;
    let _second = half_sent(&api, "/search", "X-Forwarded-For: 1.1.1.1\r\n").await;
    let search = |address: &str| {
        let search = api.http.post(api.at("/search")).header("x-forwarded-for", address);
        search.json(&value!({"query": "losa"})).send()
    };
    let refusal = search("1.1.1.1").await.unwrap();
    assert_eq!(refusal.headers()["connection"], "close");
    refused(refusal, 429).await;
    json(search("2.2.2.2").await.unwrap(), 200).await;
    drop(first);
    until("there is room again", || async { search("1.1.1.1").await.unwrap().status() == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let backends = Backends::start().await;
    let api = backends.api(&["--stall-timeout=1"]).await;
    let answer = until_closed(half_sent(&api, "/search", "").await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_first_request_is_closed() {
    let backends = Backends::start().await;
    let api = backends.api(&["--header-timeout=1"]).await;
    let silent = TcpStream::connect(api.address()).await.unwrap();
    let mut greeting = TcpStream::connect(api.address()).await.unwrap();
    // The first bytes of an HTTP/2 connection: too few to distinguish HTTP/1 from HTTP/2.
    greeting.write_all(b"PRI * HT").await.unwrap();
    until_closed(silent).await;
    until_closed(greeting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_request_and_not_for_ever() {
    let backends = Backends::start().await;
    let api = backends.api(&["--header-timeout=2"]).await;
    let mut kept = TcpStream::connect(api.address()).await.unwrap();
    assert!(is_served(&mut kept).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(is_served(&mut kept).await);

    let brief = backends.api(&["--keep-alive=1"]).await;
    let mut idle = TcpStream::connect(brief.address()).await.unwrap();
    assert!(is_served(&mut idle).await);
    assert_eq!(until_closed(idle).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_one_address_leave_room_for_others() {
    let backends = Backends::start().await;
    let api = backends.api(&["--max-connections=8", "--header-timeout=300"]).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect_from([127, 0, 0, 2], &api).await);
    }
    assert_eq!(api.get("/health").await.status(), 200);
    // A further connection from this address replaces one of the same address.
    let mut asking = connect_from([127, 0, 0, 2], &api).await;
    asking.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    asking.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_not_waited_for() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let mut socket = TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n--b\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(socket).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");
}

/// Sends the beginning of an upload, up to the first byte of the file. Returns when the server has taken an
/// upload slot.
async fn half_uploaded(api: &Api, key: &str) -> TcpStream {
    let mut socket = TcpStream::connect(api.address()).await.unwrap();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    if &answer == b"HTTP/1.1 100" {
        socket
            .write_all(b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nx")
            .await
            .unwrap();
    }
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_takes_no_upload_slot_and_who_may_has_half_of_them() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--max-concurrent-uploads=2"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("reader", Role::Read, Scope::All);
    worker.allow("one", Role::Write, Scope::All);
    worker.allow("other", Role::Write, Scope::All);
    // The caller with the role `read` is refused before the server asks for the body: otherwise the first
    // line would be "100 Continue".
    let answer = until_closed(half_uploaded(&api, "reader").await).await;
    assert!(answer.contains("403") || answer.contains("Forbidden"), "{answer}");

    let _held = half_uploaded(&api, "one").await;
    let upload =
        |key: &str| api.http.post(api.at("/upload")).bearer_auth(key).multipart(form("b.txt", "dos")).send();
    refused(upload("one").await.unwrap(), 429).await;
    json(upload("other").await.unwrap(), 202).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_leave_room_for_other_callers_and_for_chats() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--max-event-streams=2", "--max-chat-streams=2"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("one", Role::Read, Scope::All);
    worker.allow("other", Role::Read, Scope::All);
    worker.allow("third", Role::Read, Scope::All);
    *worker.documents.lock().unwrap() = vec![document("p", "1", State::Queued)];
    let follow = |key: &'static str| api.get_as(key, "/documents/1/events");
    let _first = follow("one").await;
    refused(follow("one").await, 429).await;
    let second = follow("other").await;
    assert_eq!(second.status(), 200);
    refused(follow("third").await, 503).await;
    let question = value!({"message": "¿Espesor?", "stream": true});
    assert_eq!(api.post_as("third", "/chat", &question).await.status(), 200);
}

/// Sends a GET request over HTTP/2 that grants the server no byte of the response's body.
async fn asked_without_reading(api: &Api, path: &str) -> TcpStream {
    let text = |name: u8, text: &str| [&[name, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // HPACK: GET, http, the path and the authority.
    let head = [vec![0x82, 0x86], text(0x04, path), text(0x01, "localhost")].concat();
    let frame = |kind: u8, flags: u8, stream: u8, body: &[u8]| {
        [&[0, 0, u8::try_from(body.len()).unwrap(), kind, flags, 0, 0, 0, stream], body].concat()
    };
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let request = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings, frame(1, 5, 1, &head)].concat();
    let mut socket = TcpStream::connect(api.address()).await.unwrap();
    socket.write_all(&request).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_read_has_no_more_time_than_others() {
    let backends = Backends::start().await;
    let api = backends.api(&["--event-stream-seconds=2"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.documents.lock().unwrap() = vec![document("p", "1", State::Queued)];
    let open = async |number: u8| {
        let line = format!("open_streams{{kind=\"events\"}} {number}\n");
        until(&line, || async { api.get("/metrics").await.text().await.unwrap().contains(&line) }).await;
    };
    let _silent = asked_without_reading(&api, "/documents/1/events").await;
    open(1).await;
    // After 30 s the connection itself would be closed, because this client answers no ping.
    let ended = tokio::time::timeout(Duration::from_secs(20), open(0)).await;
    assert!(ended.is_ok(), "the stream is still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_readiness_asks_the_workers_once_a_second() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let started = Instant::now();
    let answers = futures::future::join_all((0..300).map(|_| api.get("/ready"))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let asked = worker.pings.load(Ordering::SeqCst) as u64;
    assert!((1..=started.elapsed().as_secs() + 1).contains(&asked), "{asked} questions");
}
