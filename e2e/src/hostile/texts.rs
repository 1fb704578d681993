//! Text, Markdown, HTML, CSV, JSON and imports. Files that may be read as plain text are short, because every passage
//! is embedded.

use super::File;

pub(super) fn files() -> Vec<File> {
    [html(), json(), imports(), tables(), text()].concat()
}

fn html() -> Vec<File> {
    let page = |body: String| format!("<!doctype html><html><body>{body}");
    let attributes: String = (0..20_000).map(|n| format!("a{n}=1 ")).collect();
    let spans = "<tr><td colspan=1000 rowspan=1000>x</td></tr>";
    let frames = "<iframe srcdoc='<iframe srcdoc=x>'></iframe><meta http-equiv=refresh content='0;url=/'>";
    [
        ("depth", page("<div>".repeat(300_000))),
        ("tables", page("<table><tr><td>".repeat(20_000))),
        ("lists", page("<ul><li>".repeat(20_000))),
        ("formatting", page("<b><i><u><a>".repeat(5_000) + "x")),
        ("misnested", page("<b><p><a><table></b></p></a>".repeat(2_000))),
        ("foster-parents", page("<table>".to_owned() + &"texto<b>".repeat(500))),
        ("attributes", page(format!("<p {attributes}>x</p>"))),
        ("span", page("<table><tr><td colspan=4294967295 rowspan=4294967295>x</td></tr></table>".to_owned())),
        ("spans", page(format!("<table>{}</table>", spans.repeat(3_000)))),
        ("comment", page(format!("<!--{}", "-".repeat(1_000_000)))),
        ("entities", page("&notanentity;&#xD800;&#0;&#99999999999;&".repeat(300))),
        ("script", page(format!("<script>{}", "while(1){}".repeat(2_000)))),
        ("frames", page(frames.repeat(500))),
        ("templates", page("<template><select><option><svg><math><mtext>".repeat(3_000))),
        ("title", format!("<html><head><title>{}", "T".repeat(20_000))),
        ("nulls", page("a\0b\0".repeat(500))),
    ]
    .map(|(name, html)| File::new(format!("{name}.html"), html))
    .into()
}

fn json() -> Vec<File> {
    [
        ("arrays", "[".repeat(1_000_000)),
        ("closed-arrays", "[".repeat(100_000) + &"]".repeat(100_000)),
        ("objects", "{\"a\":".repeat(200_000)),
        ("number", format!("[1e999999,-1e999999,{}]", "9".repeat(10_000))),
        ("fraction", format!("[0.{}]", "0".repeat(10_000))),
        ("keys", format!("{{{}\"a\":1}}", "\"a\":1,".repeat(200_000))),
        ("surrogates", "[\"\\ud800\\udfff\\u0000\"]".to_owned()),
        ("empties", format!("[{}{{}}]", "{},[],\"\",null,".repeat(3_000))),
        ("string", format!("\"{}", "a".repeat(20_000))),
        ("escapes", format!("[\"{}\"]", "\\u202e".repeat(3_000))),
    ]
    .map(|(name, json)| File::new(format!("{name}.json"), json))
    .into()
}

