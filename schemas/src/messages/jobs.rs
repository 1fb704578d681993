//! Why a job of the queue did not succeed.

catalogue! {
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
