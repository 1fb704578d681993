// Calls of the api, with one kind of error. Server-sent events are read with fetch, because EventSource can send
// neither a key nor a body.

import { currentLanguage, t } from "./text.js";

/** Who uses the page. A change is told as the event "access" of the window; `detail` is "in", "out" or "expired". */
export const session = {
  get token() { return sessionStorage.getItem("token") ?? ""; },
  get name() { return sessionStorage.getItem("name") ?? ""; },
  /** `name` is shown; `who` tells users apart: two may have the same name, and keys have none. */
  set(token, name, who) {
    const last = sessionStorage.getItem("who");
    if (last !== null && last !== who) this.clear();
    for (const [key, value] of Object.entries({ token, name, who })) sessionStorage.setItem(key, value);
    window.dispatchEvent(new CustomEvent("access", { detail: "in" }));
  },
  clear(detail = "out") {
    sessionStorage.removeItem("token");
    sessionStorage.removeItem("name");
    // When a session expires, the page remembers whose it was: only the same user goes on with what is on the page.
    if (detail === "out") {
      sessionStorage.removeItem("who");
      sessionStorage.setItem("turn", Date.now());
    }
    window.dispatchEvent(new CustomEvent("access", { detail }));
  },
};

export class Problem extends Error {
  /** `detail` is the server's sentence; `message` may also say what to do on this page. An upload sets `retryAfter`. */
  constructor(status, detail, message = detail) {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/**
 * Returns the error of a failed response, with the server's sentence if there is one. If the server no longer accepts
 * the token that was sent, the page forgets it.
 */
function problemOf(status, text, token) {
  if (status === 401 && token && token === session.token) session.clear("expired");
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // The body is not JSON, so it is probably the error page of a proxy.
  }
  const detail = typeof body.detail === "string" && body.detail ? body.detail : t("unreadable", { status });
  if (status === 401) return new Problem(status, detail, t("needsAccess", { detail }));
  if (status >= 500 && body.request_id) {
    return new Problem(status, detail, t("requestId", { detail, id: body.request_id }));
  }
  return new Problem(status, detail);
}

function headers(more = {}) {
  const all = { "Accept-Language": currentLanguage(), ...more };
  if (session.token) all.Authorization = `Bearer ${session.token}`;
  return all;
}

/** Waits for the network. A broken connection becomes a Problem in the page's language. */
export async function online(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, t("offline"));
  }
}

export async function call(method, path, { json, accept = "application/json", signal } = {}) {
  const token = path === "auth/login" ? "" : session.token; // a wrong password says nothing about the token
  const response = await online(fetch(path, {
    method,
    signal,
    headers: headers({ Accept: accept, ...(json ? { "Content-Type": "application/json" } : {}) }),
    body: json ? JSON.stringify(json) : undefined,
  }));
  if (!response.ok) throw problemOf(response.status, await online(response.text()), token);
  return response;
}

export const callJson = async (method, path, options) => online((await call(method, path, options)).json());

/** Reads the body of a response and reports the progress: how many bytes have arrived, of how many (0 if unknown). */
export function readBlob(response, progress) {
  const total = Number(response.headers.get("Content-Length"));
  let received = 0;
  const counted = response.body.pipeThrough(new TransformStream({
    transform(part, out) {
      received += part.length;
      progress(received, total);
      out.enqueue(part);
    },
  }));
  return online(new Response(counted, response).blob());
}

/** Yields the events of a text/event-stream response as they arrive: {event, data}, with data parsed from JSON. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await online(reader.read());
    if (done) return;
    rest += value;
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r(?!\n)/);
    rest = blocks.pop();
    for (const block of blocks) {
      const found = { event: "message", data: [] };
      for (const line of block.split(/\r\n|\n|\r/)) {
        const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "event") found.event = text;
        if (field === "data") found.data.push(text);
      }
      if (found.data.length) yield { event: found.event, data: JSON.parse(found.data.join("\n")) };
    }
  }
}

/** Sends a form and reports the progress. It uses XMLHttpRequest, because fetch reports no progress of uploads. */
export function sendForm(path, form, progress, signal) {
  return new Promise((resolve, reject) => {
    const { token } = session;
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers({ Accept: "application/json" }))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new Problem(0, t("offline")));
    request.onabort = () => reject(signal.reason);
    request.onload = () => {
      const { status, responseText } = request;
      try {
        if (status >= 200 && status < 300) return resolve(JSON.parse(responseText));
      } catch {
        // No answer of the api; refused below.
      }
      const problem = problemOf(status, responseText, token);
      problem.retryAfter = request.getResponseHeader("Retry-After");
      reject(problem);
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
