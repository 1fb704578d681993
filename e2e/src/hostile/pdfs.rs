//! PDFs: objects that refer to each other, streams that unpack to large sizes, and invalid numbers.

use super::{
    File,
    archives::{deflated, mebibytes},
};

/// Returns a PDF of these objects, numbered from 1; the first is the catalog. `trailer` is added to the trailer
/// dictionary.
fn pdf(objects: &[impl AsRef<[u8]>], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(objects) {
        table += &format!("{:010} 00000 n \n", file.len());
        file.extend([format!("{number} 0 obj\n").as_bytes(), object.as_ref(), b"\nendobj\n"].concat());
    }
    let (start, size) = (file.len(), objects.len() + 1);
    let trailer = trailer.replace("START", &start.to_string());
    let end = format!("{table}trailer <</Root 1 0 R/Size {size}{trailer}>>\nstartxref\n{start}\n%%EOF\n");
    file.extend(end.into_bytes());
    file
}

fn stream(dictionary: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("<</Length {}{dictionary}>>stream\n", bytes.len()).as_bytes(), bytes, b"\nendstream"].concat()
}

/// Returns a PDF with one page with this content; `page` is added to the page's dictionary, and `more` are the objects
/// from number 6.
fn page(content: &[u8], dictionary: &str, page: &str, more: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R/Names 6 0 R/OpenAction 6 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>/Pattern<</P 6 0 R>>/ColorSpace<</C 6 0 R>>>>{page}>>").into_bytes(),
        stream(dictionary, content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R/Encoding 8 0 R>>".to_vec(),
    ];
    objects.extend(more.iter().map(|object| object.as_bytes().to_vec()));
    pdf(&objects, "")
}

/// Adds the zlib header that PDF expects; the end marker and the checksum are missing.
fn zlib(deflated: Vec<u8>) -> Vec<u8> {
    [b"\x78\xda".to_vec(), deflated].concat()
}

const TEXT: &[u8] = b"BT /F 12 Tf 50 700 Td (Losa de hormigon de 18 cm) Tj ET";

