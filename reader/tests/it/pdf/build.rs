//! Builds small PDFs, so that a test shows what is in its file.

/// Returns a file with these objects, which are numbered from 1; the first is the catalog.
pub fn file(objects: &[String]) -> Vec<u8> {
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = String::new();
    for (number, object) in (1..).zip(objects) {
        offsets.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let (start, count) = (file.len(), objects.len() + 1);
    file.push_str(&format!(
        "xref\n0 {count}\n0000000000 65535 f \n{offsets}trailer<</Size {count}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
    ));
    file.into_bytes()
}

/// Returns a file of A4 pages with these contents.
pub fn pages(contents: &[String]) -> Vec<u8> {
    let count = contents.len();
    let kids: String = (0..count).map(|page| format!("{} 0 R ", 4 + page * 2)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!(
            "<</Type/Pages/Kids[{kids}]/Count {count}/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>>>"
        ),
        font(),
    ];
    for (page, content) in contents.iter().enumerate() {
        objects.push(format!("<</Type/Page/Parent 2 0 R/Contents {} 0 R>>", 5 + page * 2));
        objects.push(stream(content));
    }
    file(&objects)
}

pub fn font() -> String {
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned()
}

pub fn stream(content: &str) -> String {
    format!("<</Length {}>>stream\n{content}endstream", content.len())
}

/// Returns the content that writes a text of 10 points at a position.
pub fn text(left: u16, bottom: u16, text: &str) -> String {
    format!("BT /F 10 Tf {left} {bottom} Td ({text}) Tj ET\n")
}
