//! Reasons why a call failed, in the api or in a worker.

catalogue! {
    not_found() {
        "No existe, o no pertenece a un proyecto que usted pueda leer.",
        "It does not exist, or belongs to no project that you may read."
    }
    internal() {
        "Error interno. Indique el request_id al administrador.",
        "Internal error. Give the request_id to your administrator."
    }
    unavailable() {
        "Un servicio necesario no está disponible en este momento. Inténtelo de nuevo en unos segundos.",
        "A service this needs is not available right now. Try again in a few seconds."
    }
    overloaded() {
        "Hay demasiado trabajo en curso. Inténtelo de nuevo en unos segundos.",
        "There is too much work under way. Try again in a few seconds."
    }
    timeout() {
        "La respuesta no llegó a tiempo. Inténtelo de nuevo.",
        "The answer did not arrive in time. Try again."
    }
    answer_too_large() => TooLarge {
        "La respuesta es demasiado grande. Pida menos resultados a la vez.",
        "The answer is too large. Ask for fewer results at a time."
    }
    not_a_job() {
        "Este mensaje no es un trabajo de un documento: no puede volver a la cola, solo descartarse.",
        "This message is no job of a document: it cannot be queued again, only discarded."
    }
    unanswerable(why: &str) { "Consulta sin respuesta posible: {why}.", "Cannot be answered: {why}." }
}
