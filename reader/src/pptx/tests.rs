use super::{
    super::{Block, mutations, zip::tests::pack},
    *,
};

fn text(text: &str) -> String {
    format!("<a:p><a:pPr><a:buChar char=\"x\"/></a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>")
}

fn shape(placeholder: &str, paragraphs: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"
    )
}

fn build(slides: &[String], order: &[usize]) -> Vec<u8> {
    build_with(slides, order, "")
}

/// Builds a presentation; `more` follows the list of its slides.
fn build_with(slides: &[String], order: &[usize], more: &str) -> Vec<u8> {
    let mut parts: Vec<(String, String)> = vec![(
        "_rels/.rels".to_owned(),
        "<Relationships><Relationship Id=\"r\" Type=\"x/officeDocument\" Target=\"ppt/presentation.xml\"/></Relationships>".to_owned(),
    )];
    let ids: String =
        order.iter().map(|n| format!("<p:sldId id=\"{}\" r:id=\"rId{n}\"/>", 256 + n)).collect();
    parts.push((
        "ppt/presentation.xml".to_owned(),
        format!("<p:presentation><p:sldIdLst>{ids}</p:sldIdLst>{more}</p:presentation>"),
    ));
    let links: String = (0..slides.len())
        .map(|n| format!("<Relationship Id=\"rId{n}\" Type=\"x/slide\" Target=\"slides/slide{n}.xml\"/>"))
        .collect();
    parts.push((
        "ppt/_rels/presentation.xml.rels".to_owned(),
        format!("<Relationships>{links}</Relationships>"),
    ));
    for (n, slide) in slides.iter().enumerate() {
        parts.push((
            format!("ppt/slides/slide{n}.xml"),
            format!("<p:sld><p:spTree>{slide}</p:spTree></p:sld>"),
        ));
    }
    let borrowed: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    pack(&borrowed)
}

#[test]
fn the_sample_is_read() {
    let extracted =
        read(&mutations::sample("safety-briefing-work-at-height.pptx"), &Limits::default()).unwrap();
    assert_eq!(extracted.metadata.pages, 6);
    assert_eq!(extracted.metadata.title, "Safety briefing: work at height");
    assert_eq!(extracted.metadata.author, "Constructora Andamar");
    let has = |kind: BlockKind, text: &str, page: u32| {
        let block = Block { kind, text: text.to_owned(), page: Some(page) };
        assert!(extracted.blocks.contains(&block), "{text}\n{:#?}", extracted.blocks);
    };
    has(BlockKind::Heading(1), "Why we talk about it today", 2);
    has(BlockKind::ListItem, "No injury, but a clamp fell 14 m into the fenced area", 2);
    has(BlockKind::Paragraph, "Ask the crew who saw the clamp fall to tell it in their own words.", 2);
}

#[test]
fn slides_come_in_the_order_in_which_they_are_shown() {
    let slides = [shape("", &text("primero en el archivo")), shape("", &text("primero en pantalla"))];
    let extracted = read(&build(&slides, &[1, 0]), &Limits::default()).unwrap();
    let found: Vec<(&str, Option<u32>)> =
        extracted.blocks.iter().map(|block| (block.text.as_str(), block.page)).collect();
    assert_eq!(found, [("primero en pantalla", Some(1)), ("primero en el archivo", Some(2))]);
}

#[test]
fn a_slide_without_a_title_does_not_keep_the_title_before() {
    let title = shape("<p:ph type=\"title\"/>", &text("Andamios"));
    let footer = shape("<p:ph type=\"ftr\"/>", &text("pie"));
    let slides = [shape("", &text("portada")), title, shape("", &text("grúas")), footer];
    let extracted = read(&build(&slides, &[0, 1, 2, 3]), &Limits::default()).unwrap();
    let found: Vec<(BlockKind, &str)> =
        extracted.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
    assert_eq!(
        found,
        [
            (BlockKind::Paragraph, "portada"),
            (BlockKind::Heading(1), "Andamios"),
            (BlockKind::Heading(1), "Slide 3"),
            (BlockKind::Paragraph, "grúas"),
        ]
    );
    assert_eq!(extracted.metadata.title, "Andamios");
}

#[test]
fn sections_do_not_repeat_their_slides() {
    let sections = "<p:extLst><p:ext><p14:sectionLst><p14:section name=\"Inicio\"><p14:sldIdLst><p14:sldId id=\"256\"/>\
        </p14:sldIdLst></p14:section></p14:sectionLst></p:ext></p:extLst>";
    let presentation = build_with(&[shape("", &text("única"))], &[0], sections);
    let extracted = read(&presentation, &Limits::default()).unwrap();
    assert_eq!((extracted.blocks.len(), extracted.metadata.pages), (1, 1));
}

