// Every sentence of the page, in both languages. A node that shows a sentence has the sentence's key in data-t: to
// switch the language, the page gives each of these nodes the new text.

const es = {
  skip: "Ir al contenido", sections: "Secciones", project: "Proyecto", allProjects: "Todos", signIn: "Acceder",
  searchTab: "Buscar", documentsTab: "Documentos", chatTab: "Preguntar", queryLabel: "Qué busca",
  queryHint: "Tema, frase o número de documento", searchButton: "Buscar", mode: "Modo de búsqueda",
  hybrid: "Combinado", vector: "Significado", keyword: "Palabras", filters: "Filtros",
  searchHelp: "Escriba una pregunta, unas palabras o un número de documento, completo o en parte.",
  searching: "Buscando…", nothing: "No hay resultados para «{query}».",
  found: "{count} documentos, el mejor primero.", foundOne: "Un documento.",
  incomplete: "La búsqueda quedó incompleta y puede haber más documentos. Repítala en un momento.",
  page: "p. {page}", rev: "Rev. {revision}", open: "Abrir {title}", openPage: "Abrir {title}, página {page}",
  EXCELENTE: "Excelente", "MUY BUENO": "Muy bueno", BUENO: "Bueno", MODERADO: "Moderado", BAJO: "Bajo",
  drop: "Arrastre archivos aquí o elíjalos",
  formats: "PDF, Word, Excel, PowerPoint, correo, texto, HTML o registros de Aconex",
  details: "Datos del documento", title: "Título", number: "Número", revision: "Revisión", docType: "Tipo",
  discipline: "Especialidad",
  detailsHelp: "Título, número y revisión se usan solo cuando se sube un archivo.", uploads: "Archivos en curso",
  sending: "Enviando, {percent} %", waiting: "Espera su turno", stateFilter: "Estado", allStates: "Todos los estados",
  queued: "En cola", processing: "En proceso", processingAt: "En proceso, {percent} %", indexed: "Disponible",
  failed: "Con error", superseded: "Reemplazado", deleted: "Eliminado", reload: "Actualizar", more: "Mostrar más",
  records: "{indexed} de {total} registros disponibles, {failed} con error",
  noDocuments: "No hay documentos.", loading: "Cargando…", remove: "Eliminar", removeOf: "Eliminar {title}",
  removeSure: "¿Eliminar «{title}»? Deja de encontrarse de inmediato.", cancel: "Cancelar",
  deleting: "Se está eliminando. Actualice la lista en un momento.",
  dismiss: "Quitar {title} de la lista", dismissDone: "Quitar los terminados",
  retry: "Reintentar", waitUntil: "Espera hasta {time}",
  unknown: "Recibido, sin noticias", noFile: "No se puede leer: es una carpeta, o el archivo cambió. Elíjalo de nuevo.",
  lost: "Se perdió la conexión; el documento sigue en proceso. Actualice la lista.",
  chatTitle: "Preguntas", newChat: "Nueva conversación", messageLabel: "Su pregunta",
  messageHint: "Escriba su pregunta", send: "Enviar", stop: "Detener", stopped: "Detenida.",
  chatHelp: "Pregunte por los documentos del proyecto. Cada respuesta cita el documento, la revisión y la página de donde sale.",
  you: "Usted", answer: "Respuesta", thinking: "Consultando los documentos…", sources: "Fuentes",
  accountTitle: "Acceso", apiKey: "Clave de API", useKey: "Usar la clave", email: "Correo", password: "Contraseña",
  logIn: "Entrar", signOut: "Salir", close: "Cerrar", withKey: "Con clave", signedInAs: "Sesión de {name}.",
  keyInUse: "Se está usando una clave de API.", keptHere: "Se guarda solo en esta pestaña.",
  badKey: "La clave contiene un carácter que ninguna clave tiene, quizás invisible. Cópiela de nuevo.",
  offline: "No hay conexión con el servidor.", unreadable: "El servidor respondió {status}.",
  needsAccess: "{detail} Use «Acceder» para identificarse.", requestId: "{detail} (solicitud {id})",
};

