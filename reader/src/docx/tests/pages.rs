use super::*;

#[test]
fn pages_are_known_only_if_the_file_records_them() {
    let made = "<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>";
    // A page break of the author alone does not tell where other pages end.
    for body in [[p("uno"), p("dos")].concat(), [p("portada"), made.to_owned(), p("texto")].concat()] {
        let extracted = read(&build(&body), &Limits::default()).unwrap();
        assert!(extracted.blocks.iter().all(|block| block.page.is_none()));
        assert_eq!(extracted.metadata.pages, 0);
    }

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
fn a_page_break_before_the_first_paragraph_begins_no_page() {
    let before =
        |text: &str| format!("<w:p><w:pPr><w:pageBreakBefore/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>");
    let noted = "<w:p><w:r><w:lastRenderedPageBreak/><w:t>tres</w:t></w:r></w:p>";
    let found = blocks(&[before("uno"), before("dos"), noted.to_owned()].concat());
    assert_eq!(found.iter().map(|block| block.page).collect::<Vec<_>>(), [1, 2, 3].map(Some));
}

#[test]
fn a_page_break_inside_a_paragraph_ends_the_block() {
    let broken = "<w:p><w:pPr><w:pStyle w:val=\"Ttulo1\"/></w:pPr><w:r><w:t>Fin de sección.</w:t><w:br w:type=\"page\"/>\
        <w:lastRenderedPageBreak/><w:t>Capítulo</w:t></w:r></w:p>";
    let last = "<w:p><w:r><w:t>queda</w:t><w:br w:type=\"page\"/></w:r></w:p>";
    let found: Vec<(String, Option<u32>)> = blocks(&[broken, last, &styled("Ttulo1", "Otro")].concat())
        .into_iter()
        .map(|block| (block.text, block.page))
        .collect();
    let expected = [("1. Fin de sección.", 1), ("Capítulo", 2), ("queda", 2), ("2. Otro", 3)];
    assert_eq!(found, expected.map(|(text, page)| (text.to_owned(), Some(page))));
}

#[test]
fn a_sentence_is_on_the_page_on_which_it_begins() {
    let across = |properties: &str, first: &str, rest: &str| {
        format!(
            "<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{first}</w:t></w:r>\
             <w:r><w:lastRenderedPageBreak/><w:t>{rest}</w:t></w:r></w:p>"
        )
    };
    let item = "<w:numPr><w:numId w:val=\"1\"/></w:numPr>";
    let body = [
        across("", "Uno. La resistencia es de ", "25 MPa. Tres. Cuatro."),
        across(item, "Punto. ", "Sigue."),
        format!("<w:p><w:pPr>{item}</w:pPr><w:r><w:t>otro</w:t></w:r></w:p>"),
        across("<w:outlineLvl w:val=\"0\"/>", "Muro. ", "Oeste"),
        table("", &[&[&across("", "x. ", "Y"), "z"]]),
        across("", "", "empieza"),
        across("", "acaba", ""),
        "<w:p><w:r><w:lastRenderedPageBreak/><w:br w:type=\"page\"/><w:t>Después.</w:t></w:r></w:p>"
            .to_owned(),
        p("fin"),
    ];
    let found: Vec<(BlockKind, String, Option<u32>)> =
        blocks(&body.concat()).into_iter().map(|block| (block.kind, block.text, block.page)).collect();
    let expected = [
        (BlockKind::Paragraph, "Uno. La resistencia es de 25 MPa.", 1),
        (BlockKind::Paragraph, "Tres. Cuatro.", 2),
        (BlockKind::ListItem, "1. Punto.", 2),
        (BlockKind::Paragraph, "Sigue.", 3),
        (BlockKind::ListItem, "2. otro", 3),
        (BlockKind::Heading(1), "Muro. Oeste", 3),
        (BlockKind::TableRow, "x. Y: z", 4),
        (BlockKind::Paragraph, "empieza", 6),
        (BlockKind::Paragraph, "acaba", 6),
        (BlockKind::Paragraph, "Después.", 9),
        (BlockKind::Paragraph, "fin", 9),
    ];
    assert_eq!(found, expected.map(|(kind, text, page)| (kind, text.to_owned(), Some(page))));
}

#[test]
fn a_note_has_the_page_of_its_reference_and_does_not_divide_the_paragraph() {
    let body = "<w:p><w:r><w:t>Hormigón.</w:t><w:footnoteReference w:id=\"2\"/></w:r>\
        <w:r><w:lastRenderedPageBreak/><w:t> Acero.</w:t></w:r></w:p>";
    let found: Vec<(String, Option<u32>)> =
        blocks(body).into_iter().map(|block| (block.text, block.page)).collect();
    let expected = [("Hormigón.", 1), ("Acero.", 2), ("Según NCh 170.", 1)];
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
