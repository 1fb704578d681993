mod added;
mod build;
mod scans;
mod tables;

use reader::BlockKind::{Heading, ListItem, Paragraph, TableRow};

use super::*;

#[tokio::test]
async fn pages_headings_paragraphs_tables_and_lists_are_found() {
    let report = read("report.pdf", &fixture("report.pdf")).await.unwrap();
    let blocks = blocks(&report);
    let expected = [
        (Paragraph, 1, "200076-CCC02-MC-ES-000012 Rev. B"),
        (Heading(1), 1, "Memoria de cálculo"),
        (Heading(2), 1, "1 Alcance"),
        (
            Paragraph,
            1,
            "Este documento describe el cálculo de la estructura de hormigón armado del edificio principal. La losa de \
             cimentación tiene un espesor de 60 cm y se apoya sobre una capa de hormigón de limpieza. El recubrimiento \
             mínimo de las armaduras es de 35 mm.",
        ),
        (
            Paragraph,
            1,
            "El segundo párrafo empieza tras un espacio y remite a la consulta RFI-0042 del contratista.",
        ),
        (ListItem, 1, "• Hormigón HA-25 en zapatas"),
        (
            ListItem,
            1,
            "• Acero B 500 S en barras corrugadas, con certificado de calidad del fabricante y ensayos de tracción por \
             cada lote",
        ),
        (Heading(2), 2, "2 Acciones"),
        (TableRow, 2, "Elemento: Forjado tipo; Carga permanente: 3,5 kN/m2; Sobrecarga: 2,0 kN/m2"),
        (TableRow, 2, "Elemento: Cubierta; Carga permanente: 2,8 kN/m2; Sobrecarga: 1,0 kN/m2"),
        (Paragraph, 3, "recoge en el anexo. Después se comprueba el punzonamiento."),
        (Heading(2), 3, "3 Two columns"),
        (Paragraph, 3, "The left column is read first, down to its very last line."),
        (Paragraph, 3, "The right column follows and ends the page."),
        (Paragraph, 4, "Nota 1 del plano general"),
        (Paragraph, 4, "Nota 8 del plano general"),
    ];
    let mut rest = blocks.iter();
    for block in expected {
        assert!(rest.any(|found| *found == block), "{block:?} in its place in {blocks:#?}");
    }
    let metadata = &report.metadata;
    assert_eq!(
        (metadata.title.as_str(), metadata.author.as_str()),
        ("Memoria de cálculo estructural", "Ana Gil")
    );
    assert_eq!((metadata.pages, metadata.file_type.as_str()), (4, "pdf"));
}

#[tokio::test]
async fn running_headers_are_kept_once() {
    let report = read("report.pdf", &fixture("report.pdf")).await.unwrap();
    let on_page = |wanted: &str| -> Vec<u32> {
        blocks(&report)
            .iter()
            .filter(|(_, _, text)| text.contains(wanted))
            .map(|(_, page, _)| *page)
            .collect()
    };
    assert_eq!(on_page("200076-CCC02"), [1]);
    assert_eq!(on_page("Página"), [1]);
}

#[tokio::test]
async fn an_unreadable_file_is_refused_with_its_reason() {
    for (name, error) in [
        ("password.pdf", Error::PasswordProtected),
        ("scan.pdf", Error::ScanWithoutText),
        ("blank.pdf", Error::NoText),
    ] {
        assert_eq!(read(name, &fixture(name)).await, Err(error), "{name}");
    }
    let whole = fixture("report.pdf");
    for part in [2, 3, 4] {
        let cut = read("report.pdf", &whole[..whole.len() * (part - 1) / part]).await;
        assert!(matches!(cut, Err(Error::Damaged(_))), "{cut:?}");
    }
}

#[tokio::test]
async fn a_restriction_on_printing_does_not_prevent_reading() {
    let open = read("report.pdf", &fixture("report.pdf")).await.unwrap();
    let restricted = read("restricted.pdf", &fixture("restricted.pdf")).await.unwrap();
    assert_eq!(restricted.blocks, open.blocks);
}

