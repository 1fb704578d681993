// Builds nodes. All text is added as text nodes and never parsed as HTML, so that a document cannot run scripts here.

import { call, session } from "./http.js";
import { currentLanguage, label, say } from "./text.js";

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

export const nameOf = (row) => row.title || row.filename || row.number || row.document_id;

/** Returns the path of a document or of a part of it, with the project: ids are unique only within a project. */
export const addressOf = (row, folder, part = "") =>
  `${folder}/${encodeURIComponent(row.document_id)}${part}?project_id=${encodeURIComponent(row.project_id)}`;

const SHOWN_IN_A_TAB = /^(application\/pdf|image\/(png|jpeg|gif|webp)|text\/plain)\b/;

/** A link to a page of the original file. With a token, the file is fetched first: a link cannot send the token. */
export function fileLink(row, page, attributes, ...children) {
  const path = addressOf(row, "document", "/file");
  const hash = page ? `#page=${page}` : "";
  const link = el("a", { href: path + hash, target: "_blank", rel: "noopener", ...attributes }, ...children);
  link.addEventListener("click", (event) => {
    if (!session.token) return;
    event.preventDefault();
    openFetched(path, hash, row.filename);
  });
  return label(link, page ? "openPage" : "open", { title: nameOf(row), page });
}

async function openFetched(path, hash, filename) {
  const tab = window.open("about:blank", "_blank"); // now, while the click still counts as one
  try {
    const blob = await (await call("GET", path, { accept: "*/*" })).blob();
    const url = URL.createObjectURL(blob);
    if (tab && SHOWN_IN_A_TAB.test(blob.type)) {
      tab.location.replace(url + hash);
    } else {
      tab?.close(); // a document's own markup is not shown under this page's origin
      el("a", { href: url, download: filename || "document" }).click();
    }
    setTimeout(() => URL.revokeObjectURL(url), 120_000);
  } catch (problem) {
    if (tab) tab.document.body.textContent = problem.message;
  }
}

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

/** Returns a reason or message as text; if it has both languages, in the current one. */
export function worded(reason) {
  if (!reason) return "";
  if (typeof reason === "string") return reason;
  const message = reason.message ?? reason.detail ?? reason;
  return typeof message === "string" ? message : message[currentLanguage()] ?? message.es ?? message.en ?? "";
}
