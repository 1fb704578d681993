use super::*;

pub fn cells(texts: &[&str]) -> Cells {
    let numbered = texts.iter().enumerate().map(|(column, text)| (column, (*text).to_owned()));
    numbered.filter(|(_, text)| !text.is_empty()).collect()
}

#[test]
fn cells_are_named_by_their_header() {
    let mut header = Header::default();
    header.add(&cells(&["Code", "Quantity", "Quantity", ""]));
    header.add(&cells(&["Code", "planned", "done", ""]));
    assert_eq!(header.line(&cells(&["P-1", "", "3", "loose"])), "Code: P-1; Quantity done: 3; loose");
}

#[test]
fn a_row_without_a_header_is_label_and_value() {
    let line = |texts: &[&str]| plain(&cells(texts));
    assert_eq!(line(&["Proyecto", "Torre Norte"]), "Proyecto: Torre Norte");
    assert_eq!(line(&["Proyecto:", "Torre", "Fecha:", "12-11-2026"]), "Proyecto: Torre; Fecha: 12-11-2026");
    assert_eq!(line(&["1", "2", "3"]), "1; 2; 3");
}

#[test]
fn headers_are_distinguished_from_figures() {
    assert!(looks_like_header(&cells(&["Código", "Avance %", "2026"])));
    assert!(!looks_like_header(&cells(&["Hormigón", "1.200,50", "m3"])));
    assert!(!looks_like_header(&cells(&["Fecha:", "Lugar"])));
    assert!(!looks_like_header(&cells(&["igual", "igual"])));
    assert!(!looks_like_header(&cells(&["2025", "2026"])));
    for figure in ["12-11-2026", "1.200,5", "35 %", "$ 4,500.00", "08:30"] {
        assert!(is_figure(figure), "{figure}");
    }
    assert!(!is_figure("P-01") && !is_figure("---"));
}

#[test]
fn the_rows_of_a_header_are_bounded() {
    let mut table = Table::default();
    let lines: Vec<String> =
        (0..1_000).filter_map(|n| table.row(cells(&[&format!("a{n}"), "b"]), RowRole::Header)).collect();
    assert_eq!(lines.len(), 1_000 - DEEPEST_HEADER);
    assert_eq!(lines[0], "a0 a1 a2 a3: a4; b");
}

#[test]
fn a_header_without_rows_is_text() {
    let mut table = Table::default();
    assert_eq!(table.row(cells(&["a", "b", "c"]), RowRole::Unknown), None);
    assert_eq!(table.finish(), ["a; b; c"]);

    let mut table = Table::default();
    assert_eq!(table.row(cells(&["a", "b", "c"]), RowRole::Unknown), None);
    assert_eq!(table.row(cells(&["1", "2", "3"]), RowRole::Data).unwrap(), "a: 1; b: 2; c: 3");
    assert_eq!(table.row(cells(&["a", "b", "c"]), RowRole::Unknown), None);
    assert!(table.finish().is_empty());
}
