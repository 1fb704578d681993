// The conversation: a question, the answer as it is written, its sources.

import { call, callJson, events } from "./http.js";
import { plain, say } from "./text.js";
import { $, el, fileLink, meta, nameOf, sentence, snippetOf } from "./view.js";

let conversation = sessionStorage.getItem("conversation") ?? "";
let writing = null;

function remember(id) {
  conversation = id ?? "";
  sessionStorage.setItem("conversation", conversation);
}

/** Shows the answer in the node; each citation [n] becomes a link to the page of source n. */
function cited(node, answer, sources) {
  const byNumber = new Map(sources.map((source) => [String(source.citation), source]));
  node.replaceChildren(...answer.split(/(\[\d+\])/).map((piece) => {
    const source = byNumber.get(/^\[(\d+)\]$/.exec(piece)?.[1]);
    return source ? fileLink(source, source.page, { class: "cite" }, piece) : piece;
  }));
}

function sourceList(sources) {
  if (!sources.length) return null;
  return el("details", { class: "sources", open: sources.length <= 3 ? "open" : null },
    sentence("summary", {}, "sources"),
    el("ol", {}, ...sources.map((source) => el("li", { value: source.citation },
      fileLink(source, source.page, { class: "name" }, nameOf(source)),
      meta({ number: source.number, revision: source.revision }, source.page),
      el("p", snippetOf(source), source.snippet ?? "")))));
}

function turn(question) {
  const answer = el("div", { class: "answer-text" });
  const said = el("article", { class: "answer" }, sentence("h2", { class: "unseen" }, "answer"), answer);
  $("chat-help")?.remove();
  $("log").append(
    el("article", { class: "question" }, sentence("h2", { class: "unseen" }, "you"), el("p", {}, question)), said);
  $("log").scrollTop = $("log").scrollHeight;
  return { said, answer };
}

function finish({ said, answer }, full) {
  const sources = full.sources ?? [];
  cited(answer, full.answer ?? "", sources);
  if (full.notice) said.append(el("p", { class: "note" }, full.notice));
  const list = sourceList(sources);
  if (list) said.append(list);
}

/** Shows one button in the place of another. If that one has the focus, the field gets it: a hidden node would lose it. */
function swap(hidden, shown) {
  $(shown).hidden = false;
  if (document.activeElement === $(hidden)) $("message").focus();
  $(hidden).hidden = true;
}

async function ask(message, project) {
  const shown = turn(message);
  const { answer } = shown;
  say(answer, "thinking").classList.add("pending");
  writing = new AbortController();
  const log = $("log");
  log.setAttribute("aria-busy", "true"); // read out once, when it is whole
  swap("send", "stop");
  let follows = true; // Only while the end of the log is in sight: a user who has scrolled up to read stays there.
  let text = "";
  try {
    const json = { message, project_id: project || null, conversation_id: conversation || null };
    const response = await call("POST", "chat", { json, accept: "text/event-stream", signal: writing.signal });
    for await (const { event, data } of events(response)) {
      follows = log.scrollHeight - log.scrollTop - log.clientHeight < 160;
      if (event === "token") {
        text = (data.restart ? "" : text) + (data.text ?? ""); // after a restart, what came before is void
        plain(answer, text).classList.remove("pending");
      } else if (event === "done") {
        answer.classList.remove("pending");
        remember(data.conversation_id);
        delete answer.dataset.t;
        finish(shown, data);
        return; // The answer is whole, however the connection ends.
      } else if (event === "error") {
        throw new Error(data.detail ?? data.error);
      }
      if (follows) log.scrollTop = log.scrollHeight;
    }
    throw new Error();
  } catch (problem) {
    answer.classList.remove("pending");
    plain(answer, text);
    const why = problem.name === "AbortError" ? sentence("p", { class: "note" }, "stopped")
      : problem.message ? el("p", { class: "note bad", role: "alert" }, problem.message)
        : sentence("p", { class: "note bad", role: "alert" }, "offline");
    shown.said.append(why);
    // Nothing was answered: the question can be sent again.
    if (!text && problem.name !== "AbortError" && !$("message").value) $("message").value = message;
  } finally {
    writing = null;
    log.removeAttribute("aria-busy");
    swap("stop", "send");
    if (follows) log.scrollTop = log.scrollHeight;
  }
}

function clear() {
  $("log").replaceChildren(sentence("p", { class: "note", id: "chat-help" }, "chatHelp"));
}

function forget() {
  writing?.abort();
  remember("");
  clear();
}

/** Shows the conversation again, after the page was reloaded or the user has signed in. */
async function restore() {
  if (!conversation) return;
  const wanted = conversation;
  const overtaken = () => conversation !== wanted || $("log").querySelector(".question");
  try {
    const { history } = await callJson("GET", `history/${encodeURIComponent(wanted)}`);
    if (overtaken()) return;
    for (const past of history) finish(turn(past.question), past);
  } catch (problem) {
    if (!overtaken()) $("log").append(el("p", { class: "note bad", role: "alert" }, problem.message));
  }
}

export function startChat(project) {
  const message = $("message");
  const submit = () => {
    const text = message.value.trim();
    if (!text || writing) return;
    message.value = "";
    ask(text, project());
  };
  $("chat").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  // The second click of a double click on "send" comes here, because this button has taken its place.
  $("stop").addEventListener("click", (event) => event.detail > 1 || writing?.abort());
  $("new-chat").addEventListener("click", () => {
    forget();
    message.focus();
  });
  window.addEventListener("access", ({ detail }) => {
    if (detail === "out") forget();
    if (detail === "in" && !writing) {
      clear();
      restore();
    }
  });
  restore();
}
