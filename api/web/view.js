// Builds nodes. All text is added as text nodes and never parsed as HTML, so that a document cannot run scripts here.

import { call, readBlob, session } from "./http.js";
import { currentLanguage, label, say, t } from "./text.js";

export const $ = (id) => document.getElementById(id);

/** Creates an element: el("p", {class: "note"}, "text", node, null). Children that are null are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== "") node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const sentence = (tag, attributes, key, values) => say(el(tag, attributes), key, values);

export const inAddress = (name) => new URL(location.href).searchParams.get(name) ?? "";

/** Changes a parameter of the page's address, as a step that Back undoes or by "replaceState". */
export function setAddress(name, value, how = "pushState") {
  if (value === inAddress(name)) return;
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  history[how](sessionStorage.getItem("turn"), "", address);
}

export const nameOf = (row) => row.title || row.filename || row.number || row.document_id;

/** Also tells the revisions of a document apart. */
export const fullNameOf = (row) => nameOf(row) + (row.revision ? `, rev. ${row.revision}` : "");

/** Returns the path of a document or of a part of it, with the project: ids are unique only within a project. */
export const addressOf = (row, folder, part = "") =>
  `${folder}/${encodeURIComponent(row.document_id)}${part}?project_id=${encodeURIComponent(row.project_id)}`;

const SHOWN_IN_A_TAB = /^(application\/pdf|image\/(png|jpeg|gif|webp)|text\/plain)\b/;

/**
 * A link to a page of the original file, or plain text if there is no file. With a token, the file is fetched first: a
 * link cannot send the token.
 */
export function fileLink(row, page, attributes, ...children) {
  if (row.has_file === false) return el("span", attributes, ...children);
  const path = addressOf(row, "document", "/file");
  const hash = page ? `#page=${page}` : "";
  const link = el("a", { href: path + hash, target: "_blank", rel: "noopener", ...attributes }, ...children);
  link.addEventListener("click", (event) => {
    if (!session.token) return;
    event.preventDefault();
    openFetched(row, path, hash, link);
  });
  return label(link, page ? "openPage" : "open", { title: fullNameOf(row), page });
}

async function openFetched(row, path, hash, link) {
  const tab = window.open("about:blank", "_blank"); // now, while the click still counts as one
  // If the browser opens no tab, a note beside the link takes its place.
  const note = tab ? null : el("p", { class: "note", role: "status" });
  if (note) link.closest("li, article").append(note);
  const show = (...content) => !tab?.closed && (note ?? tab.document.body).replaceChildren(...content);
  const stop = new AbortController();
  try {
    show(t("loading"));
    const response = await call("GET", path, { accept: "*/*", signal: stop.signal });
    const blob = await readBlob(response, (received, total) => {
      if (tab?.closed) stop.abort();
      const format = new Intl.NumberFormat(currentLanguage(), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
      const [some, all] = [received, total].map((bytes) => format.format(bytes / 1e6));
      if (tab) show(`${t("loading")} ${some}${total ? ` / ${all}` : ""} MB`);
    });
    const url = URL.createObjectURL(blob);
    const shown = SHOWN_IN_A_TAB.test(blob.type);
    if (tab && shown) tab.location.replace(url + hash);
    else if (shown) show(el("a", { href: url + hash, target: "_blank" }, link.getAttribute("aria-label")));
    else {
      // A document's own markup is not shown under this page's origin.
      tab?.close();
      note?.remove();
      el("a", { href: url, download: row.filename || "document" }).click();
    }
    // As long as the tab is open or the note is shown, the file may be loaded again.
    const watch = setInterval(() => {
      if (tab ? !tab.closed : note.isConnected) return;
      clearInterval(watch);
      URL.revokeObjectURL(url);
    }, 60_000);
  } catch (problem) {
    note?.classList.add("bad");
    show(problem.message);
  }
}

/** The attributes of a row's snippet. It is shown in full if there is no file to read further in. */
export const snippetOf = (row) => ({ class: row.has_file === false ? "snippet whole" : "snippet" });

export function meta(row, page) {
  return el("p", { class: "meta" },
    row.number ? el("code", {}, row.number) : null,
    row.revision ? sentence("span", { class: "badge" }, "rev", { revision: row.revision }) : null,
    page ? sentence("span", {}, "page", { page }) : null,
    row.doc_type ? el("span", {}, row.doc_type) : null,
    row.discipline ? el("span", {}, row.discipline) : null,
    row.project_id ? el("span", {}, row.project_id) : null,
    row.filename && row.filename !== nameOf(row) ? el("span", { class: "file" }, row.filename) : null);
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const STOP = new Set(("a al con como cual cuando cuanto cuantos de del donde el en es esta hay la las lo los mas o para "
  + "por que se si sin su un una y and are at be by do does for from has have how in is it many much of on or the to "
  + "what when where which who why with").split(" "));

/** A node with the text, in which the words of the query (or others of the same stem) are marked. */
export function highlighted(tag, attributes, text, query) {
  const stem = (word) => fold(word).slice(0, 6);
  const wanted = new Set((query.match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => !STOP.has(fold(word))).map(stem));
  const node = el(tag, attributes);
  for (const piece of text.split(/([\p{L}\p{N}\p{M}]+)/u)) {
    node.append(wanted.has(stem(piece)) && piece ? el("mark", {}, piece) : piece);
  }
  node.normalize();
  return node;
}
