use super::*;
use crate::BlockKind;

fn sample() -> Extracted {
    Extracted {
        blocks: vec![Block::new(BlockKind::Heading(2), "Línea\nuna", Some(3))],
        metadata: ExtractedMetadata { title: "T".into(), pages: 3, ..ExtractedMetadata::default() },
        attachments: vec![Attachment {
            filename: "a.bin".into(),
            media_type: "x/y".into(),
            bytes: b"\n\x00{}\n".to_vec(),
        }],
    }
}

#[tokio::test]
async fn what_is_written_is_read() {
    for outcome in [Ok(sample()), Err(Error::TooLarge { what: "cells".into(), limit: 7 })] {
        let mut bytes = Vec::new();
        write(&mut bytes, &outcome).unwrap();
        assert_eq!(
            read(bytes.as_slice(), &Limits::default()).await.unwrap(),
            Some(outcome.map(Answer::Document))
        );
    }
}

#[tokio::test]
async fn a_child_that_stopped_half_way_said_nothing() {
    let mut bytes = Vec::new();
    write(&mut bytes, &Ok(sample())).unwrap();
    for length in 0..bytes.len() - 1 {
        assert_eq!(read(&bytes[..length], &Limits::default()).await.unwrap(), None, "{length}");
    }
}
#[tokio::test]
async fn records_come_in_batches_and_end_only_where_it_is_said() {
    let error = || schemas::messages::reading::damaged().reason("damaged");
    let all: Vec<_> = (1..=5).map(|index| Err(RecordError { index, reason: error() })).collect();
    let mut bytes = Vec::new();
    write_records(&mut bytes, all.clone().into_iter()).unwrap();
    let limits = Limits::default();
    let mut from = bytes.as_slice();
    assert_eq!(read(&mut from, &limits).await.unwrap(), Some(Ok(Answer::Records)));
    assert_eq!(records(&mut from, &limits, 3).await.unwrap(), Some((all[..3].to_vec(), true)));
    let mut cut = &from[..from.len() - 1 - "\"done\"".len()];
    assert_eq!(records(&mut from, &limits, 3).await.unwrap(), Some((all[3..].to_vec(), false)));
    assert_eq!(records(&mut cut, &limits, 3).await.unwrap(), None);
}
