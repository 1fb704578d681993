use super::{
    super::{Block, BlockKind, Limits, mutations, ole, zip::tests::pack},
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
    let document = format!("<?xml version=\"1.0\"?><w:document><w:body>{body}</w:body></w:document>");
    let link = |id: u8, kind: &str, target: &str| {
        format!("<Relationship Id=\"rId{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
    };
    let package =
        format!("<Relationships>{}</Relationships>", link(1, "officeDocument", "word/document.xml"));
    let links = [
        link(1, "styles", "styles.xml"),
        link(2, "numbering", "numbering.xml"),
        link(3, "footnotes", "/word/footnotes.xml"),
    ];
    let links = format!("<Relationships>{}</Relationships>", links.concat());
    pack(&[
        ("_rels/.rels", package.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", links.as_bytes()),
        ("word/styles.xml", STYLES.as_bytes()),
        ("word/numbering.xml", NUMBERING.as_bytes()),
        ("word/footnotes.xml", NOTES.as_bytes()),
    ])
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
fn headings_and_list_items_have_their_numbers() {
    let body = [
        styled("Puesto", "Bases técnicas"),
        styled("TDC1", "1. Alcance 3"),
        styled("Ttulo1", "Alcance"),
        styled("Ttulo2", "Obras"),
        styled("Ttulo2", "Plazos"),
        styled("Ttulo1", "Hormigón"),
        "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"2\"/></w:numPr></w:pPr><w:r><w:t>punto</w:t></w:r></w:p>".to_owned(),
        "<w:p><w:pPr><w:outlineLvl w:val=\"2\"/></w:pPr><w:r><w:t>Directo</w:t></w:r></w:p>".to_owned(),
    ];
    let found: Vec<(BlockKind, String)> =
        blocks(&body.concat()).into_iter().map(|block| (block.kind, block.text)).collect();
    let expected = [
        (BlockKind::Heading(1), "Bases técnicas"),
        (BlockKind::Heading(1), "1. Alcance"),
        (BlockKind::Heading(2), "1.1 Obras"),
        (BlockKind::Heading(2), "1.2 Plazos"),
        (BlockKind::Heading(1), "2. Hormigón"),
        (BlockKind::ListItem, "punto"),
        (BlockKind::Heading(3), "Directo"),
    ];
    assert_eq!(found, expected.map(|(kind, text)| (kind, text.to_owned())));
    assert_eq!(read(&build(&body.concat()), &Limits::default()).unwrap().metadata.title, "Bases técnicas");
}

#[test]
fn the_text_is_what_word_shows() {
    assert_eq!(
        texts(
            "<w:p><w:r><w:t xml:space=\"preserve\">uno </w:t></w:r><w:r><w:t>dos</w:t><w:tab/><w:t>tres</w:t><w:br/>\
             <w:t>A&amp;B</w:t><w:noBreakHyphen/><w:t>C</w:t></w:r></w:p>"
        ),
        ["uno dos tres\nA&B-C"]
    );
    let formula = "<m:oMath><m:sSup><m:e><m:r><m:t>10</m:t></m:r></m:e><m:sup><m:r><m:t>-6</m:t></m:r></m:sup></m:sSup></m:oMath>";
    assert_eq!(texts(&format!("<w:p>{formula}</w:p>")), ["10^-6"]);
    // Only visible text is read: no text that a tracked change deleted or moved, no hidden text, no field
    // codes and no prompts.
    assert_eq!(
        texts(
            "<w:p><w:ins><w:r><w:t>queda</w:t></w:r></w:ins><w:del><w:r><w:delText>no</w:delText></w:r></w:del>\
             <w:moveFrom><w:r><w:t>no</w:t></w:r></w:moveFrom><w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r>\
             <w:r><w:instrText>PAGE</w:instrText></w:r></w:p>\
             <w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>Escriba aquí</w:t></w:r></w:p></w:sdtContent></w:sdt>\
             <w:sdt><w:sdtContent><w:p><w:r><w:t>escrito</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        ),
        ["queda", "escrito"]
    );
}

#[test]
fn text_boxes_are_read_once_after_their_paragraph() {
    let text_box = p("en el cuadro");
    let body = format!(
        "<w:p><w:r><w:t>antes </w:t></w:r><w:r><mc:AlternateContent><mc:Choice Requires=\"wps\"><w:drawing>\
         <w:txbxContent>{text_box}</w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent>{text_box}\
         </w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r><w:r><w:t>después</w:t></w:r></w:p>"
    );
    assert_eq!(texts(&body), ["antes después", "en el cuadro"]);
}

#[test]
fn notes_follow_their_paragraph() {
    let body = "<w:p><w:r><w:t>Hormigón G30</w:t></w:r><w:r><w:footnoteReference w:id=\"2\"/></w:r></w:p><w:p><w:r><w:t>fin</w:t></w:r></w:p>";
    assert_eq!(texts(body), ["Hormigón G30", "Según NCh 170.", "fin"]);
}

#[test]
fn pages_are_known_only_if_the_file_records_them() {
    assert!(blocks(&[p("uno"), p("dos")].concat()).iter().all(|block| block.page.is_none()));

    let made = "<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>";
    let noted = |text: &str| format!("<w:p><w:r><w:lastRenderedPageBreak/><w:t>{text}</w:t></w:r></w:p>");
    let before = "<w:p><w:pPr><w:pageBreakBefore/></w:pPr><w:r><w:t>cuatro</w:t></w:r></w:p>";
    // The author's break and the break that Word recorded at the same place are one.
    let body =
        [p("uno"), made.to_owned(), noted("dos"), noted("tres"), before.to_owned(), p("cuatro bis")].concat();
    let extracted = read(&build(&body), &Limits::default()).unwrap();
    let pages: Vec<Option<u32>> = extracted.blocks.iter().map(|block| block.page).collect();
    assert_eq!(pages, [1, 2, 3, 4, 4].map(Some));
    assert_eq!(extracted.metadata.pages, 4);
}

#[test]
fn a_page_break_inside_a_paragraph_ends_the_block() {
    let broken = "<w:p><w:pPr><w:pStyle w:val=\"Ttulo1\"/></w:pPr><w:r><w:t>Fin de sección.</w:t><w:br w:type=\"page\"/>\
        <w:t>Capítulo</w:t></w:r></w:p>";
    let last = "<w:p><w:r><w:t>queda</w:t><w:br w:type=\"page\"/></w:r></w:p>";
    let found: Vec<(String, Option<u32>)> = blocks(&[broken, last, &styled("Ttulo1", "Otro")].concat())
        .into_iter()
        .map(|block| (block.text, block.page))
        .collect();
    let expected = [("1. Fin de sección.", 1), ("Capítulo", 2), ("queda", 2), ("2. Otro", 3)];
    assert_eq!(found, expected.map(|(text, page)| (text.to_owned(), Some(page))));
}

#[test]
fn a_row_across_two_pages_counts_one_page_break() {
    let broken =
        "<w:p><w:r><w:t>a</w:t></w:r></w:p><w:p><w:r><w:lastRenderedPageBreak/><w:t>b</w:t></w:r></w:p>";
    let body = [table("", &[&["x", "y"], &[broken, broken], &["m", "n"]]), p("fin")].concat();
    let found: Vec<(String, Option<u32>)> =
        blocks(&body).into_iter().map(|block| (block.text, block.page)).collect();
    let expected = [("x: y", 1), ("a b: a b", 1), ("m: n", 2), ("fin", 2)];
    assert_eq!(found, expected.map(|(text, page)| (text.to_owned(), Some(page))));
}

#[test]
fn rows_keep_their_header() {
    let rows: [&[&str]; 3] = [&["Código", "Nombre", "Piso"], &["P-1", "Puerta", ""], &["P-2", "", "7"]];
    assert_eq!(texts(&table("", &rows)), ["Código: P-1; Nombre: Puerta", "Código: P-2; Piso: 7"]);
    // A first row of two columns is a header only if the document marks it.
    let rows: [&[&str]; 2] = [&["Código", "Nombre"], &["P-1", "Puerta"]];
    assert_eq!(texts(&table("", &rows)), ["Código: Nombre", "P-1: Puerta"]);
    let marked = "<w:tblStyle w:val=\"Rejilla\"/><w:tblLook w:val=\"04A0\"/>";
    assert_eq!(texts(&table(marked, &rows)), ["Código: P-1; Nombre: Puerta"]);
    let bold = |text: &str| format!("<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>{text}</w:t></w:r></w:p>");
    let (code, name) = (bold("Código"), bold("Nombre"));
    assert_eq!(texts(&table("", &[&[&code, &name], &["P-1", "Puerta"]])), ["Código: P-1; Nombre: Puerta"]);
}

#[test]
fn a_merged_cell_counts_in_all_its_rows_and_columns() {
    let header = "<w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc><w:p><w:r><w:t>Piso</w:t></w:r></w:p></w:tc>\
        <w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr><w:p><w:r><w:t>Cantidad</w:t></w:r></w:p></w:tc></w:tr>\
        <w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>plan</w:t></w:r></w:p></w:tc>\
        <w:tc><w:p><w:r><w:t>real</w:t></w:r></w:p></w:tc></w:tr>";
    let down = |merge: &str, text: &str| {
        format!("<w:tc><w:tcPr>{merge}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>")
    };
    let rows = [
        format!("<w:tr>{}<w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>", down("<w:vMerge w:val=\"restart\"/>", "7"), p("10"), p("9")),
        format!("<w:tr>{}<w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>", down("<w:vMerge/>", ""), p("20"), p("18")),
        "<w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>borrada</w:t></w:r></w:p></w:tc></w:tr>".to_owned(),
    ];
    assert_eq!(
        texts(&format!("<w:tbl>{header}{}</w:tbl>", rows.concat())),
        ["Piso: 7; Cantidad plan: 10; Cantidad real: 9", "Piso: 7; Cantidad plan: 20; Cantidad real: 18"]
    );
}

#[test]
fn nested_tables_and_frames_are_read() {
    // A frame around ordinary text is not a table.
    let framed = format!("{}{}", styled("Ttulo1", "Dentro"), p("texto"));
    assert_eq!(texts(&table("", &[&[&framed]])), ["1. Dentro", "texto"]);
    let inner = table("", &[&["a", "b", "c"], &["1", "2", "3"]]);
    let outer = table("", &[&[&inner, "al lado"]]);
    assert_eq!(texts(&outer), ["a: 1; b: 2; c: 3", "al lado"]);
    // A title above the table is not its header.
    let rows: [&[&str]; 3] = [&["PUERTAS"], &["Tipo", "Hoja", "Piso"], &["P", "900", "1"]];
    assert_eq!(texts(&table("", &rows)), ["PUERTAS", "Tipo: P; Hoja: 900; Piso: 1"]);
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
    let encrypted = ole::tests::build(&[("/EncryptedPackage", b"x"), ("/EncryptionInfo", b"y")]);
    assert_eq!(read(&encrypted, &limits), Err(Error::PasswordProtected));
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
