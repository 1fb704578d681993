//! Decides whether a dot ends an abbreviation or a sentence.

use crate::fold::fold;
use crate::stop_words;

/// Abbreviations that never end a sentence: titles, and words before a name or a number.
const ANNOUNCING: &[&str] = &[
    "apdo", "approx", "aprox", "arq", "art", "arts", "atte", "av", "avda", "cap", "caps", "cf", "cra",
    "ctra", "dept", "depto", "dna", "dpto", "dr", "dra", "dres", "dto", "dwg", "ej", "excmo", "expte", "fig",
    "figs", "gral", "hnos", "ing", "ings", "lic", "mr", "mrs", "ms", "mtro", "nos", "num", "nums", "obs",
    "pag", "pags", "pp", "prof", "pza", "ref", "refs", "res", "rev", "sec", "sr", "sra", "sras", "sres",
    "srta", "sta", "sto", "tab", "tel", "tfno", "ud", "vid", "viz", "vol", "vols", "vs",
];

/// Abbreviations before a figure ("no. 5", "máx. 3", "ord. N° 12"). Without a figure after them they may end a sentence.
const BEFORE_FIGURES: &[&str] = &[
    "c", "cl", "d", "ed", "eq", "eqs", "ex", "ext", "max", "min", "n", "no", "nro", "of", "ord", "p", "par",
    "pos", "prel", "t", "v",
];

/// The longest word that is looked up in the lists, in bytes.
const LONGEST: usize = 12;

/// Whether the sentence continues after `before`, which ends with a dot.
pub(super) fn continues_after_dot(before: &str, after: &str) -> bool {
    let stem = before.strip_suffix('.').unwrap_or(before);
    let word = stem.rsplit(|c: char| c.is_whitespace() || "([{«“\"'/¿¡".contains(c)).next().unwrap_or(stem);
    if word.is_empty() || word.len() > LONGEST {
        return false;
    }
    let folded = fold(word);
    let is_in = |list: &[&str]| list.binary_search(&folded.as_str()).is_ok();
    let figure = after.strip_prefix(['N', 'n']).filter(|rest| rest.starts_with(['º', '°'])).unwrap_or(after);
    let next_is_figure =
        figure.trim_start_matches(['º', 'ª', '°', ' ']).starts_with(|c: char| c.is_ascii_digit());
    is_in(ANNOUNCING)
        || is_in(BEFORE_FIGURES) && next_is_figure
        // "et al.", "p. ej." and "i.e." continue in lower case, where Unicode sees no boundary.
        || is_initials(word) && !starts_with_stop_word(after) && after.starts_with(char::is_alphabetic)
}

/// Whether a word consists of initials: "J", "S.A", "EE.UU".
fn is_initials(word: &str) -> bool {
    let capitals =
        |group: &str| (1..=2).contains(&group.chars().count()) && group.chars().all(char::is_uppercase);
    (word.contains('.') || word.chars().count() == 1) && word.split('.').all(capitals)
}

/// Whether a sentence begins here. Sentences often begin with a stop word ("Bloque B. El hormigón"), names do not.
fn starts_with_stop_word(after: &str) -> bool {
    let word = after.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    if word.chars().count() == 1 && after[word.len()..].starts_with('.') {
        return false; // another initial
    }
    stop_words::contains_any(&fold(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_for_binary_search() {
        assert!(ANNOUNCING.is_sorted() && BEFORE_FIGURES.is_sorted());
    }
}
