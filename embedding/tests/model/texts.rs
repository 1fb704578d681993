//! Any text at all.

use std::time::{Duration, Instant};

use embedding::Embed;

use crate::{model, passages};

#[tokio::test]
async fn what_is_too_long_is_cut_at_the_end() {
    let model = model();
    let start = "La zapata Z-4 se apoya sobre roca sana. ".repeat(60);
    assert!(model.count_tokens(&start) > model.passage_tokens());
    let texts = vec![format!("{start} Fin."), format!("{start} Otra cosa, muy distinta, al final.")];
    let vectors = passages(&model, texts).await.unwrap();
    assert_eq!(vectors[0], vectors[1]);
    // The prefix is still there: as a query, the same text is something else.
    assert_ne!(model.query(&start).await.unwrap(), vectors[0]);
}

#[tokio::test]
async fn the_last_token_that_fits_counts_and_the_next_does_not() {
    let model = model();
    let room = model.passage_tokens();
    assert_eq!(room, 512 - 2 - model.count_tokens("passage: "));
    let of = |tokens: usize, last: &str| format!("{}{last}", "casa ".repeat(tokens - 1));
    assert_eq!(model.count_tokens(&of(room, "muro")), room);
    let texts = vec![of(room, "casa"), of(room, "muro"), of(room + 1, "muro"), of(room + 1, "casa")];
    let vectors = passages(&model, texts).await.unwrap();
    assert_ne!(vectors[0], vectors[1]);
    assert_eq!(vectors[2], vectors[3]);
    assert_eq!(vectors[0], vectors[2]);
}

#[tokio::test]
async fn odd_texts_neither_fail_nor_take_long() {
    let model = model();
    let megabyte = 1 << 20;
    let texts = [
        String::new(),
        " \t\r\n\u{a0}\u{3000}".to_owned(),
        "\0\u{1}\u{feff}\u{fffd}".to_owned(),
        "\u{202e}ltr \u{200f}rtl שלום مرحبا".to_owned(),
        "<s> </s> <pad> <unk> <mask>".to_owned(),
        "e\u{301}".repeat(1000),
        "z\u{334}\u{335}\u{336}\u{337}\u{338}".repeat(2000),
        "👩‍👩‍👧‍👦🏗️".repeat(3000),
        "漢字かな交じり文".repeat(3000),
        // One character that becomes eighteen.
        "\u{fdfa}".repeat(megabyte / 3),
        "a".repeat(megabyte),
        " ".repeat(megabyte),
        "á ".repeat(megabyte / 3),
        "Plano de cimentación. ".repeat(megabyte / 23),
    ];
    for text in texts {
        let started = Instant::now();
        let query = model.query(&text).await;
        let passage = passages(&model, vec![text.clone()]).await;
        let start: String = text.chars().take(12).collect();
        assert!(query.is_ok() && passage.is_ok(), "{start:?}: {query:?} {passage:?}");
        // Patient with a busy machine; what grows with the square of a text takes hours.
        assert!(started.elapsed() < Duration::from_secs(60), "{start:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn tokens_are_counted_without_prefix_from_any_thread() {
    let model = model();
    // As the original tokenizer splits them, without its <s> and </s>.
    let counts = [("", 0), ("Hello world!", 3), ("¿Cuál es la presión?", 6)];
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..100 {
                    for (text, count) in counts {
                        assert_eq!(model.count_tokens(text), count, "{text:?}");
                    }
                }
            });
        }
    });
}
