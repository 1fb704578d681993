// Talking to the api: one way to call it, one kind of error, and server-sent events over fetch (EventSource can send
// neither a key nor a body).

import { currentLanguage, t } from "./text.js";

export const session = {
  get token() { return sessionStorage.getItem("token") ?? ""; },
  get name() { return sessionStorage.getItem("name") ?? ""; },
  set(token, name) {
    sessionStorage.setItem("token", token);
    sessionStorage.setItem("name", name);
  },
  clear() {
    sessionStorage.removeItem("token");
    sessionStorage.removeItem("name");
  },
};

export class Problem extends Error {
  /** `detail` is the server's sentence; `message` may add what to do about it here. */
  constructor(status, detail, message = detail) {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/** The sentence of a failed reply, as the server worded it. */
export function problemOf(status, text) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // Not ours: a proxy's page, most likely.
  }
  const detail = typeof body.detail === "string" && body.detail ? body.detail : t("unreadable", { status });
  if (status === 401) return new Problem(status, detail, t("needsAccess", { detail }));
  if (status >= 500 && body.request_id) {
    return new Problem(status, detail, t("requestId", { detail, id: body.request_id }));
  }
  return new Problem(status, detail);
}

export function headers(more = {}) {
  const all = { "Accept-Language": currentLanguage(), ...more };
  if (session.token) all.Authorization = `Bearer ${session.token}`;
  return all;
}

export async function call(method, path, { json, accept = "application/json", signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: headers({ Accept: accept, ...(json ? { "Content-Type": "application/json" } : {}) }),
      body: json ? JSON.stringify(json) : undefined,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, t("offline"));
  }
  if (!response.ok) throw problemOf(response.status, await response.text());
  return response;
}

export const getJson = async (path, options) => (await call("GET", path, options)).json();

/** The events of a text/event-stream reply, as they arrive: {event, data}, with data parsed. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
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

/** Sends a form with its progress, which fetch does not tell. */
export function sendForm(path, form, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers({ Accept: "application/json" }))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new Problem(0, t("offline")));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(problemOf(request.status, request.responseText));
    };
    request.send(form);
  });
}
