//! Reasons why the api refuses a call, and its answers to uploads.

catalogue! {
    no_such_address() {
        "Esta dirección no existe; la documentación está en /docs.",
        "This address does not exist; the documentation is at /docs."
    }
    method_not_allowed() {
        "Esta dirección no admite este método; la documentación está en /docs.",
        "This address does not take this method; the documentation is at /docs."
    }

    not_json() {
        "El cuerpo debe ser JSON (Content-Type: application/json).",
        "The body must be JSON (Content-Type: application/json)."
    }
    body_incomplete() {
        "El cuerpo de la petición no llegó completo.",
        "The body of the request did not arrive whole."
    }
    too_large(limit: &str) {
        "Es demasiado grande: el máximo es {limit}.",
        "It is too large: the limit is {limit}."
    }
    stalled() {
        "La petición dejó de llegar. Envíela de nuevo.",
        "The request stopped arriving. Send it again."
    }
    text_too_long(limit: usize) { "ocupa más de {limit} bytes.", "has more than {limit} bytes." }

    too_many_from_address() {
        "Demasiadas solicitudes desde esta dirección. Inténtelo de nuevo en un momento.",
        "Too many requests from this address. Try again in a moment."
    }
    too_many_unknown_keys(seconds: u32) {
        "Demasiadas solicitudes con claves desconocidas desde esta dirección. Inténtelo de nuevo en {seconds} s.",
        "Too many requests with unknown keys from this address. Try again in {seconds} s."
    }
    /// `in_spanish` and `in_english` are the limit as each language writes it.
    limit_reached(in_spanish: &str, in_english: &str, seconds: u32) {
        "Demasiadas solicitudes: el límite es {in_spanish}. Inténtelo de nuevo en {seconds} s.",
        "Too many requests: the limit is {in_english}. Try again in {seconds} s."
    }
    too_many_at_once() {
        "Demasiadas solicitudes de este tipo a la vez. Inténtelo de nuevo cuando termine alguna.",
        "Too many requests of this kind at the same time. Try again when one of them has ended."
    }
    /// Refuses a call that names another host, while authentication is off.
    not_this_host() {
        "Sin autenticación (AUTH=off) solo se atiende bajo un nombre de esta máquina, como localhost. Otros nombres se \
         permiten con ALLOWED_HOSTS.",
        "Without authentication (AUTH=off) only names of this machine are served, such as localhost. ALLOWED_HOSTS allows \
         other names."
    }
    not_this_origin() {
        "Sin autenticación (AUTH=off) solo pueden llamar las páginas de esta máquina. Otras se permiten con CORS_ORIGINS.",
        "Without authentication (AUTH=off) only pages of this machine may call. CORS_ORIGINS allows other ones."
    }
    no_account() {
        "Su clave no pertenece a ninguna cuenta de usuario.",
        "Your key belongs to no user account."
    }

    not_multipart() {
        "El archivo se envía como multipart/form-data, con su «boundary».",
        "The file is sent as multipart/form-data, with its boundary."
    }
    bad_multipart() {
        "El formulario multipart no está completo o no se entiende.",
        "The multipart form is not complete or not understandable."
    }
    too_many_parts() { "tiene demasiadas partes.", "has too many parts." }
    repeated() { "aparece más de una vez.", "is there more than once." }
    several_files() { "hay más de un archivo.", "there is more than one file." }
    no_file() { "falta el archivo.", "the file is missing." }
    no_file_name() { "el archivo no tiene nombre.", "the file has no name." }
    empty_file() { "El archivo está vacío (0 bytes).", "The file is empty (0 bytes)." }
    unreadable_format(what: &str) {
        "No se puede leer texto de un archivo {what}. Formatos: PDF, DOCX, TXT, Markdown, HTML, XLSX, XLS, CSV, \
         PPTX, EML, MSG, JSON, NDJSON.",
        "There is no text to read in a {what} file. Formats: PDF, DOCX, TXT, Markdown, HTML, XLSX, XLS, CSV, PPTX, EML, \
         MSG, JSON, NDJSON."
    }
    metadata_too_large() { "es demasiado grande.", "is too large." }

    accepted() { "Documento recibido; se está procesando.", "Document accepted; it is being processed." }
    indexed() { "Documento indexado; ya se puede buscar.", "Document indexed; it is searchable now." }
    superseded() {
        "Ya existe una revisión más nueva de este documento: esta queda registrada como reemplazada y no aparece en \
         las búsquedas.",
        "There is a newer revision of this document already: this one is kept as superseded and answers no search."
    }
    not_processed() { "El documento no se pudo procesar.", "The document could not be processed." }
    deleted_meanwhile() {
        "El documento se eliminó mientras se procesaba.",
        "The document was deleted while it was being processed."
    }
    /// The document is stored safely; only the answer to the question is not available yet.
    not_indexed_yet(status_url: &str) {
        "El documento se recibió y se está procesando ({status_url}); pregunte por él cuando esté indexado.",
        "The document was accepted and is being processed ({status_url}); ask about it when it is indexed."
    }

    not_in_file(size: u64) {
        "El archivo tiene {size} bytes; el rango pedido no está en él.",
        "The file has {size} bytes; the range asked for is not in it."
    }
    file_not_stored_yet() => Conflict {
        "El archivo de este documento todavía se está recibiendo. Inténtelo de nuevo en unos segundos.",
        "The file of this document is still being taken in. Try again in a few seconds."
    }
}
