use super::BlockKind::{Heading, ListItem, Paragraph, TableRow};
use super::*;

fn of(html: &str) -> Vec<(BlockKind, String)> {
    let extracted = read(html.as_bytes(), &Limits::default()).unwrap();
    extracted.blocks.into_iter().map(|block| (block.kind, block.text)).collect()
}

fn owned(blocks: &[(BlockKind, &str)]) -> Vec<(BlockKind, String)> {
    blocks.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect()
}

#[test]
fn only_visible_text_is_read() {
    let html = "<html><head><title>Pliego</title><meta name=Author content='A. Gil'><meta name=date content=2026-03-01>
        <style>p{}</style></head><body><nav>Inicio</nav><h1>Pliego <em>técnico</em></h1><p>Uno<br>dos &ntilde;
        tres<script>x()</script></p><ul><li>a<ul><li>b</li></ul></li><li>c</ul><p hidden>no</p>
        <div style='display: none'>no</div>suelto<pre>a
 b</pre><h2>Tabla</h2>
        <table><tr><th>Sala</th><th>Área</th></tr><tr><td>A</td><td><p>20</p> m<sup>2</sup></td></tr></table></body></html>";
    assert_eq!(
        of(html),
        owned(&[
            (Heading(1), "Pliego técnico"),
            (Paragraph, "Uno\ndos ñ tres"),
            (ListItem, "a"),
            (ListItem, "b"),
            (ListItem, "c"),
            (Paragraph, "suelto"),
            (Paragraph, "a\nb"),
            (Heading(2), "Tabla"),
            (TableRow, "Sala: A; Área: 20 m2"),
        ])
    );
    let metadata = read(html.as_bytes(), &Limits::default()).unwrap().metadata;
    assert_eq!((metadata.title.as_str(), metadata.author.as_str()), ("Pliego", "A. Gil"));
    assert!(metadata.date.is_some());
}

#[test]
fn layout_tables_are_text_and_unmarked_headers_are_found() {
    assert_eq!(of("<table><tr><td><p>uno<p>dos</table>"), owned(&[(Paragraph, "uno"), (Paragraph, "dos")]));
    assert_eq!(
        of("<table><tr><td>x<table><tr><td>Cota<td>Nivel<td>Eje<tr><td>1<td>2<td>A</table></table>"),
        owned(&[(Paragraph, "x"), (TableRow, "Cota: 1; Nivel: 2; Eje: A")])
    );
    assert_eq!(
        of("<table><tr><td>1<td>2<td>3<tr><td>4<td>5<td>6</table>"),
        owned(&[(TableRow, "1; 2; 3"), (TableRow, "4; 5; 6")])
    );
}

#[test]
fn a_merged_cell_counts_in_all_its_rows_and_columns() {
    let table = "<table><caption>Tareas <b>por</b> piso</caption>
        <tr><th rowspan=2>Piso</th><th colspan=2>Horas</th><th rowspan=2>Tarea</th></tr><tr><th>plan</th><th>real</th></tr>
        <tr><td rowspan=2>7</td><td>10</td><td>9</td><td>losa</td></tr><tr><td colspan=2>pendiente</td><td>muro</td></tr>
        <tr><td>8</td><td></td><td>1</td><td>viga</td></tr></table>";
    assert_eq!(
        of(table),
        owned(&[
            (Paragraph, "Tareas por piso"),
            (TableRow, "Piso: 7; Horas plan: 10; Horas real: 9; Tarea: losa"),
            (TableRow, "Piso: 7; Horas plan: pendiente; Tarea: muro"),
            (TableRow, "Piso: 8; Horas real: 1; Tarea: viga"),
        ])
    );
    // A cell ends with its group of rows, and no attribute makes the table larger than the limits.
    let spans =
        "<table><tbody><tr><td rowspan=0>1<td colspan=99999999999>2<td colspan=5000>3<td rowspan=4000000000>4
        <tr><td>5<tbody><tr><td>6<td>7</table>";
    assert_eq!(of(spans), owned(&[(TableRow, "1; 2; 3; 4"), (TableRow, "1; 5; 4"), (TableRow, "6: 7")]));
    let long = format!(
        "<table><tr><td rowspan=60000>{}<td>x{}</table>",
        "muy largo ".repeat(10_000),
        "<tr><td>x".repeat(5_000)
    );
    assert!(matches!(read(long.as_bytes(), &Limits::default()), Err(Error::TooLarge { .. })));
}

#[test]
fn only_blocks_and_line_breaks_separate_words_in_a_cell() {
    let table = "<table><tr><td>P<b>-02</b></td><td>uno<br>dos<div>tres</div>cuatro<p>cinco</p><span>seis</span></td></tr></table>";
    assert_eq!(of(table), owned(&[(TableRow, "P-02: uno dos tres cuatro cinco seis")]));
}

#[test]
fn powers_are_marked() {
    for (html, expected) in [
        ("10<sup>6</sup>", "10^6"),
        ("10<sup>−6</sup> m", "10^−6 m"),
        ("25<sup><a href=x>1</a></sup>", "25^1"),
        ("20 m<sup>2</sup>", "20 m2"),
        ("1<sup>er</sup> piso", "1er piso"),
        ("5<sup></sup>6", "56"),
    ] {
        assert_eq!(of(&format!("<p>{html}</p>")), owned(&[(Paragraph, expected)]));
        let table = format!("<table><tr><td>Valor<td>{html}</table>");
        assert_eq!(of(&table), [(TableRow, format!("Valor: {expected}"))]);
    }
}

#[test]
fn deeply_nested_markup_is_read_or_refused_in_bounded_time() {
    assert!(matches!(
        read("<div>".repeat(100_000).as_bytes(), &Limits::default()),
        Err(Error::TooLarge { .. })
    ));
    for unit in
        ["<p>", "<li>", "<table><tr><td>x</table>", "<b></b>", "<", "</", "<!--", "&amp", "<p hidden>"]
    {
        let start = std::time::Instant::now();
        // The markup may be read or refused, but in bounded time.
        let _ = read(unit.repeat(20_000).as_bytes(), &Limits::default());
        assert!(start.elapsed().as_secs() < 30, "{unit} took {:?}", start.elapsed());
    }
}
