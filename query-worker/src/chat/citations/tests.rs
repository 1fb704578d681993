use super::*;

/// Filters a text in pieces of different sizes; all results must be equal.
fn filtered(sources: usize, text: &str) -> (String, Vec<u32>) {
    let mut results = Vec::new();
    for length in [1, 2, 3, 5, 1_000] {
        let mut citations = Citations::of(sources);
        let mut out = String::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(length) {
            out.push_str(&citations.push(&piece.iter().collect::<String>()));
        }
        out.push_str(&citations.finish());
        results.push((out, citations.cited));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    results.remove(0)
}

#[test]
fn invalid_citations_are_removed_and_valid_ones_are_kept() {
    assert_eq!(
        filtered(2, "Siete días [1]. Diez en invierno [7]."),
        ("Siete días [1]. Diez en invierno.".into(), vec![1])
    );
    assert_eq!(filtered(3, "a [3, 9, 1] b[2][4]"), ("a [3][1] b[2]".into(), vec![3, 1, 2]));
    assert_eq!(filtered(3, "a [2-9]."), ("a [2][3].".into(), vec![2, 3]));
    assert_eq!(filtered(1, "a [0] [1]"), ("a [1]".into(), vec![1]));
}

#[test]
fn one_bracket_may_cite_all_sources() {
    let all: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
    assert_eq!(filtered(50, &format!("a [{}].", all.join(", "))).1.len(), 50);
    let longer = format!("a [{}].", "1 ".repeat(101));
    assert_eq!(filtered(1, &longer), (longer, vec![]));
}

#[test]
fn other_brackets_are_text() {
    for text in ["[nota] x", "a [", "a [1", "[ ]", "x[1.5]", "[]", "[[1x]]", "ñ [é", " [ [", "end  "] {
        assert_eq!(filtered(3, text), (text.to_owned(), vec![]), "{text}");
    }
}

#[test]
fn a_hostile_range_is_limited_to_the_sources() {
    assert_eq!(filtered(2, "[1-4294967295]").1, [1, 2]);
    assert_eq!(filtered(2, "[99999999999999999999]").0, "");
}
