//! The repository's sample documents as text with pages. Only as much of each format is read as these tests
//! of answers need; the reading of real files is tested elsewhere.

use std::{fs, io::Read as _, path::Path};

use serde_json::Value;

use crate::seed::{Document, Page};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples");

pub fn documents() -> Vec<Document> {
    let manifest: Vec<Value> = read_json("manifest.json");
    manifest.iter().flat_map(|entry| document(entry["file"].as_str().unwrap(), &entry["metadata"])).collect()
}

pub fn read_json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()).unwrap()
}

fn document(file: &str, metadata: &Value) -> Vec<Document> {
    let path = Path::new(FOLDER).join("files").join(file);
    let text = || fs::read_to_string(&path).unwrap();
    let pages = match file.rsplit('.').next().unwrap() {
        "ndjson" => return records(&text()),
        "pdf" => {
            let source = Path::new(FOLDER).join("text").join(file).with_extension("txt");
            fs::read_to_string(source)
                .unwrap()
                .split("=== page\n")
                .enumerate()
                .map(|(n, text)| page(n + 1, text))
                .collect()
        }
        "pptx" => (1..)
            .map_while(|n| Some(page(n, &xml(&part(&path, &format!("ppt/slides/slide{n}.xml"))?))))
            .collect(),
        "docx" => vec![whole(&xml(&part(&path, "word/document.xml").unwrap()))],
        "xlsx" => (1..=2)
            .map(|n| whole(&xml(&part(&path, &format!("xl/worksheets/sheet{n}.xml")).unwrap())))
            .collect(),
        "eml" => {
            let bytes = fs::read(&path).unwrap();
            let mail = mail_parser::MessageParser::default().parse(&bytes).unwrap();
            vec![whole(&mail.body_text(0).unwrap())]
        }
        "html" => vec![whole(&without_tags(&text()))],
        _ => vec![whole(&text())],
    };
    let field = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
    vec![Document {
        project: field("project_id"),
        id: file.to_owned(),
        title: field("title"),
        number: field("number"),
        revision: field("revision"),
        doc_type: field("doc_type"),
        category: field("category"),
        filename: file.to_owned(),
        pages,
    }]
}

/// Returns the drawings. Of several revisions of one drawing only the last is returned, as only it is
/// searchable after real indexing.
fn records(lines: &str) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| record["metadata"][name].as_str().unwrap_or_default().to_owned();
        let labelled =
            || format!("{}\n{}\n{}", field("Title"), field("DocumentNumber"), field("DocumentType"));
        let text = record["full_text"].as_str().map_or_else(labelled, str::to_owned);
        documents.retain(|other| other.number != field("DocumentNumber"));
        documents.push(Document {
            project: field("SelectList2"),
            id: record["DocumentId"].as_str().unwrap().to_owned(),
            title: field("Title"),
            number: field("DocumentNumber"),
            revision: field("Revision"),
            doc_type: field("DocumentType"),
            category: field("Category"),
            filename: field("Filename"),
            pages: vec![whole(&text)],
        });
    }
    documents
}

fn page(number: usize, text: &str) -> Page {
    Page { number: Some(u32::try_from(number).unwrap()), ..whole(text) }
}

fn whole(text: &str) -> Page {
    Page { number: None, text: with_rows(text) }
}

/// Writes table rows as the reader does: the first of two cells is the label of the second; in a wider table, each cell has
/// the name of its column, from the first row, before it.
fn with_rows(text: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        if cells.len() == 1 {
            names.clear();
            lines.push(line.to_owned());
        } else if let [label, value] = cells[..] {
            lines.push(format!("{label}: {value}"));
        } else if names.is_empty() {
            names = cells;
        } else if !line.contains("---") {
            let cells = names.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
            let cells: Vec<String> = cells.map(|(name, cell)| format!("{name}: {cell}")).collect();
            lines.push(cells.join("; "));
        }
    }
    lines.join("\n")
}

fn part(path: &Path, name: &str) -> Option<String> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    archive.by_name(name).ok()?.read_to_string(&mut text).unwrap();
    Some(text)
}

/// Returns the text of an office document's XML: one line for each paragraph or table row, with bars between
/// cells.
fn xml(xml: &str) -> String {
    let mut text = String::new();
    for piece in xml.split('<').skip(1) {
        let (tag, content) = piece.split_once('>').unwrap_or((piece, ""));
        match tag.split([' ', '/']).next().unwrap_or_default() {
            "w:t" | "a:t" | "t" => text.push_str(content),
            "" if matches!(tag, "/w:tc" | "/c") => text.push_str(" | "),
            "" if matches!(tag, "/w:p" | "/a:p" | "/row" | "/w:tr") => {
                text.push('\n');
            }
            _ => {}
        }
    }
    unescape(&text.replace("\n | ", " | "))
}

fn without_tags(html: &str) -> String {
    let body = html.split_once("<body").map_or(html, |(_, body)| body);
    let pieces = body.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    unescape(&pieces.map(|(_, text)| text).collect::<Vec<_>>().join(" "))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}
