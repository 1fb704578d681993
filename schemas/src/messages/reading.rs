//! Reasons why a file could not be read.

use crate::Message;

/// The document has more of something than can be read; `what` is the name that the reader gives to it.
pub fn too_large(what: &str, limit: u64) -> Message {
    let mb = limit >> 20;
    let (limit, es, en) = match what {
        "bytes" => (mb, "MB", "MB"),
        "unpacked bytes" => (mb, "MB sin comprimir", "MB when unpacked"),
        "bytes of text" => (mb, "MB de texto", "MB of text"),
        "blocks" => (limit, "párrafos o filas", "paragraphs or rows"),
        "cells" => (limit, "celdas", "cells"),
        "columns" => (limit, "columnas", "columns"),
        "entries" => (limit, "archivos dentro del archivo", "files inside the file"),
        "nesting" => (limit, "niveles de elementos anidados", "levels of nested elements"),
        "pages" => (limit, "páginas", "pages"),
        "passages" => (limit, "pasajes", "passages"),
        "slides" => (limit, "diapositivas", "slides"),
        _ => (limit, "unidades", "units"),
    };
    over_limit(limit, es, en)
}

catalogue! {
    empty() {
        "El archivo está vacío.",
        "The file is empty."
    }
    no_text() {
        "El documento no contiene texto.",
        "There is no text in the document."
    }
    scan_without_text() {
        "El documento es un escaneo: sus páginas son imágenes sin texto. Aplíquele OCR y súbalo de nuevo.",
        "The document is a scan: its pages are images without text. Run OCR on it and upload it again."
    }
    dynamic_form() {
        "El PDF es un formulario dinámico (XFA): sus páginas no están en el archivo. Ábralo con Adobe Acrobat, imprímalo \
         como PDF y suba ese.",
        "The PDF is a dynamic form (XFA): its pages are not in the file. Open it with Adobe Acrobat, print it as a PDF and \
         upload that one."
    }
    password_protected() {
        "El documento está protegido con contraseña. Quite la protección y súbalo de nuevo.",
        "The document is protected by a password. Remove the protection and upload it again."
    }
    damaged() {
        "El archivo está dañado o incompleto. Compruebe que se abre en su programa y súbalo de nuevo.",
        "The file is damaged or incomplete. Check that it opens in its program and upload it again."
    }
    over_limit(limit: u64, es: &str, en: &str) {
        "El documento supera el máximo de {limit} {es}. Divídalo en partes más pequeñas.",
        "The document exceeds the maximum of {limit} {en}. Split it into smaller parts."
    }
    unsupported() {
        "El formato no se admite. Se admiten PDF, DOCX, TXT, Markdown, HTML, XLSX, XLS, CSV, PPTX, EML, MSG, JSON y \
         NDJSON.",
        "The format is not supported. PDF, DOCX, TXT, Markdown, HTML, XLSX, XLS, CSV, PPTX, EML, MSG, JSON and \
         NDJSON are."
    }
    timed_out(seconds: u64) {
        "La lectura del documento superó los {seconds} segundos.",
        "Reading the document took longer than {seconds} seconds."
    }
    out_of_memory() {
        "La lectura del documento necesitó demasiada memoria. Divídalo en partes más pequeñas.",
        "Reading the document needed too much memory. Split it into smaller parts."
    }
    failed() {
        "El lector de documentos falló con este archivo.",
        "The document reader failed on this file."
    }
    record_too_large(limit: usize) {
        "El registro supera los {limit} bytes.",
        "The record is larger than {limit} bytes."
    }
    record_incomplete() {
        "El archivo termina en medio de este registro.",
        "The file ends in the middle of this record."
    }
    text_between_records() {
        "Aquí hay texto que no es JSON.",
        "There is text here that is not JSON."
    }
    no_further() {
        "No se pudo seguir leyendo el archivo.",
        "The file could not be read any further."
    }
    record_not_json(error: &serde_json::Error) {
        "El registro no es JSON válido: {error}.",
        "The record is not valid JSON: {error}."
    }
    record_not_an_object() {
        "El registro no es un objeto.",
        "The record is not an object."
    }
    record_without_id() {
        "Al registro le falta DocumentId.",
        "The record has no DocumentId."
    }
    record_metadata_not_an_object() {
        "«metadata» no es un objeto.",
        "\"metadata\" is not an object."
    }
}
