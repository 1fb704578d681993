use super::{super::*, build};

/// Builds a page with form fields and comments; the objects from number 6 on are its annotations.
fn form() -> Vec<u8> {
    let content = build::text(60, 700, "Acta de entrega") + &build::text(60, 600, "Plazo: 30 dias");
    let annotations = [
        "/Subtype/Widget/FT/Tx/T(Proyecto)/V(Torre Norte)/Rect[100 500 300 520]",
        "/Subtype/Widget/FT/Btn/T(Aprobado)/V/Si/AS/Si/AP<</N<</Si 4 0 R/Off 4 0 R>>>>/Rect[100 470 110 480]",
        "/Subtype/Widget/FT/Btn/T(Rechazado)/V/Off/AS/Off/AP<</N<</Si 4 0 R/Off 4 0 R>>>>/Rect[100 450 110 460]",
        "/Subtype/Widget/FT/Ch/Ff 131072/T(Estado)/V(Vigente)/Opt[(Vigente)(Anulado)]/Rect[100 430 300 445]",
        // This value is also drawn on the page.
        "/Subtype/Widget/FT/Tx/T(Plazo)/V(30 dias)/Rect[90 595 200 615]",
        "/Subtype/Widget/FT/Tx/T(Vacio)/Rect[100 410 300 420]",
        "/Subtype/FreeText/Contents(Corregir la cota del eje B)/Rect[300 300 400 320]",
        "/Subtype/Stamp/Contents(APROBADO)/Rect[300 200 400 220]",
        "/Subtype/Stamp/Contents(APROBADO)/Rect[300 100 400 120]",
        "/Subtype/Popup/Contents(Emergente)/Rect[300 300 400 320]",
        "/Subtype/Link/Contents(Enlace)/Rect[300 300 400 320]",
        "/Subtype/Text/F 2/Contents(Oculta)/Rect[300 300 400 320]",
    ];
    let references = |count: usize| (0..count).map(|index| format!("{} 0 R ", index + 6)).collect::<String>();
    let (fields, all) = (references(6), references(annotations.len()));
    let mut objects = vec![
        format!("<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[{fields}]>>>>"),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>/Annots[{all}]>>"
        ),
        build::stream(&content),
        build::font(),
    ];
    objects.extend(annotations.map(|annotation| format!("<<{annotation}>>")));
    build::file(&objects)
}

#[tokio::test]
async fn form_fields_and_comments_are_read_once() {
    let form = read("form.pdf", &form()).await.unwrap();
    let texts: Vec<&str> = form.blocks.iter().map(|block| block.text.as_str()).collect();
    let expected = [
        "Acta de entrega",
        "Plazo: 30 dias",
        "Proyecto: Torre Norte",
        "Aprobado: Si",
        "Estado: Vigente",
        "Corregir la cota del eje B",
        "APROBADO",
    ];
    assert_eq!(texts, expected);
    assert!(form.blocks.iter().all(|block| block.page == Some(1)));
}

#[tokio::test]
async fn a_form_whose_pages_are_not_in_the_file_is_refused() {
    let form = |catalog: &str| {
        build::file(&[
            format!("<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[]/XFA 6 0 R>>{catalog}>>"),
            "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
                .to_owned(),
            build::stream(&build::text(60, 700, "Espere un momento")),
            build::font(),
            build::stream("<xdp/>\n"),
        ])
    };
    assert_eq!(read("form.pdf", &form("/NeedsRendering true")).await, Err(Error::DynamicForm));
    // The other forms with XFA have their pages in the file, too.
    assert_eq!(read("form.pdf", &form("")).await.unwrap().blocks[0].text, "Espere un momento");
}
