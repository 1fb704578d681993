use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::BlockKind;

fn sample() -> Extracted {
    Extracted {
        blocks: vec![Block { kind: BlockKind::Heading(2), text: "Línea\nuna".into(), page: Some(3) }],
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
        write(&mut bytes, outcome.clone()).unwrap();
        assert_eq!(
            read(bytes.as_slice(), &Limits::default()).await.unwrap(),
            Some(outcome.map(Answer::Document))
        );
    }
}

#[tokio::test]
async fn a_child_that_stopped_half_way_said_nothing() {
    let mut bytes = Vec::new();
    write(&mut bytes, Ok(sample())).unwrap();
    for length in 0..bytes.len() - 1 {
        assert_eq!(read(&bytes[..length], &Limits::default()).await.unwrap(), None, "{length}");
    }
}

#[tokio::test]
async fn lengths_that_no_number_holds_are_refused() {
    let attachment = |length: u64| {
        let line = serde_json::json!({"attachment": {"filename": "", "media_type": "", "length": length}});
        format!("{line}\n")
    };
    let said = format!("{}x{}", attachment(1), attachment(u64::MAX));
    assert_eq!(read(said.as_bytes(), &Limits::default()).await.unwrap(), None);
}

#[tokio::test]
async fn more_blocks_or_attachments_than_allowed_are_refused() {
    let mut bytes = Vec::new();
    write(&mut bytes, Ok(sample())).unwrap();
    for (blocks, attachments, refused) in [(0, 1, true), (1, 0, true), (1, 1, false)] {
        let limits = Limits { blocks, attachments, ..Limits::default() };
        assert_eq!(read(bytes.as_slice(), &limits).await.unwrap().is_none(), refused);
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

fn any_kind() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        any::<u8>().prop_map(BlockKind::Heading),
        Just(BlockKind::Paragraph),
        Just(BlockKind::ListItem),
        Just(BlockKind::TableRow),
    ]
}

fn any_extracted() -> impl Strategy<Value = Extracted> {
    let block = (any_kind(), any::<String>(), option::of(any::<u32>()))
        .prop_map(|(kind, text, page)| Block { kind, text, page });
    let attachment = (any::<String>(), any::<String>(), vec(any::<u8>(), 0..200))
        .prop_map(|(filename, media_type, bytes)| Attachment { filename, media_type, bytes });
    (vec(block, 0..6), vec(attachment, 0..4), any::<String>(), any::<u32>()).prop_map(
        |(blocks, attachments, title, pages)| {
            let metadata = ExtractedMetadata { title, pages, ..ExtractedMetadata::default() };
            Extracted { blocks, metadata, attachments }
        },
    )
}

/// Output that no correct reader writes: lines of the protocol in any order, with other bytes between them.
fn anything_said() -> impl Strategy<Value = Vec<u8>> {
    let lines = [
        "\"records\"",
        "\"done\"",
        r#"{"failed":"empty"}"#,
        r#"{"failed":{"too_large":{"what":"x","limit":-1}}}"#,
        r#"{"metadata":{}}"#,
        r#"{"block":{"kind":{"heading":999},"text":"x","page":1}}"#,
        r#"{"block":{"kind":"paragraph","text":"x","page":null}}"#,
        r#"{"attachment":{"filename":"","media_type":"","length":3}}"#,
        r#"{"attachment":{"filename":"","media_type":"","length":18446744073709551615}}"#,
        r#"{"record":{"Ok":null}}"#,
        r#"{"record":{"Err":{"index":1,"reason":{"code":"x","message":{"es":"x","en":"x"}}}}}"#,
        "[[[[[[[[",
    ];
    let line = prop_oneof![
        4 => proptest::sample::select(lines.to_vec()).prop_map(|line| format!("{line}\n").into_bytes()),
        1 => vec(any::<u8>(), 0..40),
    ];
    vec(line, 0..12).prop_map(|lines| lines.concat())
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(extracted in any_extracted()) {
        let mut bytes = Vec::new();
        write(&mut bytes, Ok(extracted.clone())).unwrap();
        let heard = wait(read(bytes.as_slice(), &Limits::default())).unwrap();
        prop_assert_eq!(heard, Some(Ok(Answer::Document(extracted))));
    }

    #[test]
    fn a_child_that_says_anything_is_heard_within_the_limits(said in anything_said()) {
        let limits = Limits { attachment_bytes: 5, ..Limits::default() };
        if let Ok(Some(Ok(Answer::Document(extracted)))) = wait(read(said.as_slice(), &limits)) {
            prop_assert!(extracted.attachments.iter().map(|file| file.bytes.len()).sum::<usize>() <= 5);
        }
        if let Ok(Some((records, _))) = wait(records(said.as_slice(), &limits, 3)) {
            prop_assert!(records.len() <= 3);
        }
    }

    #[test]
    fn no_request_makes_the_child_panic(bytes in vec(any::<u8>(), 0..200), text in any::<String>(), number in any::<i64>()) {
        prop_assert!(serde_json::from_slice::<Request>(&bytes).is_err());
        let request = serde_json::json!({"protocol": number, "input": text, "pdfium": text, "filename": text,
                                         "media_type": text, "limits": Limits::default()});
        let read = serde_json::from_value::<Request>(request);
        prop_assert_eq!(read.is_ok(), u32::try_from(number).is_ok());
    }
}
