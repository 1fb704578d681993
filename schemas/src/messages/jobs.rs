//! Why a job of the queue did not succeed.

catalogue! {
    message_too_large(bytes: usize) {
        "El mensaje supera {bytes} bytes; guarde el contenido en el almacén de objetos.",
        "The message exceeds {bytes} bytes; put the content into the object store."
    }
    bad_subject(why: &str) { "El asunto no nombra un documento: {why}", "The subject names no document: {why}" }
    bad_message(why: &str) { "El mensaje no es válido: {why}", "The message is not valid: {why}" }
    other_project() {
        "El mensaje nombra otro proyecto que su asunto.",
        "The message names another project than its subject."
    }
    reserved_fields() {
        "`parent` y `record_scope` son del propio servicio; no los envíe.",
        "`parent` and `record_scope` are the service's own; do not send them."
    }
    file_missing() {
        "El archivo no está en el almacén de objetos.",
        "The file is not in the object store."
    }
    wrong_hash() {
        "El archivo almacenado no coincide con el anunciado (SHA-256).",
        "The stored file is not the one that was announced (SHA-256)."
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
    lost_in_restore() {
        "Se aceptó después de la última copia de seguridad de la cola; vuelva a enviarlo.",
        "It was accepted after the queue's last backup; send it again."
    }
    internal() {
        "Error interno al procesar el documento.",
        "Internal error while processing the document."
    }
    kills_workers() {
        "El procesamiento de este documento se interrumpió demasiadas veces.",
        "Processing this document was cut short too many times."
    }
}
