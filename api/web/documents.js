// Uploads with their progress, and the list of documents.

import { call, callJson, events, sendForm } from "./http.js";
import { currentLanguage, label, plain, say } from "./text.js";
import { $, addressOf, el, fileLink, fullNameOf, meta, nameOf, sentence } from "./view.js";

const FINAL = ["indexed", "failed", "superseded", "deleted"];
const AT_ONCE = 2;
const RETRIES = 5;
const A_DAY = 86_400;
let project = () => "";

let cursor = null;
let round = 0;
let pages = 0; // how many pages the list shows
let extended = false; // whether the list shows more than its first page, or was asked to

/** The files under "uploads", in their order. */
const items = new Set();
let sending = 0;
let following = 0;
let asking = 0;
let held = null; // the timer that ends a pause in sending

const after = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Shows a state. Screen readers are told of a file's new state, but not of every percent. */
function mark(item, state, values, key = state) {
  say(item.chip, key, values);
  item.bar.hidden = state !== "sending" && state !== "processing";
  if (item.state === state) return;
  item.state = state;
  item.chip.className = `chip ${state}`;
  if (!items.has(item)) return;
  plain($("status"), `${item.file.name}: ${item.chip.textContent}`);
  showClear();
}

/** A failed upload is not done: its row says why, and may offer to send it again. */
const isDone = ({ state }) => FINAL.includes(state) && state !== "failed";

/** Shows the button that dismisses all uploads that are done, if there are several. */
function showClear() {
  $("clear").hidden = [...items].filter(isDone).length < 2;
}

function forget(item) {
  item.stop.abort();
  items.delete(item);
  item.row.remove();
  showClear();
}

function showState(item, { state, percent, reason }) {
  if (state === "processing" && percent) mark(item, state, { percent }, "processingAt");
  else mark(item, state);
  item.bar.value = percent ?? 0;
  plain(item.why, reason ?? "").classList.toggle("bad", state === "failed");
}

/**
 * Yields the states of an accepted document. A browser opens only six connections to a host, so few documents are
 * followed by their events. The others are asked for in turn, one each second.
 */
async function* states({ sent, stop: { signal } }, live) {
  if (live) {
    const path = addressOf(sent, "documents", "/events");
    const response = await call("GET", path, { accept: "text/event-stream", signal });
    for await (const { data } of events(response)) yield { ...data, state: data.event };
  }
  while (!live) {
    await after(asking);
    yield await callJson("GET", addressOf(sent, "documents"), { signal });
  }
}

/** Shows the states of an accepted document until a final one; tries again when the connection breaks. */
async function follow(item, live) {
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    if (attempt) await after(attempt);
    try {
      for await (const found of states(item, live)) {
        attempt = 0;
        showState(item, found);
        if (FINAL.includes(found.state)) return;
      }
    } catch (problem) {
      if (problem.name === "AbortError" || [401, 403, 404].includes(problem.status)) throw problem;
    }
  }
  mark(item, "unknown");
  say(item.why, "lost");
}

async function track(item) {
  const live = following < AT_ONCE;
  if (live) following += 1;
  else asking += 1;
  try {
    showState(item, { state: "queued" });
    await follow(item, live);
  } catch (problem) {
    mark(item, "unknown"); // the document was accepted, whatever happens to it now
    plain(item.why, problem.message);
  }
  if (live) following -= 1;
  else asking -= 1;
  work();
}

async function send(item) {
  sending += 1;
  mark(item, "sending", { percent: 0 });
  plain(item.why, "");
  try {
    const form = new FormData();
    form.append("metadata", JSON.stringify(item.fields)); // before the file: the server reads the parts in order
    form.append("file", item.file, item.file.name);
    const reply = await sendForm("upload", form, (share) => {
      item.bar.value = 100 * share;
      mark(item, "sending", { percent: Math.round(100 * share) });
    }, item.stop.signal);
    item.sent = reply.data;
    track(item);
  } catch (problem) {
    plain(item.why, problem.message).classList.add("bad");
    if (problem.status === 429 || problem.status === 503) {
      const seconds = Math.min(Math.max(Number(problem.retryAfter) || 30, 1), A_DAY);
      const time = new Date(Date.now() + 1000 * seconds);
      mark(item, "waiting", { time: time.toLocaleTimeString(currentLanguage(), { timeStyle: "short" }) }, "waitUntil");
      hold(seconds);
    } else if (problem.status === 401) {
      mark(item, "waiting");
      hold(A_DAY); // or until the user has signed in
    } else {
      mark(item, "failed");
      item.retry.hidden = false;
      const readable = () => item.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
      if (problem.status === 0 && !await readable()) say(item.why, "noFile"); // the network is not to blame
    }
  }
  sending -= 1;
  work();
}

/** Sends what waits, in its order. When nothing is under way any more, the list is refreshed, unless it is extended. */
function work() {
  for (const item of items) {
    if (!held && sending < AT_ONCE && item.state === "waiting") send(item);
  }
  if (!sending && !following && !asking && !extended) list();
}

function hold(seconds) {
  clearTimeout(held);
  held = setTimeout(resume, 1000 * seconds);
}

function resume() {
  clearTimeout(held);
  held = null;
  work();
}

// If the user chose no project, none is sent: the server takes the only project of the key, or that of each record.
const inProject = () => (project() ? { project_id: project() } : {});