#[test]
fn titles_come_first_tables_by_row_and_footers_are_left_out() {
    let cell = |attributes: &str, content: &str| {
        format!("<a:tc {attributes}><a:txBody>{}</a:txBody></a:tc>", text(content))
    };
    let rows = [
        format!("<a:tr>{}{}</a:tr>", cell("", "Piso"), cell("", "Tarea")),
        format!("<a:tr>{}{}</a:tr>", cell("rowSpan=\"2\"", "7"), cell("", "losa")),
        format!("<a:tr>{}{}</a:tr>", cell("vMerge=\"1\"", ""), cell("", "muro")),
    ];
    let table =
        format!("<p:graphicFrame><a:tbl><a:tblPr firstRow=\"1\"/>{}</a:tbl></p:graphicFrame>", rows.concat());
    let slide = [
        shape(
            "<p:ph idx=\"1\"/>",
            &[
                text("punto"),
                "<a:p><a:r><a:t>dos</a:t></a:r><a:br/><a:r><a:t>líneas</a:t></a:r></a:p>".to_owned(),
            ]
            .concat(),
        ),
        table,
        shape("<p:ph type=\"ftr\"/>", &text("pie de página")),
        shape("<p:ph type=\"sldNum\"/>", &text("3")),
        format!(
            "<mc:AlternateContent><mc:Choice>{0}</mc:Choice><mc:Fallback>{0}</mc:Fallback></mc:AlternateContent>",
            shape("", &text("suelto"))
        ),
        shape("<p:ph type=\"ctrTitle\"/>", &text("Título")),
    ];
    let extracted = read(&build(&[slide.concat()], &[0]), &Limits::default()).unwrap();
    let found: Vec<(BlockKind, &str)> =
        extracted.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
    assert_eq!(
        found,
        [
            (BlockKind::Heading(1), "Título"),
            (BlockKind::ListItem, "punto"),
            (BlockKind::ListItem, "dos\nlíneas"),
            (BlockKind::TableRow, "Piso: 7; Tarea: losa"),
            (BlockKind::TableRow, "Piso: 7; Tarea: muro"),
            (BlockKind::Paragraph, "suelto"),
        ]
    );
    assert_eq!(extracted.metadata.title, "Título");
}

#[test]
fn each_paragraph_of_a_diagram_is_read() {
    let point = |paragraphs: &str| format!("<dgm:pt><dgm:t>\n<a:bodyPr/>{paragraphs}</dgm:t></dgm:pt>");
    let points = [point(&text("Excavar")), point(&[text("Armar"), text("Hormigonar")].concat())].concat();
    let data = format!("<dgm:dataModel><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>");
    let shapes = slide::read(&data, &Limits::default(), &mut 0).unwrap();
    let found: Vec<&str> =
        shapes.iter().flat_map(|shape| &shape.contents).map(|(_, text)| text.trim()).collect();
    assert_eq!(found, ["Excavar", "Armar", "Hormigonar"]);
}

#[test]
fn unreadable_files_are_refused() {
    let limits = Limits::default();
    assert!(matches!(read(&build(&[], &[3]), &limits), Err(Error::Damaged(_))));
    assert!(matches!(read(&pack(&[("a", b"b")]), &limits), Err(Error::Damaged(_))));
    let sample = mutations::sample("safety-briefing-work-at-height.pptx");
    assert!(matches!(read(&sample[..sample.len() - 100], &limits), Err(Error::Damaged(_))));

    // A slide that is shown many times is unpacked many times.
    let heavy = shape("", &text(&"palabra ".repeat(10_000)));
    let again = build(&[heavy], &vec![0; 9_000]);
    assert!(matches!(read(&again, &limits), Err(Error::TooLarge { .. })));
    let many = build(&[shape("", &text("x"))], &vec![0; 11_000]);
    assert!(matches!(read(&many, &limits), Err(Error::TooLarge { limit: 10_000, .. })));
    let deep = build(&["<p:grpSp>".repeat(100_000)], &[0]);
    assert!(matches!(read(&deep, &limits), Err(Error::TooLarge { .. })));
    // A long merged cell with many short rows: the file is small, but its text is large.
    let row = |cell: &str| format!("<a:tr>{cell}<a:tc>{}</a:tc></a:tr>", text("x"));
    let first = row(&format!("<a:tc rowSpan=\"9\">{}</a:tc>", text(&"muy largo ".repeat(10_000))));
    let rows = format!("<a:tbl>{first}{}</a:tbl>", row("<a:tc vMerge=\"1\"/>").repeat(5_000));
    assert!(matches!(read(&build(&[rows], &[0]), &limits), Err(Error::TooLarge { .. })));
    let wide = format!("<a:tbl><a:tr>{}</a:tr></a:tbl>", "<a:tc></a:tc>".repeat(100_000));
    assert!(matches!(read(&build(&[wide], &[0]), &limits), Err(Error::TooLarge { .. })));
}

#[test]
fn damaged_files_do_not_panic() {
    let sample = mutations::sample("safety-briefing-work-at-height.pptx");
    mutations::survives(read, &sample, 300);
    mutations::survives_inside(read, &sample, 300);
    mutations::survives_garbage(read, &sample);
}
