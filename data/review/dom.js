"use strict";
// Elements and texts. No text ever becomes markup: each goes through a text node or an attribute,
// and Trusted Types forbid everything else.

const $ = (id) => document.getElementById(id);

// Control characters are shown as their pictures; what turns a line around or hides, as U+FFFD.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function visible(text) {
  return String(text).replace(HIDDEN, (c) => {
    if (c < " ") return String.fromCharCode(0x2400 + c.charCodeAt(0));
    return c === "\x7f" ? "\u2421" : "\ufffd";
  });
}

// make("p", {class: "soft", onclick: f}, "text", [children], null)
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  if (tag === "button") element.type = "button";
  element.append(...shown(children));
  return element;
}

function shown(children) {
  return children
    .flat(4)
    .filter((child) => child != null && child !== false)
    .map((child) => (child instanceof Node ? child : visible(child)));
}

const fill = (box, ...children) => box.replaceChildren(...shown(children));
const key = (name) => make("kbd", { "aria-hidden": "true" }, name);

const grouped = new Intl.NumberFormat("en");
const count = (number) => grouped.format(number);
const rowCount = (number) => `${count(number)} ${number === 1 ? "row" : "rows"}`;

// 0 % and 100 % are exactly that
function percent(share, unit = " %") {
  if (share > 0 && share < 0.01) return `under 1${unit}`;
  if (share < 1 && share > 0.99) return `over 99${unit}`;
  return `${(100 * share).toFixed(0)}${unit}`;
}

function marked(text, sought) {
  const low = text.toLowerCase(), wanted = sought.toLowerCase();
  if (!wanted || low.length !== text.length) return [text];
  const pieces = [];
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    pieces.push(text.slice(from, at), make("mark", null, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return [...pieces, text.slice(from)];
}
