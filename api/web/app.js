// Starts the parts of the page: language, views, project, sign-in.

import { startChat } from "./chat.js";
import { startDocuments } from "./documents.js";
import { call, callJson, session } from "./http.js";
import { currentLanguage, label, plain, relabel, say, switchLanguage } from "./text.js";
import { startSearch } from "./search.js";
import { $, inAddress, setAddress } from "./view.js";

function startLanguage() {
  const button = $("language");
  const show = () => {
    const other = currentLanguage() === "es" ? "en" : "es";
    button.textContent = other.toUpperCase();
    button.lang = other;
    button.setAttribute("aria-label", other === "en" ? "Switch to English" : "Cambiar a español");
  };
  button.addEventListener("click", () => {
    switchLanguage();
    show();
  });
  relabel();
  show();
}

function startViews() {
  const buttons = [...document.querySelectorAll(".views button")];
  // A wide page always shows the conversation beside the other views, so the view "chat" would show it twice.
  const wide = matchMedia("(min-width: 64rem)");
  const show = () => {
    const asked = inAddress("view");
    const known = buttons.some((button) => button.dataset.view === asked) && !(wide.matches && asked === "chat");
    const view = known ? asked : "search";
    $("main").dataset.view = view;
    for (const button of buttons) {
      if (button.dataset.view === view) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    }
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      setAddress("view", button.dataset.view === "search" ? "" : button.dataset.view);
      show();
    });
  }
  wide.addEventListener("change", show);
  window.addEventListener("popstate", show);
  show();
}

function startProject() {
  const field = $("project");
  field.value = inAddress("project") || (sessionStorage.getItem("project") ?? "");
  setAddress("project", field.value, "replaceState");
  const choose = (value) => {
    field.value = value;
    sessionStorage.setItem("project", value);
    setAddress("project", value, "replaceState");
  };
  field.addEventListener("change", () => choose(field.value.trim()));
  window.addEventListener("access", ({ detail }) => {
    if (detail === "out") choose("");
  });
  return () => field.value.trim();
}

function startAccess() {
  const dialog = $("account-dialog");
  const show = () => {
    const known = Boolean(session.token);
    if (!known) say($("account"), "signIn");
    else if (session.name) plain($("account"), session.name);
    else say($("account"), "withKey");
    if (known && session.name) say($("account-who"), "signedInAs", { name: session.name });
    else say($("account-who"), known ? "keyInUse" : "keptHere");
    // After a session has expired, its user can still sign out: the page goes on showing that user's work.
    $("sign-out").hidden = sessionStorage.getItem("who") === null;
  };
  const take = (token, name, who) => {
    session.set(token, name, who);
    for (const form of [$("key-form"), $("login-form")]) form.reset();
    dialog.close();
  };
  $("account").addEventListener("click", () => {
    plain($("account-note"), "");
    dialog.showModal();
  });
  $("account-close").addEventListener("click", () => dialog.close());
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = $("key").value.trim();
    // With an invisible or typographic character, for example, every call would fail as if there were no network.
    if (/^[\x21-\x7e]+$/.test(key)) take(key, "", key);
    else say($("account-note"), "badKey").classList.add("bad");
  });
  $("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    plain($("account-note"), ""); // of the attempt before: the same text twice would be read out only once
    try {
      const json = { email: $("email").value.trim(), password: $("password").value };
      const reply = await callJson("POST", "auth/login", { json });
      take(reply.access_token, reply.user?.full_name || json.email, json.email);
    } catch (problem) {
      plain($("account-note"), problem.detail ?? problem.message).classList.add("bad");
    }
  });
  $("sign-out").addEventListener("click", () => {
    // A login session (which has a name here) ends on the server too. An API key (without a name) stays valid. The page
    // forgets both, even when it is offline.
    if (session.name) call("POST", "auth/logout").catch(() => {});
    session.clear();
    dialog.close();
  });
  window.addEventListener("access", ({ detail }) => {
    if (detail === "out") for (const form of document.forms) form.reset();
    show();
  });
  label($("account-dialog"), "accountTitle");
  show();
}

// Each sign-out begins a new turn, and each address in the tab's history is marked with its turn. "Back" leads to no
// search of a turn before, because it may be another user's. An address without a mark was opened just now.
function markAddress({ state }) {
  const turn = sessionStorage.getItem("turn");
  history.replaceState(turn, "", state === null || state === turn ? location.href : location.pathname);
}
// A new tab, or one that the browser opened again without its storage, begins with the address that it shows.
const isNewTab = !sessionStorage.getItem("turn");
if (isNewTab) sessionStorage.setItem("turn", Date.now());
markAddress(isNewTab ? { state: null } : history);
window.addEventListener("popstate", markAddress);
window.addEventListener("access", ({ detail }) => detail === "out" && markAddress({ state: null }));
// "Back" may show a page from the browser's memory, as it was left.
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted && history.state !== sessionStorage.getItem("turn")) location.reload();
});

startLanguage();
startViews();
const project = startProject();
startAccess();
startSearch(project);
startDocuments(project);
startChat(project);

// After the search's own handler, which puts the query back: a change of project searches and lists again.
window.addEventListener("popstate", () => {
  if (project() === inAddress("project")) return;
  $("project").value = inAddress("project");
  $("project").dispatchEvent(new Event("change"));
});
