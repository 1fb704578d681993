use super::*;

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
fn a_deleted_list_item_has_no_number() {
    let item = |mark: &str, run: &str| {
        let list = "<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr>";
        format!("<w:p><w:pPr>{list}<w:rPr>{mark}</w:rPr></w:pPr>{run}</w:p>")
    };
    let text = |text: &str| item("<w:b/>", &format!("<w:r><w:t>{text}</w:t></w:r>"));
    let deleted = item("<w:del/>", "<w:del><w:r><w:delText>no</w:delText></w:r></w:del>");
    assert_eq!(texts(&[text("uno"), deleted, text("dos")].concat()), ["1. uno", "2. dos"]);
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
fn symbols_and_powers_are_kept() {
    let symbol = |font: &str, code: &str| format!("<w:r><w:sym w:font=\"{font}\" w:char=\"{code}\"/></w:r>");
    let symbols =
        [symbol("Wingdings", "F0FE"), symbol("Symbol", "F0B3"), symbol("Webdings", "F061")].concat();
    assert_eq!(texts(&format!("<w:p>{symbols}<w:r><w:t>5 kN</w:t></w:r></w:p>")), ["☑≥5 kN"]);
    let raised = |base: &str, raised: &str| {
        let raise = "<w:rPr><w:vertAlign w:val=\"superscript\"/></w:rPr>";
        let raised: String = raised.chars().map(|c| format!("<w:r>{raise}<w:t>{c}</w:t></w:r>")).collect();
        texts(&format!("<w:p><w:r><w:t>{base}</w:t></w:r>{raised}</w:p>")).concat()
    };
    assert_eq!(
        [raised("10", "12"), raised("10", "−6"), raised("m", "2"), raised("1", "er")],
        ["10^12", "10^−6", "m2", "1er"]
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
fn a_diagram_follows_its_paragraph() {
    let point = |text: &str| {
        format!("<dgm:pt><dgm:t><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>")
    };
    let points = [point("Excavar"), point("Armar")].concat();
    let data = format!("<dgm:dataModel><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>");
    let refers = "<w:r><w:drawing><a:graphicData><dgm:relIds r:dm=\"rId4\" r:lo=\"rId9\"/></a:graphicData></w:drawing></w:r>";
    let body = format!("<w:p><w:r><w:t>Secuencia</w:t></w:r>{refers}</w:p>{}", p("fin"));
    let packed = build_with(&body, &[("diagramData", data.as_str())]);
    let blocks = read(&packed, &Limits::default()).unwrap().blocks;
    let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts, ["Secuencia", "Excavar\nArmar", "fin"]);
}

#[test]
fn comments_follow_their_paragraph_with_their_author() {
    let comments = format!(
        "<w:comments><w:comment w:id=\"0\" w:author=\"Ana Gil\">{}{}</w:comment>\
         <w:comment w:id=\"1\" w:author=\"Ana Gil\"><w:p/></w:comment></w:comments>",
        p("Falta la"),
        p("cota.")
    );
    let refers = |id: u8| format!("<w:r><w:commentReference w:id=\"{id}\"/></w:r>");
    let body = format!("<w:p><w:r><w:t>Muro M-1</w:t></w:r>{}{}</w:p>{}", refers(0), refers(1), p("fin"));
    let packed = build_with(&body, &[("comments", comments.as_str())]);
    let blocks = read(&packed, &Limits::default()).unwrap().blocks;
    let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts, ["Muro M-1", "Ana Gil: Falta la cota.", "fin"]);
}

#[test]
fn comments_on_cells_follow_the_table() {
    let comment = format!("<w:comment w:id=\"0\" w:author=\"Ana Gil\">{}</w:comment>", p("revisar"));
    let comments = format!("<w:comments>{comment}</w:comments>");
    let width = "<w:p><w:r><w:t>Ancho</w:t><w:commentReference w:id=\"0\"/></w:r></w:p>";
    let rows: [&[&str]; 3] = [&["Código", width, "Piso"], &["P-1", "900", "7"], &["P-2", "800", "8"]];
    let outer = table("", &[&[&table("", &rows), "al lado"]]);
    let packed = build_with(&[outer, p("fin")].concat(), &[("comments", comments.as_str())]);
    let blocks = read(&packed, &Limits::default()).unwrap().blocks;
    let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
    let expected = [
        "Código: P-1; Ancho: 900; Piso: 7",
        "Código: P-2; Ancho: 800; Piso: 8",
        "al lado",
        "Ana Gil: revisar",
        "fin",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn headers_and_footers_come_first_and_once() {
    let page = "<w:p><w:r><w:t>Página </w:t></w:r><w:fldSimple w:instr=\"PAGE\"><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p>";
    let rows: [&[&str]; 2] = [&["Código", "Revisión", "Fecha"], &["PR-07", "B", "12-11-2026"]];
    let header = format!("<w:hdr>{}{}{page}</w:hdr>", styled("Ttulo1", "PROCEDIMIENTO"), table("", &rows));
    let footer = format!("<w:ftr>{}{page}</w:ftr>", p("Copia controlada"));
    let more = [("header", header.as_str()), ("footer", footer.as_str()), ("header", header.as_str())];
    let noted = "<w:p><w:r><w:t>uno</w:t><w:lastRenderedPageBreak/></w:r></w:p>";
    for (body, page) in [(noted.to_owned(), Some(1)), (p("uno"), None)] {
        let extracted =
            read(&build_with(&[styled("Ttulo1", "Alcance"), body].concat(), &more), &Limits::default());
        let found: Vec<(BlockKind, String, Option<u32>)> =
            extracted.unwrap().blocks.into_iter().map(|block| (block.kind, block.text, block.page)).collect();
        let expected = [
            (BlockKind::Paragraph, "1. PROCEDIMIENTO"),
            (BlockKind::TableRow, "Código: PR-07; Revisión: B; Fecha: 12-11-2026"),
            (BlockKind::Paragraph, "Copia controlada"),
            (BlockKind::Heading(1), "1. Alcance"),
            (BlockKind::Paragraph, "uno"),
        ];
        assert_eq!(found, expected.map(|(kind, text)| (kind, text.to_owned(), page)));
    }
}
