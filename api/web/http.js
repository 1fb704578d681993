// Calls of the api, with one kind of error. Server-sent events are read with fetch, because EventSource can send
// neither a key nor a body.

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
  /** `detail` is the server's sentence; `message` may also say what to do on this page. */
  constructor(status, detail, message = detail) {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/** Returns the error of a failed response, with the server's sentence if there is one. */
export function problemOf(status, text) {
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

/** Yields the events of a text/event-stream response as they arrive: {event, data}, with data parsed from JSON. */
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

/** Sends a form and reports the progress. It uses XMLHttpRequest, because fetch reports no progress of uploads. */
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
