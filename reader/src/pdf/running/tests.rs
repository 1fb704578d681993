use super::*;

fn line(text: String, bottom: f32) -> Line {
    Line { cells: vec![text], bottom, top: bottom + 10.0, size: 10.0, ..Line::default() }
}

fn texts(pages: &[Page]) -> Vec<Vec<String>> {
    pages.iter().map(|page| page.lines.iter().map(Line::text).collect()).collect()
}

fn document(count: u32) -> Vec<Page> {
    (1..=count)
        .map(|number| Page {
            number,
            height: 800.0,
            lines: vec![
                line("200076-PL-0004".to_owned(), 770.0),
                line(format!("Texto {number} propio"), 760.0 - number as f32 * 9.0),
                line("Se repite en el cuerpo".to_owned(), 400.0),
                line(format!("Página {number} de {count}"), 20.0),
            ],
            ..Page::default()
        })
        .collect()
}

#[test]
fn only_the_first_page_keeps_a_repeated_line() {
    let mut pages = document(4);
    drop_repeated(&mut pages);
    let texts = texts(&pages);
    assert_eq!(texts[0].len(), 4);
    assert_eq!(texts[2], ["Texto 3 propio", "Se repite en el cuerpo"]);
}

#[test]
fn numbers_of_drawings_in_one_file_are_kept() {
    let sheet = |number: u32, title: &str, footer: String| Page {
        number,
        height: 800.0,
        lines: vec![line(title.to_owned(), 50.0), line(footer, 20.0)],
        ..Page::default()
    };
    for titles in [
        ["LÁMINA A-101", "LÁMINA A-102", "LÁMINA A-103", "LÁMINA A-104"],
        ["PLANTA PISO 1", "PLANTA PISO 2", "PLANTA PISO 3", "PLANTA PISO 4"],
    ] {
        let mut pages: Vec<Page> =
            (1..).zip(titles).map(|(n, title)| sheet(n, title, format!("Pág.{}/3", n - 1))).collect();
        drop_repeated(&mut pages);
        let kept = texts(&pages);
        assert_eq!(kept.iter().map(|lines| lines[0].as_str()).collect::<Vec<_>>(), titles);
        // The pages are numbered from the second page on.
        assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
    }
}

#[test]
fn a_figure_is_a_page_number_alone_or_after_a_word_for_pages() {
    let cases: [(&str, &[i64]); 14] = [
        ("3", &[3]),
        ("- 3 -", &[3]),
        ("3/20", &[3, 20]),
        ("3 of 20", &[3, 20]),
        ("3 | P á g i n a", &[3]),
        ("Acta 7, pág. 3 de 20, Rev. 3", &[3, 20]),
        ("Torre Norte | 3", &[3]),
        ("3 de 20 · Torre Norte", &[3, 20]),
        ("Torre Norte | PISO 3", &[]),
        ("HOJA N° 3", &[3]),
        ("PLANTA PISO 3", &[]),
        ("Sheet A-3", &[]),
        ("3.1", &[]),
        ("12-11-2026", &[]),
    ];
    for (cell, expected) in cases {
        let figures: Vec<i64> = pieces(cell).filter_map(|(_, figure)| figure).collect();
        assert_eq!(figures, expected, "{cell}");
    }
}

#[test]
fn two_pages_are_too_few_to_find_repeated_lines() {
    let mut pages = document(2);
    drop_repeated(&mut pages);
    assert_eq!(texts(&pages)[1].len(), 4);
}
