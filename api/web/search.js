// The search form and its results.

import { call, online } from "./http.js";
import { plain, say } from "./text.js";
import { $, el, fileLink, highlighted, inAddress, meta, nameOf, sentence, setAddress, snippetOf } from "./view.js";

const STRENGTH = { EXCELENTE: 5, "MUY BUENO": 4, BUENO: 3, MODERADO: 2, BAJO: 1 };
let running = null;
let last = ""; // the query whose results are shown

function resultOf(row, query) {
  const strength = STRENGTH[row.match_quality] ?? 1;
  return el("li", { class: "row" },
    el("div", { class: "line" },
      fileLink(row, row.page, { class: "name" }, nameOf(row)),
      sentence("span", { class: `match m${strength}` }, row.match_quality)),
    meta(row, row.page),
    highlighted("p", snippetOf(row), row.snippet ?? "", query));
}

async function search(query, project) {
  running?.abort();
  const mine = running = new AbortController();
  const note = say($("search-note"), "searching");
  note.classList.remove("bad");
  $("results").setAttribute("aria-busy", "true");
  try {
    const { mode, ...filters } = Object.fromEntries(new FormData($("search")));
    const json = { query, project_id: project || null, top_k: 20, mode, filters };
    const response = await call("POST", "search", { json, signal: mine.signal });
    const rows = await online(response.json());
    $("results").replaceChildren(...rows.map((row) => resultOf(row, query)));
    // A part of the search failed: more documents may match, also if none was found.
    if (response.headers.has("X-Acorag-Degraded")) say(note, "incomplete");
    else if (!rows.length) say(note, "nothing", { query });
    else if (rows.length === 1) say(note, "foundOne");
    else say(note, "found", { count: rows.length });
  } catch (problem) {
    if (problem.name === "AbortError") return;
    $("results").replaceChildren();
    plain(note, problem.message).classList.add("bad");
  } finally {
    if (running === mine) $("results").removeAttribute("aria-busy");
  }
}

function clear() {
  last = "";
  running?.abort();
  $("results").replaceChildren();
  say($("search-note"), "searchHelp").classList.remove("bad");
}

/** `project()` returns the project that is currently chosen. */
export function startSearch(project) {
  const go = () => {
    const query = $("query").value.trim();
    if (!query) return;
    last = query;
    setAddress("q", query);
    search(query, project());
  };
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  $("search").addEventListener("change", (event) => {
    if (event.target.name) go(); // the mode or a filter
  });
  $("project").addEventListener("change", go);
  const restore = () => {
    const query = inAddress("q");
    if (query === last) return;
    $("query").value = query;
    if (query) go();
    else clear();
  };
  window.addEventListener("popstate", restore);
  window.addEventListener("access", ({ detail }) => {
    if (detail === "in") go();
    if (detail === "out") {
      setAddress("q", "", "replaceState");
      clear();
    }
  });
  restore();
}