#[tokio::test]
async fn content_that_unpacks_without_end_ends_only_the_child() {
    assert_eq!(read("bomb.pdf", &fixture("bomb.pdf")).await, Err(Error::OutOfMemory));
}

#[tokio::test]
async fn pages_are_bounded() {
    let limits = Limits { pages: 3, ..Limits::default() };
    let error = read_within("report.pdf", &fixture("report.pdf"), &limits).await.unwrap_err();
    assert_eq!(error, Error::TooLarge { what: "pages".to_owned(), limit: 3 });
}

#[tokio::test]
async fn twenty_pages_are_read_at_once() {
    let manual = sample("operation-and-maintenance-manual.pdf");
    let start = std::time::Instant::now();
    let extracted = read("manual.pdf", &manual).await.unwrap();
    assert_eq!(extracted.metadata.pages, 20);
    let pages: std::collections::BTreeSet<_> =
        extracted.blocks.iter().filter_map(|block| block.page).collect();
    assert_eq!(pages.len(), 20, "every page has its text");
    assert!(start.elapsed().as_secs() < 5, "took {:?}", start.elapsed());
}

/// Builds a PDF with one page that is shown as 842 by 595 points, whatever its rotation is.
fn turned(rotation: u16) -> Vec<u8> {
    // The size of the page in the file, and how a position on the shown page is written in the file.
    let (size, matrix): (&str, fn(f32, f32) -> String) = match rotation {
        0 => ("842 595", |x, y| format!("1 0 0 1 {x} {y}")),
        90 => ("595 842", |x, y| format!("0 1 -1 0 {} {x}", 595.0 - y)),
        180 => ("842 595", |x, y| format!("-1 0 0 -1 {} {}", 842.0 - x, 595.0 - y)),
        _ => ("595 842", |x, y| format!("0 -1 1 0 {y} {}", 842.0 - x)),
    };
    let texts: [(f32, f32, u8, &str); 13] = [
        (60.0, 540.0, 20, "Planta baja"),
        (60.0, 500.0, 10, "La losa tiene un espesor de 60 cm y se apoya sobre una capa de hormigon de"),
        (60.0, 487.0, 10, "limpieza, que se extiende por toda la planta y sobresale de los muros por los"),
        (60.0, 474.0, 10, "cuatro lados del edificio."),
        (60.0, 430.0, 10, "Elemento"),
        (300.0, 430.0, 10, "Carga"),
        (560.0, 430.0, 10, "Espesor"),
        (60.0, 414.0, 10, "Forjado tipo"),
        (300.0, 414.0, 10, "3,5 kN/m2"),
        (560.0, 414.0, 10, "30 cm"),
        (60.0, 398.0, 10, "Cubierta"),
        (300.0, 398.0, 10, "2,8 kN/m2"),
        (560.0, 398.0, 10, "25 cm"),
    ];
    let content: String = texts
        .iter()
        .map(|(x, y, size, text)| format!("BT /F {size} Tf {} Tm ({text}) Tj ET\n", matrix(*x, *y)))
        .collect();
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 {size}]/Rotate {rotation}/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
        ),
        build::stream(&content),
        build::font(),
    ];
    build::file(&objects)
}

#[tokio::test]
async fn a_turned_page_is_read_as_it_is_shown() {
    let expected = [
        (Heading(1), 1, "Planta baja"),
        (
            Paragraph,
            1,
            "La losa tiene un espesor de 60 cm y se apoya sobre una capa de hormigon de limpieza, que se extiende por toda la \
             planta y sobresale de los muros por los cuatro lados del edificio.",
        ),
        (TableRow, 1, "Elemento: Forjado tipo; Carga: 3,5 kN/m2; Espesor: 30 cm"),
        (TableRow, 1, "Elemento: Cubierta; Carga: 2,8 kN/m2; Espesor: 25 cm"),
    ];
    for rotation in [0, 90, 180, 270] {
        let plan = read("plan.pdf", &turned(rotation)).await.unwrap();
        assert_eq!(blocks(&plan), expected, "turned by {rotation}");
    }
}
