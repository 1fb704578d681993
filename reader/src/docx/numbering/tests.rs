use super::*;

const PART: &str = r#"<w:numbering>
    <w:abstractNum w:abstractNumId="0">
      <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="Ttulo1"/><w:lvlText w:val="%1."/></w:lvl>
      <w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:pStyle w:val="Ttulo2"/><w:lvlText w:val="%1.%2"/></w:lvl>
      <w:lvl w:ilvl="2"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%3)"/></w:lvl>
    </w:abstractNum>
    <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="·"/></w:lvl></w:abstractNum>
    <w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>
    <w:num w:numId="6"><w:abstractNumId w:val="1"/></w:num>
    <w:num w:numId="7"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="9"/></w:lvlOverride></w:num>
    </w:numbering>"#;

#[test]
fn paragraphs_are_numbered_as_in_word() {
    let mut numbering = Numbering::read(PART, &Limits::default()).unwrap();
    assert_eq!(numbering.level_of_style("5", "Ttulo2"), Some(1));
    let labels: Vec<_> =
        [("5", 0), ("5", 1), ("5", 1), ("5", 2), ("5", 2), ("5", 0), ("5", 1), ("7", 0), ("6", 0), ("x", 0)]
            .into_iter()
            .map(|(id, level)| numbering.next(id, level).unwrap_or_default())
            .collect();
    assert_eq!(labels, ["1.", "1.1", "1.2", "a)", "b)", "2.", "2.1", "9.", "", ""]);
}

#[test]
fn the_first_number_is_the_one_of_the_file() {
    let part = r#"<w:numbering><w:abstractNum w:abstractNumId="0">
        <w:lvl w:ilvl="0"><w:start w:val="0"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
        <w:lvl w:ilvl="1"><w:start w:val="5"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>
        <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
        <w:num w:numId="2"><w:abstractNumId w:val="0"/>
        <w:lvlOverride w:ilvl="1"><w:startOverride w:val="1"/></w:lvlOverride></w:num></w:numbering>"#;
    let mut numbering = Numbering::read(part, &Limits::default()).unwrap();
    let levels = [("1", 0), ("1", 0), ("1", 1), ("1", 1), ("2", 1), ("2", 1), ("2", 0), ("2", 1)];
    let labels = levels.map(|(id, level)| numbering.next(id, level).unwrap());
    assert_eq!(labels, ["0.", "1.", "1.5", "1.6", "1.1", "1.2", "2.", "2.1"]);
}

#[test]
fn articles_are_numbered_through_all_chapters_and_lists_of_one_style_are_one_list() {
    let part = r#"<w:numbering><w:abstractNum w:abstractNumId="0"><w:styleLink w:val="Contrato"/>
        <w:lvl w:ilvl="0"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Capítulo %1"/></w:lvl>
        <w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:lvlRestart w:val="0"/><w:lvlText w:val="Artículo %2"/></w:lvl>
        <w:lvl w:ilvl="2"><w:numFmt w:val="lowerLetter"/><w:isLgl/><w:lvlText w:val="%1.%2.%3"/></w:lvl></w:abstractNum>
        <w:abstractNum w:abstractNumId="1"><w:numStyleLink w:val="Contrato"/></w:abstractNum>
        <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
        <w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num></w:numbering>"#;
    let mut numbering = Numbering::read(part, &Limits::default()).unwrap();
    let levels = [("1", 0), ("1", 1), ("2", 1), ("2", 2), ("2", 0), ("2", 1), ("1", 2)];
    let labels = levels.map(|(id, level)| numbering.next(id, level).unwrap());
    let expected = ["Capítulo I", "Artículo 1", "Artículo 2", "1.2.1", "Capítulo II", "Artículo 3", "2.3.1"];
    assert_eq!(labels, expected);
}

#[test]
fn numbers_are_written_in_every_format() {
    assert_eq!(number("upperRoman", 1994), "MCMXCIV");
    assert_eq!(number("lowerRoman", 0), "0");
    assert_eq!(number("upperLetter", 28), "BB");
    assert_eq!(number("lowerLetter", u32::MAX), u32::MAX.to_string());
    assert_eq!(number("decimalZero", 7), "07");
}

#[test]
fn levels_that_do_not_exist_do_not_panic() {
    let mut numbering = Numbering::read(PART, &Limits::default()).unwrap();
    assert_eq!(numbering.next("5", usize::MAX), None);
}
