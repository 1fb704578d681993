//! Reasons why a job failed.

catalogue! {
    message_too_large(bytes: usize) {
        "El mensaje supera {bytes} bytes; envíe el contenido como archivo.",
        "The message exceeds {bytes} bytes; send the content as a file."
    }
    bad_subject(why: &str) { "El asunto no nombra un documento: {why}", "The subject names no document: {why}" }
    bad_message(why: &str) { "El mensaje no es válido: {why}", "The message is not valid: {why}" }
    other_project() {
        "El mensaje nombra otro proyecto que su asunto.",
        "The message names another project than its subject."
    }
    reserved_fields() {
        "`object`, `parent` y `record_scope` son del propio servicio; no los envíe.",
        "`object`, `parent` and `record_scope` are the service's own; do not send them."
    }
    bad_file() {
        "`file` necesita un `id` de 1 a 64 letras, dígitos, `-` o `_`, y un `sha256` de 64 dígitos hexadecimales.",
        "`file` needs an `id` of 1 to 64 letters, digits, `-` or `_`, and a `sha256` of 64 hexadecimal digits."
    }
    file_missing() {
        "El archivo no está: no se envió, o ya pertenece a otro documento.",
        "The file is missing: it was not sent, or it belongs to another document already."
    }
    wrong_hash() {
        "El archivo recibido no coincide con el anunciado (tamaño y SHA-256).",
        "The file that came is not the one that was announced (size and SHA-256)."
    }
    too_many_parts(most: u32) {
        "El archivo llegó en más de {most} partes; envíe partes de 512 KiB.",
        "The file came in more than {most} parts; send parts of 512 KiB."
    }
    too_large(mib: u64) {
        "El archivo supera el máximo de {mib} MiB.",
        "The file exceeds the maximum of {mib} MiB."
    }
    forbidden_project() {
        "El registro nombra un proyecto en el que quien lo subió no puede escribir.",
        "The record names a project that its sender may not write to."
    }
    no_records() { "El archivo no contiene registros.", "The file holds no records." }
    records_failed() {
        "Ningún registro del archivo pudo indexarse.",
        "None of the file's records could be indexed."
    }
    waiting() {
        "El documento espera algo que no está disponible en este momento; no hace falta enviarlo de nuevo.",
        "The document waits for something that is not available right now; it need not be sent again."
    }
    lost_in_restore() {
        "Se aceptó después de la última copia de seguridad de la cola; vuelva a enviarlo.",
        "It was accepted after the queue's last backup; send it again."
    }
    internal() {
        "Error interno al procesar el documento.",
        "Internal error while processing the document."
    }
    reason_lost() {
        "El documento no se pudo procesar; el motivo no se pudo guardar con el mensaje.",
        "The document could not be processed; the reason could not be stored with the message."
    }
    kills_workers() {
        "El procesamiento de este documento se interrumpió demasiadas veces.",
        "Processing this document was cut short too many times."
    }
}