fn imports() -> Vec<File> {
    let record = |id: &str, metadata: &str| format!("{{\"DocumentId\":{id},\"metadata\":{metadata}}}\n");
    let good = record("\"a\"", "{\"Title\":\"Acta\"}");
    let ids = ["1", "null", "[]", "\"\"", "\"../../x\"", "\"a\\u0000b\"", "\"\\u202e\"", "\"*.>\"", "1e400"];
    let keys: String = (0..1_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let types = r#"{"Title":{},"DocumentNumber":[1],"Revision":true,"DateModified":-1e300}"#;
    let dates = r#"{"Title":"x","DateModified":"+999999-99-99T99:99:99Z","Date1":99999999999999999}"#;
    let names = r#"{"Title":"x","DocumentStatus":"A","status":"open","project":"T","date":"soon","type":{}}"#;
    [
        ("broken", format!("{good}{}", "{\"DocumentId\":\n".repeat(300))),
        ("twice", good.repeat(20)),
        ("ids", ids.map(|id| record(id, "{}")).concat()),
        ("long-id", record(&format!("\"{}\"", "x".repeat(100_000)), "{}")),
        ("long-line", record("\"a\"", &format!("{{\"Title\":\"{}\"}}", "x".repeat(6 << 20)))),
        ("deep", record("\"a\"", &format!("{{\"Title\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000)))),
        ("wide", record("\"a\"", &format!("{{{keys}\"z\":1}}"))),
        ("types", record("\"a\"", types)),
        ("dates", record("\"a\"", dates)),
        ("projects", record("\"a\"", r#"{"Title":"x","SelectList2":"otro.>","project_id":"*"}"#)),
        ("names", record("1", names)),
        ("array", format!("[{}", "{\"DocumentId\":\"a\",\"metadata\":{}},".repeat(50))),
        ("marks", format!("\u{feff}{good}\0\0\0\n{good}")),
    ]
    .map(|(name, lines)| File::new(format!("records-{name}.ndjson"), lines))
    .into()
}

fn tables() -> Vec<File> {
    [
        ("a-million-empty-cells", format!("{}\n", ",".repeat(999)).repeat(1_000)),
        ("columns", ",".repeat(1_000_000)),
        ("rows", "\n".repeat(3_000_000)),
        ("quote", format!("a,b\n\"{}", "x,\n".repeat(5_000))),
        ("quotes", "\"\"\"\"".repeat(5_000)),
        ("separators", ",;\t|".repeat(2_000)),
        ("ragged", (0..150).map(|n| format!("{}\n", "x;".repeat(n))).collect()),
        ("formulas", "=cmd|' /C calc'!A0,@SUM(1),+1,-1\n".repeat(50)),
        ("nulls", "a\0,b\0\n".repeat(1_000)),
    ]
    .map(|(name, csv)| File::new(format!("{name}.csv"), csv))
    .into()
}

fn text() -> Vec<File> {
    let utf_16 =
        |text: &str| [vec![0xFF, 0xFE], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let mut files: Vec<File> = [
        ("line.txt", "a".repeat(30_000)),
        ("word.txt", format!("muro {}", "hormigón".repeat(3_000))),
        ("marks.txt", format!("a{}", "\u{301}".repeat(3_000))),
        ("closing.txt", format!("a.{}", ")".repeat(1 << 20))),
        ("unknown.txt", "\u{13000}".repeat(1 << 19)),
        ("pages.txt", "a\u{c}".repeat(150_000)),
        ("directions.txt", "\u{202e}acta\u{202c}\u{2067}obra\u{2069} ".repeat(300)),
        ("invisible.txt", "\u{200b}\u{200d}\u{2060}\u{feff}".repeat(3_000)),
        ("nulls.txt", "acta\0".repeat(100)),
        ("controls.txt", (0..32_u8).map(char::from).collect::<String>().repeat(100)),
        ("breaks.txt", "\u{2028}\u{2029}\u{85}\u{b}\u{c}\r".repeat(2_000)),
        ("emoji.txt", "👨‍👩‍👧‍👦".repeat(200)),
        ("quotes.md", ">".repeat(300_000)),
        ("brackets.md", "[".repeat(10_000)),
        ("links.md", "[a](".repeat(3_000)),
        ("emphasis.md", "*a _b ".repeat(1_000)),
        ("backticks.md", (1..150).map(|n| "`".repeat(n) + " ").collect()),
        ("lists.md", (0..500).map(|n| format!("{}- a\n", " ".repeat(n % 500))).collect()),
        ("table.md", format!("{}\n{}\n", "|a".repeat(20_000), "|-".repeat(20_000))),
        ("headings.md", "# ".repeat(3_000)),
        ("titles.md", "# a\n".repeat(200_000)),
        ("references.md", (0..500).map(|n| format!("[a{n}]: /x\n[a{n}]\n")).collect()),
        ("html.md", "<div><!-- <![CDATA[ <?".repeat(500)),
    ]
    .map(|(name, text)| File::new(name, text))
    .into();
    let mut half = utf_16("Acta de obra");
    half.pop();
    files.extend([
        File::new("half.txt", half),
        File::new("surrogates.txt", [vec![0xFF, 0xFE], [0x00, 0xD8].repeat(500)].concat()),
        File::new("utf-16.html", utf_16(&"<html><p>Hola".repeat(100))),
        File::new("latin.csv", [b"a\xf1o;n\xba\n".as_slice(), &b"1;\x80\xff\n".repeat(50)].concat()),
        File::new("zeros.pdf", vec![0; 1 << 20]),
        File::new("zeros.txt", vec![0; 1 << 20]),
        File::new("ones.msg", vec![0xFF; 1 << 20]),
    ]);
    files
}
