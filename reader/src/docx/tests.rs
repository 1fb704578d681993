mod pages;
mod tables;
mod text;

use super::{
    super::{Block, BlockKind, Limits, mutations, zip::tests::pack},
    *,
};

const STYLES: &str = r#"<w:styles>
    <w:style w:styleId="Ttulo1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
    <w:style w:styleId="Ttulo2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
    <w:style w:styleId="Puesto"><w:name w:val="Title"/></w:style>
    <w:style w:styleId="TDC1"><w:name w:val="toc 1"/></w:style>
    <w:style w:styleId="Rejilla" w:type="table"><w:tblStylePr w:type="firstRow"/></w:style></w:styles>"#;

const NUMBERING: &str = r#"<w:numbering><w:abstractNum w:abstractNumId="0">
    <w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
    <w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>
    <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
    <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num></w:numbering>"#;

const NOTES: &str = r#"<w:footnotes><w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>
    <w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t xml:space="preserve"> Según NCh 170.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;

fn build(body: &str) -> Vec<u8> {
    build_with(body, &[])
}

/// Builds a document; `more` has further parts, each with the kind of its link.
fn build_with(body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let document = format!("<?xml version=\"1.0\"?><w:document><w:body>{body}</w:body></w:document>");
    let link = |id: usize, kind: &str, target: &str| {
        format!("<Relationship Id=\"rId{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
    };
    let package =
        format!("<Relationships>{}</Relationships>", link(1, "officeDocument", "word/document.xml"));
    let mut links = [
        link(1, "styles", "styles.xml"),
        link(2, "numbering", "numbering.xml"),
        link(3, "footnotes", "/word/footnotes.xml"),
    ]
    .concat();
    let mut named = Vec::new();
    for (n, (kind, part)) in more.iter().enumerate() {
        links += &link(n + 4, kind, &format!("more{n}.xml"));
        named.push((format!("word/more{n}.xml"), part.as_bytes()));
    }
    let links = format!("<Relationships>{links}</Relationships>");
    let mut parts = vec![
        ("_rels/.rels", package.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", links.as_bytes()),
        ("word/styles.xml", STYLES.as_bytes()),
        ("word/numbering.xml", NUMBERING.as_bytes()),
        ("word/footnotes.xml", NOTES.as_bytes()),
    ];
    parts.extend(named.iter().map(|(name, part)| (name.as_str(), *part)));
    pack(&parts)
}

fn blocks(body: &str) -> Vec<Block> {
    read(&build(body), &Limits::default()).unwrap().blocks
}

fn texts(body: &str) -> Vec<String> {
    blocks(body).into_iter().map(|block| block.text).collect()
}

fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

fn styled(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

fn table(properties: &str, rows: &[&[&str]]) -> String {
    let cell = |text: &&str| {
        if text.starts_with('<') {
            format!("<w:tc>{text}</w:tc>")
        } else {
            format!("<w:tc>{}</w:tc>", p(text))
        }
    };
    let row = |cells: &&[&str]| format!("<w:tr>{}</w:tr>", cells.iter().map(cell).collect::<String>());
    format!("<w:tbl><w:tblPr>{properties}</w:tblPr>{}</w:tbl>", rows.iter().map(row).collect::<String>())
}

#[test]
fn the_sample_is_read() {
    let extracted = read(&mutations::sample("acta-reunion-de-obra-41.docx"), &Limits::default()).unwrap();
    let metadata = &extracted.metadata;
    assert_eq!(metadata.title, "Acta de reunión de obra N.º 41");
    assert_eq!(metadata.author, "Lorena Pizarro");
    assert_eq!(metadata.date.unwrap().to_rfc3339(), "2026-11-01T12:00:00+00:00");
    assert_eq!(metadata.pages, 0);
    let has = |kind: BlockKind, text: &str| {
        assert!(
            extracted.blocks.contains(&Block { kind, text: text.to_owned(), page: None }),
            "{text}\n{:#?}",
            extracted.blocks
        );
    };
    has(BlockKind::Heading(1), "Asistentes");
    has(
        BlockKind::TableRow,
        "Nombre: Marcela Rivas; Empresa: Constructora Andamar; Cargo: Administradora de obra",
    );
    has(
        BlockKind::ListItem,
        "Se rechazaron dos camiones de hormigón el 5 de noviembre por llegar con 33 °C.",
    );
    assert!(!extracted.blocks.iter().any(|block| block.text == "Nombre; Empresa; Cargo"));
}

#[test]
fn other_prefixes_and_missing_parts_are_accepted() {
    let document = "<x:document><x:body><x:p><x:r><x:t>sin estilos</x:t></x:r></x:p></x:body></x:document>";
    let packed = pack(&[("word/document.xml", document.as_bytes())]);
    assert_eq!(read(&packed, &Limits::default()).unwrap().blocks[0].text, "sin estilos");
}

#[test]
fn unreadable_files_are_refused() {
    let limits = Limits::default();
    assert!(matches!(read(b"plain text", &limits), Err(Error::Damaged(_))));
    assert!(matches!(read(&pack(&[("a.txt", b"b")]), &limits), Err(Error::Damaged(_))));

    let sample = mutations::sample("acta-reunion-de-obra-41.docx");
    assert!(matches!(read(&sample[..sample.len() / 2], &limits), Err(Error::Damaged(_))));
    let cut = pack(&[("word/document.xml", b"<w:document><w:body><w:p><w:r><w:t>text</w:t>")]);
    assert!(matches!(read(&cut, &limits), Err(Error::Damaged(_))));
}

#[test]
fn files_over_the_limits_are_refused() {
    let limits = Limits::default();
    let too_large = |body: &str, limits: &Limits| {
        let outcome = read(&build(body), limits);
        assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
    };
    too_large(&"<w:sdt>".repeat(100_000), &limits);
    too_large(&format!("<w:tbl><w:tr>{}</w:tr></w:tbl>", "<w:tc/>".repeat(1_000_000)), &limits);
    let wide =
        "<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"4000000000\"/></w:tcPr></w:tc><w:tc/></w:tr></w:tbl>";
    too_large(wide, &limits);
    too_large(&"<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>".repeat(20_000), &limits);
    too_large(&p(&"texto ".repeat(1_000)), &Limits { text_bytes: 1_000, ..Limits::default() });
    // A long merged cell with many short rows: the file is small, but its text is large.
    let row = |merge: &str, text: &str| {
        format!("<w:tr><w:tc><w:tcPr>{merge}</w:tcPr>{}</w:tc><w:tc>{}</w:tc></w:tr>", p(text), p("x"))
    };
    let first = row("<w:vMerge w:val=\"restart\"/>", &"muy largo ".repeat(2_000));
    let body = format!("<w:tbl>{first}{}</w:tbl>", row("<w:vMerge/>", "").repeat(5_000));
    too_large(&body, &limits);
}

#[test]
fn damaged_files_do_not_panic() {
    let sample = mutations::sample("acta-reunion-de-obra-41.docx");
    mutations::survives(read, &sample, 200);
    mutations::survives_garbage(read, &sample);
    let nested = table("", &[&[&table("", &[&["a", "b"]]), "c"]]);
    let rich = build(&[styled("Ttulo1", "uno"), nested, p("dos")].concat());
    mutations::survives_inside(read, &rich, 500);
}
