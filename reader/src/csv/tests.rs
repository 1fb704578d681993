use super::{super::mutations, *};

fn lines(text: impl AsRef<[u8]>) -> Vec<String> {
    let extracted = read(text.as_ref(), &Limits::default()).unwrap();
    extracted.blocks.into_iter().map(|block| block.text).collect()
}

#[test]
fn the_delimiter_is_found() {
    for (text, expected) in [
        ("a;b;c\n1,5;2,5;x\n3;4,25;y\n", "a: 1,5; b: 2,5; c: x"),
        ("a,b,c\n1.5,2.5,x\n3,4.25,y\n", "a: 1.5; b: 2.5; c: x"),
        ("a\tb\tc\n1,5\t2\tx; y\n", "a: 1,5; b: 2; c: x; y"),
        ("a|b|c\n1|2|x\n", "a: 1; b: 2; c: x"),
        ("sep=;\r\na;b;c\r\n1,2;3;4\r\n", "a: 1,2; b: 3; c: 4"),
    ] {
        assert_eq!(lines(text)[0], expected, "{text}");
    }
}

#[test]
fn quoted_cells_keep_delimiters_and_lines() {
    let text = "código,nota,piso\r\n\"P-1\",\"uno, \"\"dos\"\"\r\ntres\",7\r\n";
    assert_eq!(lines(text), ["código: P-1; nota: uno, \"dos\" tres; piso: 7"]);
}

#[test]
fn another_table_below_an_empty_line_has_its_own_names() {
    let text = "Tipo;Piso;Hoja\n\"P\n1\";7;900\nP-2;8;800\n\nEquipo;Cantidad;Potencia\nBomba;2;15\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace("\n\n", "\n;;\n")] {
        assert_eq!(
            lines(&text),
            [
                "Tipo: P 1; Piso: 7; Hoja: 900",
                "Tipo: P-2; Piso: 8; Hoja: 800",
                "Equipo: Bomba; Cantidad: 2; Potencia: 15"
            ],
            "{text}"
        );
    }
}

#[test]
fn a_file_of_a_spanish_excel_is_read() {
    let text = "Código;Partida;Avance %\nOG-1;Excavación en la zona del depósito;12,5\n";
    let (bytes, ..) = encoding_rs::WINDOWS_1252.encode(text);
    assert_eq!(lines(bytes), ["Código: OG-1; Partida: Excavación en la zona del depósito; Avance %: 12,5"]);
}

#[test]
fn empty_cells_do_not_count() {
    let empty = ";".repeat(Limits::default().columns * 8);
    assert_eq!(
        lines(format!("pieza;medida;nota{empty}\ntubo;2;ok{empty}\n")),
        ["pieza: tubo; medida: 2; nota: ok"]
    );
}

#[test]
fn text_after_an_unclosed_quotation_mark_is_not_lost() {
    let mut text = "pieza,medida,nota\ntubo,\"2 pulgadas,ok\n".to_owned();
    text.push_str(&"codo,3,bien\n".repeat(2_000));
    let lines = lines(text);
    assert_eq!(lines.len(), 2_001);
    assert_eq!(lines[2_000], "pieza: codo; medida: 3; nota: bien");
}

#[test]
fn files_that_are_too_large_are_refused() {
    let limits = Limits::default();
    let wide = "a,".repeat(1_000_000);
    assert!(matches!(read(wide.as_bytes(), &limits), Err(Error::TooLarge { limit: 2_000, .. })));
    let long = "a;b\n".repeat(20);
    let few = Limits { cells: 30, ..Limits::default() };
    assert!(matches!(read(long.as_bytes(), &few), Err(Error::TooLarge { limit: 30, .. })));
    assert!(read(b"", &limits).unwrap().blocks.is_empty());
}

#[test]
fn the_sample_is_read() {
    let lines = lines(mutations::sample("control-de-avance-noviembre.csv"));
    assert_eq!(
        lines[0],
        "Código: OG-110; Partida: Excavación masiva; Unidad: m3; Cantidad contrato: 27300; Cantidad ejecutada: 27300; \
         Avance %: 100; Avance programado %: 100; Responsable: Rodrigo Tapia; Observación: Terminada el 14-03-2026"
    );
}

#[test]
fn damaged_files_do_not_panic() {
    let sample = mutations::sample("control-de-avance-noviembre.csv");
    for seed in 0..500 {
        // Any text is a valid table, so the result is not checked.
        let _ = read(&mutations::mutate(&sample, seed), &Limits::default());
    }
    mutations::survives_garbage(read, &sample);
}
