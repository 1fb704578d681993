//! Sentences of chat answers, and reasons why a query cannot be answered.

catalogue! {
    not_a_cursor() {
        "no es un valor de next_cursor de una lista anterior.",
        "is not the next_cursor of an earlier list."
    }
    no_original() {
        "Este documento no tiene archivo original; sus datos están en /document/{{id}}/preview.",
        "This document has no original file; its data is at /document/{{id}}/preview."
    }
    not_found() {
        "No encontré información sobre esto en los documentos disponibles.",
        "I found no information about this in the available documents."
    }
    model_failed() {
        "El modelo de lenguaje no respondió; esta respuesta cita los documentos tal como están.",
        "The language model did not answer; this answer quotes the documents as they stand."
    }
    model_cited_nothing() {
        "El modelo de lenguaje no citó ningún documento: compruebe esta respuesta.",
        "The language model cited no document: check this answer."
    }
    model_was_cut_off() {
        "El modelo de lenguaje no terminó esta respuesta: puede faltar una parte.",
        "The language model did not finish this answer: a part may be missing."
    }
}
