//! Mails: EML files, and MSG files, whose container is a file system with a block allocation table.

use std::io::{Cursor, Write as _};

use super::File;

const HEAD: &str = "From: a@b.example\r\nTo: c@d.example\r\nSubject: Plano\r\nDate: Tue, 10 Nov 2026 10:00:00 +0000\r\n\
                    MIME-Version: 1.0\r\n";

pub(super) fn files() -> Vec<File> {
    let attachment = |name: &str, bytes: &str| {
        format!(
            "--x\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n{bytes}\r\n"
        )
    };
    let of_type = |kind: &str, body: &str| format!("{HEAD}Content-Type: {kind}\r\n\r\n{body}");
    let mixed = |parts: &str| {
        of_type("multipart/mixed; boundary=x", &format!("--x\r\n\r\nVa el plano.\r\n{parts}--x--\r\n"))
    };
    let opened = |boundary: &str| {
        format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n")
    };
    let ninety: String = (0..90).map(|n| attachment(&format!("{n}.txt"), &format!("Anexo {n}"))).collect();
    let received = "Received: from a by b; Tue, 10 Nov 2026 10:00:00 +0000\r\n";
    let quoted = "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    let names = ["../../etc/passwd", "\u{202e}fdp.exe", "a\0b.txt", "", &"x".repeat(5_000)];
    let mails = [
        ("forwarded", of_type("message/rfc822", "").repeat(300) + "fin"),
        ("boundaries", (0..1_000).map(|n| opened(&format!("b{n}"))).collect()),
        ("same-boundary", HEAD.to_owned() + &opened("x").repeat(2_000)),
        ("no-boundary", of_type("multipart/mixed; boundary=\"\"", "--\r\n\r\nx\r\n----\r\n")),
        ("many", mixed(&attachment("a.txt", "x").repeat(5_000))),
        ("ninety", mixed(&ninety)),
        ("names", mixed(&names.map(|name| attachment(name, "Anexo")).concat())),
        ("header", format!("{HEAD}X-Long: {}\r\n\r\nx", "y".repeat(2_000_000))),
        ("headers", format!("{HEAD}{}\r\nx", "X: y\r\n".repeat(200_000))),
        ("received", format!("{}{HEAD}\r\nx", received.repeat(20_000))),
        ("addresses", format!("{HEAD}Cc: {}\r\n\r\nx", "a@b.example, ((((".repeat(500))),
        ("words", format!("{HEAD}X: {}\r\n\r\nx", "=?utf-8?B?////?= =?x?Q?=00=?=".repeat(500))),
        ("parameters", of_type(&format!("text/plain; {}", "a*0*=utf-8''%00; ".repeat(2_000)), "x")),
        ("base64", of_type("text/plain\r\nContent-Transfer-Encoding: base64", &"=A=*/".repeat(2_000))),
        ("quoted", format!("{HEAD}{quoted}{}", "=ZZ=\r\n=0".repeat(1_000))),
        ("charset", of_type("text/plain; charset=\"utf-7\0x\"", "Hola \u{fffd}")),
        ("html", of_type("text/html", &"<div>".repeat(100_000))),
        ("date", HEAD.replace("10 Nov 2026", "99 Foo 999999999999") + "\r\nx"),
    ];
    mails.map(|(name, mail)| File::new(format!("{name}.eml"), mail)).into_iter().chain(messages()).collect()
}

fn messages() -> Vec<File> {
    let subject: Vec<u8> = "Hormigonado".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let base = vec![
        ("/__properties_version1.0".to_owned(), vec![0; 48]),
        ("/__substg1.0_0037001F".to_owned(), subject),
    ];
    let with = |more: Vec<(String, Vec<u8>)>| compound(&[base.clone(), more].concat()).unwrap_or_default();
    let good = with(vec![("/__substg1.0_1000001F".to_owned(), b"H\0o\0l\0a\0".repeat(500))]);
    let nested: String = (0..40).map(|_| "/__attach_version1.0_#00000000/__substg1.0_3701000D").collect();
    let attachment = |n| (format!("/__attach_version1.0_#{n:08X}/__substg1.0_37010102"), b"x".to_vec());
    let mut files = vec![
        File::new("nested.msg", with(vec![(format!("{nested}/__properties_version1.0"), vec![0; 48])])),
        File::new("attachments.msg", with((0..2_000).map(attachment).collect())),
        File::new("properties.msg", with(vec![("/__substg1.0_1000001F".to_owned(), vec![0xD8; 1 << 20])])),
    ];
    // Change each word of the header and of the block table, so that the chain of blocks becomes a cycle or leaves the
    // file.
    for at in (24..120).step_by(8).chain((512..1_024).step_by(64)) {
        for word in [0, 1, u32::MAX] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            files.push(File::new(format!("word-{at}-{}.msg", word as u8), bytes));
        }
    }
    files
}

fn compound(streams: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut container = cfb::CompoundFile::create(Cursor::new(Vec::new()))?;
    for (path, bytes) in streams {
        if let Some((storage, _)) = path.rsplit_once('/').filter(|(storage, _)| !storage.is_empty()) {
            container.create_storage_all(storage)?;
        }
        container.create_stream(path)?.write_all(bytes)?;
    }
    container.flush()?;
    Ok(container.into_inner().into_inner())
}
