use super::{
    super::*,
    build::{pages, text},
};

/// Returns a document with a cover, and this content on the other pages, which are numbered.
fn with_cover(content: &str, count: u16) -> Vec<u8> {
    let cover = text(60, 700, "Manual de operacion y mantenimiento de la planta");
    let other = |page| format!("{content}{}", text(260, 30, &format!("Pagina {page} de {count}")));
    let contents: Vec<String> = std::iter::once(cover).chain((2..=count).map(other)).collect();
    pages(&contents)
}

const FULL_IMAGE: &str = "q 500 0 0 800 40 20 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q\n";

#[tokio::test]
async fn a_scan_with_a_cover_and_page_numbers_is_a_scan() {
    let scan = with_cover(FULL_IMAGE, 12);
    assert_eq!(read("scan.pdf", &scan).await, Err(Error::ScanWithoutText));
}

#[tokio::test]
async fn a_scan_of_few_pages_with_a_cover_is_read() {
    let report = read("report.pdf", &with_cover(FULL_IMAGE, 9)).await.unwrap();
    assert_eq!(blocks(&report)[0].2, "Manual de operacion y mantenimiento de la planta");
}

#[tokio::test]
async fn photos_with_captions_are_no_scan() {
    let photo = format!("{FULL_IMAGE}{}", text(60, 400, "Foto: losa norte"));
    let annex = read("annex.pdf", &with_cover(&photo, 21)).await.unwrap();
    assert!(blocks(&annex).contains(&(BlockKind::Paragraph, 21, "Foto: losa norte")));
}

#[tokio::test]
async fn drawings_with_few_letters_are_no_scan() {
    let logo = "q 40 0 0 40 500 20 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q\n";
    let drawing = format!("{logo}60 100 400 600 re S\n");
    let drawings = read("drawings.pdf", &with_cover(&drawing, 12)).await.unwrap();
    assert_eq!(blocks(&drawings)[0].2, "Manual de operacion y mantenimiento de la planta");
}
