// The search form and its results.

import { call } from "./http.js";
import { plain, say } from "./text.js";
import { $, el, fileLink, highlighted, meta, nameOf, sentence } from "./view.js";

const STRENGTH = { EXCELENTE: 5, "MUY BUENO": 4, BUENO: 3, MODERADO: 2, BAJO: 1 };
let running = null;

function resultOf(row, query) {
  const strength = STRENGTH[row.match_quality] ?? 1;
  return el("li", { class: "row" },
    el("div", { class: "line" },
      fileLink(row, row.page, { class: "name" }, nameOf(row)),
      sentence("span", { class: `match m${strength}` }, row.match_quality)),
    meta(row, row.page),
    highlighted("p", { class: "snippet" }, row.snippet ?? "", query));
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
    const rows = await (await call("POST", "search", { json, signal: mine.signal })).json();
    $("results").replaceChildren(...rows.map((row) => resultOf(row, query)));
    if (!rows.length) say(note, "nothing", { query });
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

/** `project()` returns the project that is currently chosen. */
export function startSearch(project) {
  const go = () => {
    const query = $("query").value.trim();
    if (!query) return;
    const address = new URL(location.href);
    address.searchParams.set("q", query);
    history.replaceState(null, "", address);
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
  $("query").value = new URL(location.href).searchParams.get("q") ?? "";
  go();
}
