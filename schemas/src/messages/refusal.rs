//! Refusals of callers. Both the api and the worker use them, so that their text is the same.

catalogue! {
    unauthorized() => Unauthorized {
        "Falta una clave válida: envíela como «Authorization: Bearer …» o «X-API-Key».",
        "A valid key is missing: send it as \"Authorization: Bearer …\" or \"X-API-Key\"."
    }
    /// Does not say whether the email or the password is wrong, so that nobody can find out which accounts
    /// exist.
    bad_login() => Unauthorized {
        "El correo o la contraseña no son correctos.",
        "The email or the password is not correct."
    }
    no_session() => NotFound {
        "Esta clave no es una sesión que se pueda cerrar.",
        "This key is no login that could be ended."
    }
    registration_closed() => Forbidden {
        "El registro está cerrado. Pida una cuenta al administrador.",
        "Registration is closed. Ask the administrator for an account."
    }
    email_taken() => Conflict {
        "Ya existe una cuenta con este correo.",
        "There is already an account with this email."
    }
    role(role: &str) => Forbidden {
        "Su clave no permite esto: hace falta el rol «{role}».",
        "Your key does not allow this: it takes the role \"{role}\"."
    }
    project() => Forbidden {
        "Su clave no permite escribir en este proyecto.",
        "Your key does not allow writing to this project."
    }
}
