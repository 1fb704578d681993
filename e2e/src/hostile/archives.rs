//! ZIP archives, the containers of DOCX, PPTX and XLSX. They are written by hand, because no library writes invalid
//! ones.

use std::io::{Cursor, Read as _};

use flate2::{Compression, Crc, FlushCompress, Status};
use zip::ZipArchive;

use super::File;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// An entry of an archive, with the values of its headers.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    size: u32,
    bytes: Vec<u8>,
}

fn stored(name: &str, bytes: &[u8]) -> Entry {
    let mut crc = Crc::new();
    crc.update(bytes);
    let (size, bytes) = (bytes.len() as u32, bytes.to_vec());
    Entry { name: name.into(), flags: 0, method: STORED, crc: crc.sum(), size, bytes }
}

/// An entry with `head` and then `count` MiB of `unit`: a few kilobytes that unpack to gigabytes. Its checksum is
/// wrong, but a reader that gets to the checksum has already unpacked too much.
fn bomb(name: &str, head: &str, unit: &str, count: usize) -> Entry {
    let bytes = [deflated(head.as_bytes(), 1), mebibytes(unit.as_bytes(), count)].concat();
    Entry { method: DEFLATED, size: u32::MAX - 1, bytes, ..stored(name, b"") }
}

/// Compresses `unit` once and repeats the result. Deflate allows this, because the full flush resets its dictionary.
pub(super) fn deflated(unit: &[u8], times: usize) -> Vec<u8> {
    let mut compress = flate2::Compress::new(Compression::best(), false);
    let mut bytes = Vec::with_capacity(unit.len() + 1_024);
    let status = compress.compress_vec(unit, &mut bytes, FlushCompress::Full);
    debug_assert!(matches!(status, Ok(Status::Ok)) && compress.total_in() == unit.len() as u64);
    bytes.repeat(times)
}

