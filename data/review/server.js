"use strict";
// The back end behind a server: every request carries the key that stood behind # in the address.

const backEnd = (() => {
  const KEY = "siftset review";
  const given = location.hash.slice(1);
  if (given) {
    // a reload finds it again; the address bar, a bookmark and the history do not hold it
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  const secret = given || sessionStorage.getItem(KEY) || "";

  async function send(path, options) {
    const answer = await fetch("/api/" + path, {
      ...options,
      headers: { "X-Siftset-Key": secret },
    });
    const kind = answer.headers.get("Content-Type") || "";
    if (answer.ok && kind.startsWith("application/json")) return answer.json();
    if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
    if (answer.status === 403) {
      throw Error("Open the address that siftset review printed: it holds the key of this session.");
    }
    throw Error(kind.startsWith("application/json") ? (await answer.json()).error : answer.statusText);
  }

  return {
    ask: (path, query = {}) => send(`${path}?${new URLSearchParams(query)}`),
    tell: (path, value) =>
      send(path, { method: "POST", body: value instanceof Uint8Array ? value : JSON.stringify(value) }),
  };
})();