function enqueue(files) {
  if (!files.length) return;
  const typed = Object.fromEntries([...new FormData($("upload"))].filter(([, value]) => value.trim()));
  const fields = { ...typed, ...inProject() };
  if (files.length > 1) for (const own of ["title", "number", "revision"]) delete fields[own];
  for (const file of files) add(file, fields);
  $("upload").reset();
  work();
}

function add(file, fields) {
  const chip = sentence("span", { class: "chip" }, "waiting");
  const bar = label(el("progress", { max: 100, value: 0, hidden: "hidden" }), "processing");
  const why = el("p", { class: "why" });
  const retry = sentence("button", { type: "button", class: "quiet small", hidden: "hidden" }, "retry");
  const dismiss = label(el("button", { type: "button", class: "quiet icon" }, "×"), "dismiss", { title: file.name });
  const row = el("li", { class: "row" },
    el("div", { class: "line" }, el("span", { class: "name" }, file.name), chip, retry, dismiss), bar, why);
  const item = { file, fields, row, chip, bar, why, retry, state: "waiting", stop: new AbortController() };
  retry.addEventListener("click", () => {
    dismiss.focus(); // the button that was pressed disappears
    retry.hidden = true;
    item.fields = { ...inProject(), ...item.fields };
    mark(item, "waiting");
    plain(why, "");
    work();
  });
  dismiss.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    forget(item);
    (next?.querySelector(".icon") ?? $("files")).focus();
  });
  items.add(item);
  $("uploads").append(row);
}

function documentRow(found) {
  const chip = el("span", { class: "chip" });
  const bar = label(el("progress", { max: 100 }), "processing");
  const why = el("p", { class: "why" });
  const hasFile = Boolean(found.sha256 !== "" && found.filename);
  const remove = label(sentence("button", { type: "button", class: "quiet small" }, "remove"), "removeOf",
    { title: fullNameOf(found) });
  const row = el("li", { class: "row", id: addressOf(found, "documents") },
    el("div", { class: "line" },
      fileLink({ ...found, has_file: hasFile }, null, { class: "name" }, nameOf(found)), chip, remove),
    meta({ ...found, filename: found.title ? found.filename : "" }),
    found.records ? sentence("p", { class: "meta" }, "records", found.records) : null,
    bar, why);
  showState({ chip, bar, why }, found);
  remove.addEventListener("click", () => removeDocument(found));
  return row;
}

async function removeDocument(found) {
  say($("confirm-text"), "removeSure", { title: fullNameOf(found) });
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return;
  say($("documents-note"), "deleting").classList.remove("bad"); // the answer can take seconds
  try {
    const address = addressOf(found, "documents");
    const { status } = await callJson("DELETE", address);
    const gone = status !== "accepted";
    say($("documents-note"), gone ? "deleted" : "deleting").classList.remove("bad");
    if (!gone) return;
    $(address)?.remove(); // found only now: the list may have been loaded again meanwhile
    if (document.activeElement === document.body) $("reload").focus(); // the button that was pressed has disappeared
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
async function list(further = false) {
  const mine = ++round;
  const note = $("documents-note");
  extended = further;
  if (!further) cursor = null;
  const asked = new URLSearchParams({ limit: 30 });
  if (project()) asked.set("project_id", project());
  if ($("state").value) asked.set("state", $("state").value);
  if (cursor) asked.set("cursor", cursor);
  $("documents").setAttribute("aria-busy", "true");
  try {
    const page = await callJson("GET", `documents?${asked}`);
    if (mine !== round) return; // a later request has been made meanwhile
    const rows = page.documents.map(documentRow);
    // The node with the focus may disappear: the keyboard goes on in the same row, or in the first one of "Show more".
    const focused = document.activeElement;
    const at = focused.closest("#documents > li")?.id;
    const next = further && focused === $("more") ? rows[0] : rows.find(({ id }) => id === at);
    if (further) $("documents").append(...rows);
    else $("documents").replaceChildren(...rows);
    next?.querySelector("a, button").focus({ preventScroll: true });
    cursor = page.next_cursor;
    pages = further ? pages + 1 : 1;
    $("more").hidden = !cursor;
    note.classList.remove("bad");
    if ($("documents").children.length) plain(note, "");
    else say(note, "noDocuments");
    suggestProjects(page.documents.map((found) => found.project_id));
  } catch (problem) {
    if (mine !== round) return;
    if (!further) {
      $("documents").replaceChildren();
      $("more").hidden = true;
      pages = 0;
    }
    extended = pages > 1; // a further page that did not come stops no refresh
    plain(note, problem.message).classList.add("bad");
  } finally {
    if (mine === round) $("documents").removeAttribute("aria-busy");
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
  // Otherwise the browser would open a file that is dropped beside the field, in place of this page. A text may be dropped
  // into any field.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
  }
  $("clear").addEventListener("click", () => {
    for (const item of [...items].filter(isDone)) forget(item);
    ($("uploads").querySelector(".icon") ?? $("files")).focus(); // the button that was pressed disappears
  });
  $("reload").addEventListener("click", () => list());
  $("state").addEventListener("change", () => list());
  $("more").addEventListener("click", () => cursor && list(true));
  $("project").addEventListener("change", () => list());
  window.addEventListener("beforeunload", (event) => {
    if ([...items].some(({ state }) => state === "waiting" || state === "sending")) event.preventDefault();
  });
  window.addEventListener("access", ({ detail }) => {
    if (detail === "expired") return;
    if (detail === "out") {
      for (const item of items) forget(item);
      for (const id of ["status", "projects", "documents"]) $(id).replaceChildren();
      $("state").value = "";
    }
    list();
    if (held) resume();
  });
  list();
}
