//! Reasons why a field of a request is refused.

catalogue! {
    missing() { "falta.", "is missing." }
    empty() { "no puede estar vacío.", "must not be empty." }
    too_long(chars: usize) {
        "no puede tener más de {chars} caracteres.",
        "must not have more than {chars} characters."
    }
    length(min: usize, max: usize) {
        "debe tener entre {min} y {max} caracteres.",
        "must have between {min} and {max} characters."
    }
    nul() { "contiene un carácter NUL.", "contains a NUL character." }
    control() { "no puede contener caracteres de control.", "must not contain control characters." }
    not_token() { "no es válido en un asunto de NATS.", "is not valid in a subject of NATS." }
    not_email() { "no es una dirección de correo.", "is not an email address." }
    range(min: i64, max: i64) { "debe estar entre {min} y {max}.", "must be between {min} and {max}." }
    extra_too_large(kib: usize) {
        "los demás campos no pueden pasar de {kib} KiB.",
        "further fields must not exceed {kib} KiB."
    }

    too_deep(levels: usize) {
        "no puede tener más de {levels} niveles, uno dentro de otro.",
        "must not have more than {levels} levels, one inside another."
    }

    text() { "debe ser un texto.", "must be a text." }
    whole_number() { "debe ser un número entero.", "must be a whole number." }
    flag() { "debe ser true o false.", "must be true or false." }
    date() {
        "debe ser una fecha como 2026-11-24, 24/11/2026 o RFC 3339.",
        "must be a date such as 2026-11-24, 24/11/2026 or RFC 3339."
    }
    list() { "debe ser una lista.", "must be a list." }
    object() { "debe ser un objeto.", "must be an object." }
    json_object() { "debe ser un objeto JSON.", "must be a JSON object." }
    one_of(choices: &str) { "debe ser uno de: {choices}.", "must be one of: {choices}." }
    unexpected() { "no tiene la forma esperada.", "does not have the expected form." }
    not_json(line: usize, column: usize) {
        "no es JSON válido (línea {line}, columna {column}).",
        "is not valid JSON (line {line}, column {column})."
    }
    body_not_json(line: usize, column: usize) {
        "El cuerpo no es JSON válido (línea {line}, columna {column}).",
        "The body is not valid JSON (line {line}, column {column})."
    }
}