const en = {
  skip: "Skip to content", sections: "Sections", project: "Project", allProjects: "All", signIn: "Sign in",
  searchTab: "Search", documentsTab: "Documents", chatTab: "Ask", queryLabel: "What you are looking for",
  queryHint: "Topic, phrase or document number", searchButton: "Search", mode: "Search mode",
  hybrid: "Combined", vector: "Meaning", keyword: "Words", filters: "Filters",
  searchHelp: "Type a question, a few words, or a document number, whole or in part.",
  searching: "Searching…", nothing: "No results for “{query}”.",
  found: "{count} documents, best first.", foundOne: "One document.",
  incomplete: "The search is incomplete, and there may be more documents. Repeat it in a moment.",
  page: "p. {page}", rev: "Rev. {revision}", open: "Open {title}", openPage: "Open {title}, page {page}",
  EXCELENTE: "Excellent", "MUY BUENO": "Very good", BUENO: "Good", MODERADO: "Moderate", BAJO: "Low",
  drop: "Drop files here or choose them",
  formats: "PDF, Word, Excel, PowerPoint, mail, text, HTML or Aconex records",
  details: "About the document", title: "Title", number: "Number", revision: "Revision", docType: "Type",
  discipline: "Discipline",
  detailsHelp: "Title, number and revision are used only when one file is uploaded.", uploads: "Files under way",
  sending: "Sending, {percent} %", waiting: "Waiting its turn", stateFilter: "State", allStates: "All states",
  queued: "Queued", processing: "Processing", processingAt: "Processing, {percent} %", indexed: "Ready",
  failed: "Failed", superseded: "Superseded", deleted: "Deleted", reload: "Refresh", more: "Show more",
  records: "{indexed} of {total} records ready, {failed} failed",
  noDocuments: "No documents.", loading: "Loading…", remove: "Delete", removeOf: "Delete {title}",
  removeSure: "Delete “{title}”? It stops being found at once.", cancel: "Cancel",
  deleting: "It is being deleted. Refresh the list in a moment.",
  dismiss: "Remove {title} from the list", dismissDone: "Remove the finished ones",
  retry: "Try again", waitUntil: "Waits until {time}",
  unknown: "Received, no news", noFile: "It cannot be read: it is a folder, or the file has changed. Choose it again.",
  lost: "The connection was lost; the document is still being processed. Refresh the list.",
  chatTitle: "Questions", newChat: "New conversation", messageLabel: "Your question",
  messageHint: "Type your question", send: "Send", stop: "Stop", stopped: "Stopped.",
  chatHelp: "Ask about the project's documents. Every answer cites the document, revision and page it comes from.",
  you: "You", answer: "Answer", thinking: "Looking through the documents…", sources: "Sources",
  accountTitle: "Access", apiKey: "API key", useKey: "Use the key", email: "E-mail", password: "Password",
  logIn: "Log in", signOut: "Sign out", close: "Close", withKey: "With key", signedInAs: "Signed in as {name}.",
  keyInUse: "An API key is in use.", keptHere: "Kept in this tab only.",
  badKey: "The key contains a character that no key has, perhaps an invisible one. Copy it again.",
  offline: "The server cannot be reached.", unreadable: "The server answered {status}.",
  needsAccess: "{detail} Use “Sign in” to identify yourself.", requestId: "{detail} (request {id})",
};

const strings = { es, en };
const stored = localStorage.getItem("language");
let language = stored in strings ? stored : navigator.language.toLowerCase().startsWith("en") ? "en" : "es";

export const currentLanguage = () => language;

export function t(key, values = {}) {
  const sentence = strings[language][key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? value.toLocaleString(language, { useGrouping: "min2" }) : value;
  });
}

/** Shows a sentence in a node, in the current language. */
export function say(node, key, values) {
  node.dataset.t = key;
  node.dataset.values = JSON.stringify(values ?? {});
  node.textContent = t(key, values);
  return node;
}

/** Shows a text that has no translation here: a file name, or an error message of the server. */
export function plain(node, text) {
  delete node.dataset.t;
  node.textContent = text;
  return node;
}

export function relabel() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) {
    node.textContent = t(node.dataset.t, JSON.parse(node.dataset.values ?? "{}"));
  }
  for (const [data, attribute] of [["tPlaceholder", "placeholder"], ["tAriaLabel", "aria-label"]]) {
    for (const node of document.querySelectorAll(`[data-t-${attribute}]`)) {
      node.setAttribute(attribute, t(node.dataset[data], JSON.parse(node.dataset.labelValues ?? "{}")));
    }
  }
}

/** Gives a node a name for screen readers (aria-label). */
export function label(node, key, values) {
  node.dataset.tAriaLabel = key;
  node.dataset.labelValues = JSON.stringify(values ?? {});
  node.setAttribute("aria-label", t(key, values));
  return node;
}

export function switchLanguage() {
  language = language === "es" ? "en" : "es";
  localStorage.setItem("language", language);
  relabel();
}
