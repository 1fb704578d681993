// Uploads with their progress, and the list of documents.

import { call, events, getJson, sendForm } from "./http.js";
import { label, plain, say } from "./text.js";
import { $, addressOf, el, fileLink, meta, nameOf, sentence, worded } from "./view.js";

const FINAL = ["indexed", "failed", "superseded", "deleted"];
const AT_ONCE = 2;
const RETRIES = 5;
let project = () => "";
let cursor = null;
let round = 0;
const waiting = [];
let active = 0;

/** Follows a document's events until a final one; connects again when the connection breaks. */
async function follow(sent, show) {
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    if (attempt) await new Promise((resolve) => setTimeout(resolve, 1000 * attempt));
    try {
      const response = await call("GET", addressOf(sent, "documents", "/events"), { accept: "text/event-stream" });
      for await (const { data } of events(response)) {
        attempt = 0;
        show(data);
        if (FINAL.includes(data.event)) return data.event;
      }
    } catch (problem) {
      if (problem.status === 401 || problem.status === 403 || problem.status === 404) throw problem;
    }
  }
  return null;
}

function showState(chip, bar, why, { state, percent, reason }) {
  chip.className = `chip ${state}`;
  if (state === "processing" && percent) say(chip, "processingAt", { percent });
  else say(chip, state);
  bar.hidden = state !== "processing";
  bar.value = percent ?? 0;
  plain(why, worded(reason));
  why.classList.toggle("bad", state === "failed");
}

async function upload(file, fields, item) {
  const { chip, bar, why } = item;
  const failed = (message) => {
    chip.className = "chip failed";
    say(chip, "failed");
    bar.hidden = true;
    plain(why, message).classList.add("bad");
  };
  try {
    const form = new FormData();
    form.append("metadata", JSON.stringify(fields)); // before the file: the server reads the parts in order
    form.append("file", file, file.name);
    bar.hidden = false;
    const sent = await sendForm("upload", form, (share) => {
      bar.value = 100 * share;
      say(chip, "sending", { percent: Math.round(100 * share) });
    });
    const end = await follow(sent.data, (event) =>
      showState(chip, bar, why, { state: event.event, percent: event.percent, reason: event.reason }));
    if (!end) {
      say(why, "lost");
      bar.hidden = true;
    }
  } catch (problem) {
    failed(problem.message);
  }
}

async function work() {
  if (active >= AT_ONCE) return;
  const next = waiting.shift();
  if (!next) return;
  active += 1;
  await upload(...next);
  active -= 1;
  dismissible(next[2]);
  work();
  list();
}

function dismissible({ row }) {
  const dismiss = label(el("button", { type: "button", class: "quiet icon" }, "×"), "dismiss");
  dismiss.addEventListener("click", () => row.remove());
  row.firstElementChild.append(dismiss);
}

function enqueue(files) {
  const given = Object.fromEntries([...new FormData($("upload"))].filter(([, value]) => value.trim()));
  // If the user chose no project, none is sent: the server takes the only project of the key, or that of each record.
  const common = {
    ...(project() ? { project_id: project() } : {}), ...(given.doc_type ? { doc_type: given.doc_type } : {}),
  };
  for (const file of files) {
    const chip = sentence("span", { class: "chip queued", role: "status" }, "waiting");
    const bar = label(el("progress", { max: 100, value: 0 }), "processing");
    const why = el("p", { class: "why" });
    const row = el("li", { class: "row" },
      el("div", { class: "line" }, el("span", { class: "name" }, file.name), chip), bar, why);
    bar.hidden = true;
    $("uploads").append(row);
    waiting.push([file, files.length === 1 ? { ...given, ...common } : common, { row, chip, bar, why }]);
    work();
  }
  $("upload").reset();
}

function documentRow(found) {
  const chip = el("span", { class: "chip" });
  const bar = label(el("progress", { max: 100 }), "processing");
  const why = el("p", { class: "why" });
  const hasFile = found.sha256 !== "" && found.filename;
  const remove = label(sentence("button", { type: "button", class: "quiet small" }, "remove"), "removeOf",
    { title: nameOf(found) });
  const row = el("li", { class: "row" },
    el("div", { class: "line" },
      hasFile ? fileLink(found, null, { class: "name" }, nameOf(found)) : el("span", { class: "name" }, nameOf(found)),
      chip, remove),
    meta({ ...found, filename: found.title ? found.filename : "" }),
    found.records ? sentence("p", { class: "meta" }, "records", found.records) : null,
    bar, why);
  showState(chip, bar, why, found);
  remove.addEventListener("click", () => removeDocument(found, row));
  return row;
}

async function removeDocument(found, row) {
  say($("confirm-text"), "removeSure", { title: nameOf(found) });
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    await call("DELETE", addressOf(found, "documents"));
    row.remove();
    say($("documents-note"), "deleted");
    $("reload").focus();
  } catch (problem) {
    plain($("documents-note"), problem.message).classList.add("bad");
  }
}

/** Adds projects to the suggestions of the project field. */
function suggestProjects(seen) {
  const known = [...$("projects").children].map((option) => option.value);
  $("projects").replaceChildren(...[...new Set([...known, ...seen])].sort().map((value) => el("option", { value })));
}

/** Shows the first page of the list or, if `further`, also the next page. */
export async function list(further = false) {
  const mine = ++round;
  const note = $("documents-note");
  if (!further) cursor = null;
  const asked = new URLSearchParams({ limit: 30 });
  if (project()) asked.set("project_id", project());
  if ($("state").value) asked.set("state", $("state").value);
  if (cursor) asked.set("cursor", cursor);
  try {
    const page = await getJson(`documents?${asked}`);
    if (mine !== round) return; // a later request has been made meanwhile
    const rows = page.documents.map(documentRow);
    if (further) $("documents").append(...rows);
    else $("documents").replaceChildren(...rows);
    cursor = page.next_cursor;
    $("more").hidden = !cursor;
    note.classList.remove("bad");
    if ($("documents").children.length) plain(note, "");
    else say(note, "noDocuments");
    suggestProjects(page.documents.map((found) => found.project_id));
  } catch (problem) {
    if (mine !== round) return;
    $("documents").replaceChildren();
    $("more").hidden = true;
    plain(note, problem.message).classList.add("bad");
  }
}

export function startDocuments(chosen) {
  project = chosen;
  const drop = $("drop");
  $("files").addEventListener("change", (event) => enqueue([...event.target.files]));
  $("upload").addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    enqueue([...event.dataTransfer.files]);
  });
  // Otherwise the browser would open a file that is dropped beside the field, in place of this page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  $("reload").addEventListener("click", () => list());
  $("state").addEventListener("change", () => list());
  $("more").addEventListener("click", () => list(true));
  $("project").addEventListener("change", () => list());
  list();
}