pub(super) fn files() -> Vec<File> {
    let tree =
        |pages: &str| pdf(&["<</Type/Catalog/Pages 2 0 R>>", pages, "<</Type/Page/Parent 2 0 R>>"], "");
    let good = page(TEXT, "", "", &[]);
    let form = |content: &str| {
        format!(
            "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>/Length {}>>stream\n{content}\nendstream",
            content.len()
        )
    };
    let draws = [b"/X Do ".as_slice(), TEXT].concat();
    let filters = format!("/Filter[{}]", "/FlateDecode".repeat(500));
    let mut files: Vec<File> = [
        ("good", good.clone()),
        ("own-parent", tree("<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2/Parent 2 0 R>>")),
        ("count", tree("<</Type/Pages/Kids[3 0 R]/Count 2147483647>>")),
        ("count-below", tree("<</Type/Pages/Kids[3 0 R]/Count -1>>")),
        ("kids", tree(&format!("<</Type/Pages/Kids[{}]/Count 200000>>", "3 0 R ".repeat(200_000)))),
        ("few-kids", tree(&format!("<</Type/Pages/Kids[{}]/Count 12000>>", "3 0 R ".repeat(12_000)))),
        ("not-kids", tree("<</Type/Pages/Kids 2 0 R/Count 1>>")),
        ("previous", pdf(&["<</Type/Catalog/Pages 1 0 R>>"], "/Prev START")),
        ("stream-table", pdf(&["<</Type/Catalog/Pages 1 0 R>>"], "/XRefStm START/Prev START")),
        ("size", pdf(&["<</Type/Catalog/Pages 1 0 R>>"], "/Size 4294967295")),
        ("encrypted", pdf(&["<</Type/Catalog/Pages 1 0 R>>"], "/ID[<00><00>]/Encrypt<</Filter/Standard/V 5/R 6/Length 999999/O(x)/U(x)/P -1>>")),
        ("encrypted-by-itself", pdf(&["<</Type/Catalog/Pages 1 0 R/Filter 1 0 R>>"], "/Encrypt 1 0 R")),
        ("arrays", tree(&"[".repeat(300_000))),
        ("dictionaries", tree(&"<</a".repeat(100_000))),
        ("reference", tree("2 0 R")),
        ("references", pdf(&(1..5_000).map(|n| format!("{} 0 R", n % 4_999 + 1)).collect::<Vec<_>>(), "")),
        ("objects", pdf(&[vec!["<</Type/Catalog/Pages 2 0 R>>"], vec!["null"; 200_000]].concat(), "")),
        ("object-streams", pdf(&["<</Type/Catalog/Pages 2 0 R>>", "<</Type/ObjStm/N 99999999/First 0/Extends 2 0 R/Length 9>>stream\n2 0 2 0 2\nendstream"], "")),
        ("length", pdf(&["<</Type/Catalog/Pages 2 0 R/Length 1 0 R>>stream\nx\nendstream"], "")),
        ("saved", page(&b"q ".repeat(1_000_000), "", "", &[])),
        ("nested-text", page(&b"BT ".repeat(500_000), "", "", &[])),
        ("marked", page(&b"/a <</b[((((>> BDC ".repeat(100_000), "", "", &[])),
        ("dashes", page(&b"[0 0] 0 d 0 0 m 1e38 1e38 l S ".repeat(20_000), "", "", &[])),
        ("path", page(&[b"0 0 m ".as_slice(), &b"1 1 2 2 3 3 c ".repeat(300_000)].concat(), "", "", &[])),
        ("letters", page(&b"BT /F 1 Tf (aaaaaaaaaaaaaaaaaaaa) Tj ET ".repeat(500), "", "", &[])),
        ("one-string", page(&[b"BT /F 1 Tf (".as_slice(), &b"losa ".repeat(3_000), b") Tj ET"].concat(), "", "", &[])),
        ("far-letters", page(b"BT /F 1e38 Tf 1e38 0 0 1e38 -1e38 1e38 Tm (abc) Tj /F 0 Tf (def) Tj /F -1 Tf (ghi) Tj ET", "", "", &[])),
        ("inline-image", page(b"BI /W 99999999 /H 99999999 /BPC 16 /CS /RGB ID x EI", "", "", &[])),
        ("itself", page(&draws, "", "", &[&form("/X Do")])),
        ("itself-often", page(&draws, "", "", &[&form(&"/X Do ".repeat(1_000))])),
        ("pattern", page(&[b"/Pattern cs /P scn 0 0 9 9 re f ".as_slice(), TEXT].concat(), "", "", &["<</PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0/YStep 0/Resources<</Pattern<</P 6 0 R>>>>/Length 0>>stream\n\nendstream"])),
        ("colours", page(&[b"/C cs 1 scn ".as_slice(), TEXT].concat(), "", "", &["[/Indexed 6 0 R 255 6 0 R]"])),
        ("image", page(&draws, "", "", &["<</Subtype/Image/Width 2147483647/Height 2147483647/BitsPerComponent 8/ColorSpace/DeviceRGB/SMask 6 0 R/Length 1>>stream\nx\nendstream"])),
        ("jpx", page(&draws, "", "", &["<</Subtype/Image/Width 9/Height 9/Filter/JPXDecode/Length 12>>stream\n\0\0\0\x0cjP  \r\n\x07\n\nendstream"])),
        ("jbig2", page(&draws, "", "", &["<</Subtype/Image/Width 9/Height 9/Filter/JBIG2Decode/Length 9>>stream\nabcdefghi\nendstream"])),
        ("unicode", page(TEXT, "", "", &["null", "<</Length 22/UseCMap 7 0 R>>stream\n/x usecmap 1 begincmap\nendstream"])),
        ("ranges", page(TEXT, "", "", &["null", "<</Length 66>>stream\n1 begincodespacerange <00> <FFFFFFFF> endcodespacerange 1 beginbfrange <00> <FFFFFFFF> <0000> endbfrange\nendstream"])),
        ("differences", page(TEXT, "", "", &["null", "null", &format!("<</Differences[-99999 {}]>>", "/a".repeat(100_000))])),
        ("outline", page(TEXT, "", "", &["<</First 6 0 R/Next 6 0 R/Last 6 0 R/Kids[6 0 R]/S/JavaScript/JS(while\\(1\\);)>>"])),
        ("annotations", page(TEXT, "", "/Annots[6 0 R 6 0 R 3 0 R]", &["<</Type/Annot/Subtype/Popup/Parent 6 0 R/Popup 6 0 R/Kids[6 0 R]/Rect[0 0 1e38 1e38]>>"])),
        ("box", page(TEXT, "", "/MediaBox[-1e38 -1e38 1e38 1e38]/Rotate 2147483647/UserUnit 1e38", &[])),
        ("no-box", page(TEXT, "", "/MediaBox[9 9 9 9]/CropBox[0 0 0 0]", &[])),
        ("contents", page(TEXT, "", &format!("/Contents[{}]", "4 0 R ".repeat(50_000)), &[])),
        ("filters", page(TEXT, &filters, "", &[])),
        ("bomb", page(&zlib(mebibytes(b"BT /F 1 Tf (a) Tj ET ", 1_000)), "/Filter/FlateDecode", "", &[])),
        ("bomb-in-bomb", page(&zlib(deflated(&zlib(mebibytes(b" ", 200)), 1)), "/Filter[/FlateDecode/FlateDecode]", "", &[])),
        ("predictor", page(&zlib(deflated(b"x", 1_000)), "/Filter/FlateDecode/DecodeParms<</Predictor 15/Colors 2147483647/Columns 2147483647/BitsPerComponent 32>>", "", &[])),
        ("lzw", page(&[0x80, 0x0B, 0x60, 0x50].repeat(50_000), "/Filter/LZWDecode", "", &[])),
        ("ascii", page(&b"zzzzz~".repeat(100_000), "/Filter/ASCII85Decode", "", &[])),
        ("run-length", page(&b"\x81a".repeat(500_000), "/Filter/RunLengthDecode", "", &[])),
        ("head", b"%PDF-".to_vec()),
        ("end", b"%PDF-1.7\n%%EOF".to_vec()),
        ("no-table", [b"%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 1 0 R/Kids[1 0 R]>> endobj\n".repeat(20_000), b"%%EOF".to_vec()].concat()),
        ("linear", [b"%PDF-1.7\n1 0 obj <</Linearized 1/L 99999999999999999999/O 1/N 1>> endobj\n".to_vec(), good.clone()].concat()),
        ("late-head", [vec![b' '; 1_000], good.clone()].concat()),
        ("too-late-head", [vec![b' '; 1_100], good.clone()].concat()),
        ("twice", [good.clone(), good.clone()].concat()),
    ]
    .map(|(name, bytes)| File::new(format!("{name}.pdf"), bytes))
    .into();
    let text = String::from_utf8_lossy(&good).into_owned();
    for (number, instead) in [
        ("startxref\n", "startxref\n9"),
        ("startxref\n", "startxref\n-"),
        ("00000 n", "99999 n"),
        ("65535 f", "00000 n"),
    ] {
        let lie = text.replace(number, instead);
        files.push(File::new(format!("table-{}.pdf", files.len()), lie));
    }
    files
}