/// Returns `count` MiB of `unit`, compressed.
pub(super) fn mebibytes(unit: &[u8], count: usize) -> Vec<u8> {
    const PIECE: usize = 1 << 16;
    deflated(&unit.repeat(PIECE / unit.len()), count << 4)
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = file.len() as u32;
        let mut header = Vec::new();
        for half in [20, entry.flags, entry.method, 0, 0x21] {
            header.extend(half.to_le_bytes());
        }
        for word in [entry.crc, entry.bytes.len() as u32, entry.size] {
            header.extend(word.to_le_bytes());
        }
        header.extend((entry.name.len() as u16).to_le_bytes());
        header.extend([0; 2]);
        file.extend([b"PK\x03\x04", &header[..], &entry.name, &entry.bytes].concat());
        directory.extend([b"PK\x01\x02\x14\0", &header[..], &[0; 10]].concat());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = file.len() as u32;
    let count = (entries.len().min(0xFFFF) as u16).to_le_bytes();
    file.extend([&directory[..], b"PK\x05\x06\0\0\0\0", &count, &count].concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// Returns the names and contents of the parts of a good archive; `None` for any other file.
pub(super) fn parts(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let count = archive.len();
    let part = |index| {
        let (mut part, mut unpacked) = (archive.by_index(index).ok()?, Vec::new());
        part.read_to_end(&mut unpacked).ok()?;
        Some((part.name_raw().to_vec(), unpacked))
    };
    (0..count).map(part).collect()
}

pub(super) fn pack(parts: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entry = |(name, bytes): &(Vec<u8>, Vec<u8>)| Entry { name: name.clone(), ..stored("", bytes) };
    archive(&parts.iter().map(entry).collect::<Vec<_>>())
}

/// Returns the part that declares the document format of an archive.
fn types(kind: &str, part: &str) -> Entry {
    let kind = format!("application/vnd.openxmlformats-officedocument.{kind}.main+xml");
    stored(
        "[Content_Types].xml",
        format!("<Types><Override PartName=\"/{part}\" ContentType=\"{kind}\"/></Types>").as_bytes(),
    )
}

fn docx(more: Vec<Entry>) -> Vec<u8> {
    archive(&[vec![types("wordprocessingml.document", "word/document.xml")], more].concat())
}

fn xlsx(sheet: Entry, more: Vec<Entry>) -> Vec<u8> {
    let workbook = "<workbook xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
                    <sheet name=\"Hoja\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>";
    let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";
    let relations = format!(
        "<Relationships><Relationship Id=\"rId1\" Type=\"{kind}\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    let parts = vec![
        types("spreadsheetml.sheet", "xl/workbook.xml"),
        stored("xl/workbook.xml", workbook.as_bytes()),
        stored("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        sheet,
    ];
    archive(&[parts, more].concat())
}

const BODY: &str = "<w:document xmlns:w=\"w\"><w:body>";
const SHEET: &str = "xl/worksheets/sheet1.xml";
const ROWS: &str = "<worksheet><sheetData>";

pub(super) fn files() -> Vec<File> {
    let part = |body: &str| stored("word/document.xml", body.as_bytes());
    let text =
        |text: &str| part(&format!("{BODY}<w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>"));
    let laughs: String =
        (1..12).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let mut files = vec![
        File::new("bomb.docx", docx(vec![bomb("word/document.xml", BODY, "<w:p><w:r><w:t>a</w:t></w:r></w:p>", 1_000)])),
        File::new("one-run.docx", docx(vec![bomb("word/document.xml", &format!("{BODY}<w:p><w:r><w:t>"), "aaaa ", 1_000)])),
        File::new("attributes.docx", docx(vec![bomb("word/document.xml", &format!("{BODY}<w:p "), "a=\"\" ", 600)])),
        File::new("tables.docx", docx(vec![bomb("word/document.xml", BODY, "<w:tbl><w:tr><w:tc>", 8)])),
        File::new("cells.docx", docx(vec![bomb("word/document.xml", &format!("{BODY}<w:tbl><w:tr>"), "<w:tc/>", 40)])),
        File::new("styles.docx", docx(vec![bomb("word/styles.xml", "<w:styles>", "<w:style w:styleId=\"a\"/>", 600), text("x")])),
        File::new("numbers.docx", docx(vec![bomb("word/numbering.xml", "<w:numbering>", "<w:num/>", 600), text("x")])),
        File::new("depth.docx", docx(vec![part(&format!("{BODY}{}", "<w:p>".repeat(200_000)))])),
        File::new("laughs.docx", docx(vec![part(&format!(
            "<!DOCTYPE x [<!ENTITY l0 \"ja\">{laughs}]>{BODY}<w:p><w:r><w:t>&l11;</w:t></w:r></w:p></w:body></w:document>"
        ))])),
        File::new("outside.docx", docx(vec![part(&format!(
            "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>{BODY}<w:p><w:r><w:t>&f;</w:t></w:r></w:p>"
        ))])),
        File::new("grid.docx", docx(vec![part(&format!(
            "{BODY}<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"2147483647\"/></w:tcPr></w:tc></w:tr></w:tbl>"
        ))])),
        File::new("cells.xlsx", xlsx(bomb(SHEET, ROWS, "<row><c/><c/></row>", 30), vec![])),
        File::new("a-million-empty-cells.xlsx", xlsx(
            stored(SHEET, format!("{ROWS}{}", format!("<row>{}</row>", "<c/>".repeat(1_000)).repeat(1_000)).as_bytes()), vec![],
        )),
        File::new("far.xlsx", xlsx(stored(SHEET, b"<worksheet><dimension ref=\"A1:XFD1048576\"/><sheetData>\
            <row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row>"), vec![])),
        File::new("corners.xlsx", xlsx(stored(SHEET, format!(
            "{ROWS}<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row>\
             <row r=\"4294967295\"><c r=\"ZZZZZZZ9\"><v>2</v></c></row></sheetData></worksheet>"
        ).as_bytes()), vec![])),
        File::new("strings.xlsx", xlsx(
            stored(SHEET, b"<worksheet/>"), vec![bomb("xl/sharedStrings.xml", "<sst count=\"4294967295\">", "<si><t>a</t></si>", 1_000)],
        )),
        File::new("merged.xlsx", xlsx(stored(SHEET, format!(
            "{ROWS}</sheetData><mergeCells>{}</mergeCells></worksheet>", "<mergeCell ref=\"A1:XFD1048576\"/>".repeat(10_000)
        ).as_bytes()), vec![])),
        File::new("many.docx", docx((0..70_000).map(|n| stored(&format!("x/{n}"), b"")).collect())),
        File::new("twice.docx", docx(vec![text("uno"), text("dos")])),
        File::new("outside-names.docx", docx(vec![
            text("x"), stored("../../../../tmp/x", b"x"), stored("/etc/passwd", b"x"), stored("a\0b", b"x"), stored("\u{202e}", b"x"),
        ])),
        File::new("nothing.docx", archive(&[])),
        File::new("no-document.docx", docx(vec![])),
        File::new("encrypted.docx", docx(vec![Entry { flags: 1, ..text("x") }])),
        File::new("method.docx", docx(vec![Entry { method: 99, ..text("x") }])),
        File::new("declared.docx", docx(vec![Entry { size: u32::MAX - 1, ..text("x") }])),
        File::new("checksum.docx", docx(vec![Entry { crc: 1, ..text("x") }])),
        File::new("not-deflated.docx", docx(vec![Entry { method: DEFLATED, ..text("x") }])),
    ];
    files.extend(nested(docx(vec![text("adentro")])));
    files.extend(lies(&docx(vec![text("Una losa de hormigón.")])));
    files
}

/// Archives inside archives, and files that are valid in two formats.
fn nested(document: Vec<u8>) -> Vec<File> {
    let mut inner = document.clone();
    for depth in 0..50 {
        inner = archive(&[stored(&format!("{depth}.docx"), &inner)]);
    }
    let pdf = [b"%PDF-1.4\n".as_slice(), &document, b"\n%%EOF"].concat();
    let html = [b"<html><body>Hola <!--".as_slice(), &document, b"--></body></html>"].concat();
    let image = [b"GIF89a".as_slice(), &document].concat();
    vec![
        File::new("nest.zip", inner.clone()),
        File::new("nest.docx", inner.clone()),
        File::new("embedded.docx", docx(vec![stored("word/embeddings/x.docx", &inner)])),
        File::new("pdf-and-zip.pdf", pdf.clone()),
        File::new("pdf-and-zip.docx", pdf),
        File::new("html-and-zip.html", html),
        File::new("gif-and-zip.docx", image),
        File::new("zip-and-more.docx", [document, vec![0; 1 << 20]].concat()),
    ]
}

/// Returns two copies of a good archive for each number in its headers: in one the number has its maximum, in
/// the other all bytes of the number are 1.
fn lies(good: &[u8]) -> Vec<File> {
    let entry = good.windows(4).position(|window| window == b"PK\x01\x02").unwrap_or_default();
    let end = good.windows(4).position(|window| window == b"PK\x05\x06").unwrap_or_default();
    let fields = [(end, 8, 2), (end, 10, 2), (end, 12, 4), (end, 16, 4), (end, 20, 2)]
        .into_iter()
        .chain([(entry, 20, 4), (entry, 24, 4), (entry, 28, 2), (entry, 30, 2), (entry, 42, 4)])
        .chain([(0, 18, 4), (0, 22, 4), (0, 26, 2), (0, 28, 2)]);
    let lie = |(header, field, length): (usize, usize, usize), value: u8| {
        let mut bytes = good.to_vec();
        bytes[header + field..header + field + length].fill(value);
        File::new(format!("lie-{header}-{field}-{value}.docx"), bytes)
    };
    fields.flat_map(|field| [lie(field, 0xFF), lie(field, 1)]).collect()
}
