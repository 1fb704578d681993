//! Tests the store with a real server and with forged descriptions.

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::nats::server;

async fn store() -> (devstack::Stack, Nats, Objects) {
    let (stack, nats) = server::start().await;
    let bucket = async_nats::jetstream::object_store::Config { bucket: "FILES".into(), ..Default::default() };
    nats.jetstream.create_object_store(bucket).await.unwrap();
    let objects = Objects::open(&nats).await.unwrap();
    (stack, nats, objects)
}

async fn put(objects: &Objects, name: &str, bytes: &[u8]) -> Stored {
    let bytes = futures::stream::iter([Ok(Bytes::copy_from_slice(bytes))]);
    objects.put(name, bytes).await.unwrap()
}

async fn read(objects: &Objects, name: &str, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let stored = objects.info(name).await.map_err(io::Error::other)?;
    objects.read(&stored, start, length).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn names(objects: &Objects) -> Vec<String> {
    objects.all().map_ok(|stored| stored.name).try_collect().await.unwrap()
}

#[tokio::test]
async fn what_is_stored_is_read_replaced_and_removed() {
    let (_stack, _nats, objects) = store().await;
    let content: Vec<u8> = (0..PART * 2 + 1_000).map(|at| (at % 251) as u8).collect();
    let stored = put(&objects, "año 1/a.pdf", &content).await;
    assert_eq!(
        (stored.size, objects.info("año 1/a.pdf").await.unwrap().sha256),
        (content.len() as u64, stored.sha256)
    );
    assert!(read(&objects, "año 1/a.pdf", 0, u64::MAX).await.unwrap() == content);
    let (start, end) = (PART - 5, PART * 2 + 5);
    let part = read(&objects, "año 1/a.pdf", start as u64, (end - start) as u64).await.unwrap();
    assert!(part == content[start..end]);
    assert_eq!(read(&objects, "año 1/a.pdf", content.len() as u64, 9).await.unwrap(), b"");

    put(&objects, "b", b"antes").await;
    put(&objects, "b", b"ahora").await;
    assert_eq!(read(&objects, "b", 0, u64::MAX).await.unwrap(), b"ahora");
    assert_eq!(names(&objects).await, ["año 1/a.pdf", "b"]);
    for _ in 0..2 {
        objects.delete("año 1/a.pdf").await.unwrap();
        assert!(matches!(objects.info("año 1/a.pdf").await, Err(Error::NotFound)));
    }
    assert_eq!(names(&objects).await, ["b"]);
    let parts = objects.stream.info_with_subjects("$O.FILES.C.>").await.unwrap();
    assert_eq!(parts.count().await, 1, "no part is left of what was replaced or removed");
}

#[tokio::test]
async fn a_forged_description_reads_and_removes_nothing() {
    let (_stack, nats, objects) = store().await;
    put(&objects, "theirs", b"secret").await;
    let theirs = objects.info("theirs").await.unwrap();
    let digest = "SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (name, nuid) in [("x", ">"), ("x", "*"), ("x", "../wal"), ("other", theirs.version.as_str())] {
        let forged = json!({"name": name, "bucket": "FILES", "nuid": nuid, "size": 1_000_000, "chunks": 1,
                            "mtime": "2020-01-01T00:00:00Z", "digest": digest});
        let sent = nats.jetstream.publish("$O.FILES.M.eA==", forged.to_string().into()).await.unwrap();
        sent.await.unwrap();
        assert!(matches!(objects.info("x").await, Err(Error::Malformed)), "{nuid}");
        assert!(objects.delete("x").await.is_err(), "{nuid}");
    }
    // A malformed description neither stops the listing of the other objects nor causes the removal of their
    // parts.
    nats.jetstream.publish("$O.FILES.M.?", "{".into()).await.unwrap().await.unwrap();
    assert_eq!(names(&objects).await, ["theirs"]);
    assert_eq!(objects.remove_parts(Utc::now() + chrono::Duration::days(1)).await.unwrap(), 0);
    assert_eq!(read(&objects, "theirs", 0, u64::MAX).await.unwrap(), b"secret");

    // A description with a size above the stored bytes ends with an error; one with a smaller size does not return more
    // bytes than its size.
    for (size, kind) in [(1_000, io::ErrorKind::UnexpectedEof), (3, io::ErrorKind::InvalidData)] {
        let stored = Stored { size, ..theirs.clone() };
        let error = objects.read(&stored, 0, u64::MAX).read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn parts_without_a_description_are_removed_when_they_are_old() {
    let (_stack, nats, objects) = store().await;
    put(&objects, "whole", b"bytes").await;
    nats.jetstream.publish("$O.FILES.C.cut", "half".into()).await.unwrap().await.unwrap();
    assert_eq!(
        objects.remove_parts(Utc::now() - chrono::Duration::hours(1)).await.unwrap(),
        0,
        "an upload under way"
    );
    assert_eq!(objects.remove_parts(Utc::now() + chrono::Duration::hours(1)).await.unwrap(), 1);
    assert_eq!(read(&objects, "whole", 0, u64::MAX).await.unwrap(), b"bytes");
}
