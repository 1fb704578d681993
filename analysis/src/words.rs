//! Splits a folded text into words and numbers.

/// Units that may follow a figure without a space ("20mm"). Figure and unit are then two words, as in "20 mm".
const UNITS: &[&str] = &[
    "bar", "cm", "cm2", "cm3", "dm", "ft", "g", "h", "ha", "hp", "hz", "in", "kg", "km", "kn", "kpa", "kv",
    "kva", "kw", "kwh", "l", "lb", "m", "m2", "m3", "mg", "min", "ml", "mm", "mm2", "mpa", "mw", "n", "pa",
    "psi", "s", "t", "v", "w",
];

/// Returns the words of a text from [`fold`](crate::fold::fold): runs of letters and digits. Figures get one form
/// ("1.234,50", "1,234.50" and "1234.50" are the same word).
pub(crate) fn words(folded: &str) -> impl Iterator<Item = String> + '_ {
    runs(folded).flat_map(|run| {
        let (figure, unit) = split_figure(run);
        let unit = (!unit.is_empty()).then(|| unit.to_owned());
        figure.map(figures).unwrap_or_default().into_iter().chain(unit)
    })
}

/// Whether a run such as "20mm" or "3.5kg" is a figure with its unit, and not a name.
pub(crate) fn is_quantity(run: &str) -> bool {
    matches!(split_figure(run), (Some(_), _))
}

/// Returns the runs of letters and digits. A '.' or ',' between two digits belongs to the run.
fn runs(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        rest = &rest[rest.find(char::is_alphanumeric)?..];
        let is_digit = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        let joins = |at, c| matches!(c, '.' | ',') && is_digit(at - 1) && is_digit(at + 1);
        let end = rest.char_indices().find(|(at, c)| !c.is_alphanumeric() && !joins(*at, *c));
        let (run, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(run)
    })
}

/// Splits a run into figure and unit: "20mm" into "20" and "mm". "20" has no unit; "mm", "p101" and "20th" are words.
fn split_figure(run: &str) -> (Option<&str>, &str) {
    let figure_end = run.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(run.len());
    let (figure, unit) = run.split_at(figure_end);
    if !figure.is_empty() && (unit.is_empty() || UNITS.binary_search(&unit).is_ok()) {
        (Some(figure), unit)
    } else {
        (None, run)
    }
}

/// Returns one figure without thousands separators and with a decimal point, or the figures of a list with commas.
fn figures(run: &str) -> Vec<String> {
    let Some(last) = run.rfind(['.', ',']) else { return vec![run.to_owned()] };
    let groups: Vec<&str> = run.split(['.', ',']).collect();
    let grouped = |groups: &[&str]| {
        matches!(groups[0].len(), 1..=3)
            && groups[0] != "0"
            && groups[1..].iter().all(|group| group.len() == 3)
    };
    let separators = run.bytes().filter(|b| matches!(b, b'.' | b',')).collect::<Vec<_>>();
    let uniform = separators.windows(2).all(|pair| pair[0] == pair[1]);
    if uniform && grouped(&groups) {
        return vec![groups.concat()];
    }
    let whole = &groups[..groups.len() - 1];
    let whole_is_uniform = separators[..separators.len() - 1].windows(2).all(|pair| pair[0] == pair[1]);
    if separators.len() == 1 || (!uniform && whole_is_uniform && grouped(whole)) {
        return vec![format!("{}.{}", whole.concat(), &run[last + 1..])];
    }
    if separators.iter().all(|b| *b == b'.') {
        return vec![run.to_owned()]; // a section number such as 3.2.1
    }
    run.split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).collect()
    }

    #[test]
    fn every_other_character_separates_words() {
        assert_eq!(of("la losa, l'eau; a_b (c) – d."), ["la", "losa", "l", "eau", "a", "b", "c", "d"]);
        assert_eq!(of(" … "), Vec::<String>::new());
    }

    #[test]
    fn a_figure_has_one_form() {
        for typed in ["1.234,50", "1,234.50", "1234.50", "1234,50"] {
            assert_eq!(of(typed), ["1234.50"], "{typed}");
        }
        for typed in ["10.000.000", "10,000,000", "10000000"] {
            assert_eq!(of(typed), ["10000000"], "{typed}");
        }
        assert_eq!(of("0,125 y 0.125"), ["0.125", "y", "0.125"]);
        assert_eq!(of("3.2.1"), ["3.2.1"]);
        assert_eq!(of("1,2,3."), ["1", "2", "3"]);
    }

    #[test]
    fn a_unit_is_its_own_word() {
        assert_eq!(of("20mm de 3.5kg, 20 mm"), ["20", "mm", "de", "3.5", "kg", "20", "mm"]);
        assert_eq!(of("p101 2x4 1st"), ["p101", "2x4", "1st"]);
        assert!(UNITS.is_sorted());
    }
}
