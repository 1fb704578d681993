//! Why a job of the queue did not succeed.

catalogue! {
    internal() {
        "Error interno al procesar el documento.",
        "Internal error while processing the document."
    }
    kills_workers() {
        "El procesamiento de este documento se interrumpió demasiadas veces.",
        "Processing this document was cut short too many times."
    }
}
