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
            (TableRow, "Sala: A; Área: 20 m 2"),
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
