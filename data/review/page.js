"use strict";
// The page: what is looked at, the list, the keys. `backEnd` answers, from a server or a file.

const EMPTY = { queue: "", q: "", facets: {}, signals: [], selection: "", region: null };
const TITLES = { part: "Outcome", label: "Label", why: "Reason", file: "File", "by hand": "By hand" };
const page = {
  state: null, filter: structuredClone(EMPTY), rows: [], total: 0, at: 0,
  lone: null, // a row that is looked at without being in the list
  detail: null, editing: false, reason: "", loading: 0, fetching: false,
};
const query = () => {
  const { queue, q, facets, signals, selection, region } = page.filter;
  const asked = {};
  if (queue) asked.queue = queue;
  if (q) asked.q = q;
  if (Object.values(facets).some((values) => values.length)) asked.facets = facets;
  if (signals.length) asked.signals = signals;
  if (selection) asked.selection = selection;
  if (region !== null) asked.region = region;
  return asked;
};
const filtered = () => JSON.stringify(query());
const chosenQueue = () => page.state.queues.find((one) => one.name === page.filter.queue);
const current = () => page.lone || page.rows[page.at];
const tell = (words) => { $("told").textContent = words; };
const isPhone = () => getComputedStyle(document.querySelector("nav.tabs")).display !== "none";

function complain(error) {
  $("notice").hidden = !error;
  if (error) fill($("notice"), error.message || String(error));
}

// What fails is said in one place; nothing is drawn as if it had been saved.
async function attempt(work) {
  try {
    const found = await work();
    complain(null);
    return found;
  } catch (error) {
    complain(error);
    return null;
  }
}

async function start() {
  page.state = await backEnd.ask("state");
  const { name, version, rows, by, queues } = page.state;
  $("name").textContent = visible(name);
  document.title = `Review · ${visible(name)}`;
  $("about").textContent = visible([`version ${version}`, rowCount(rows), by].filter(Boolean).join(" · "));
  if (queues.some((queue) => queue.name === "doubt")) page.filter.queue = "doubt";
  drawTally();
  drawNotes();
  await load();
  if (page.state.preparing) setTimeout(poll, 700);
  if (page.state.has_map) await mapView.open();
}

// Queues and the map come while somebody looks already.
async function poll() {
  try {
    const had = page.state.has_map;
    page.state = await backEnd.ask("state");
    drawTally();
    drawNotes();
    if (page.state.has_map && !had) await mapView.open();
    if (!$("alike").hasChildNodes()) showAlike(current());
  } catch (error) {
    complain(error);
  }
  if (page.state.preparing) setTimeout(poll, 1500);
}

// ---- at the top and at the left

function takeTally(answer) {
  for (const name of ["decided", "counts", "estimates", "queues"]) page.state[name] = answer[name];
  drawTally();
}

function drawTally() {
  const { decided, counts, queues, rows, preparing } = page.state;
  $("decided").textContent = count(decided);
  const queue = chosenQueue();
  const share = queue ? queue.done / Math.max(1, queue.rows) : decided / Math.max(1, rows);
  $("meter").style.width = `${100 * share}%`;
  const words = Object.entries(counts).map(([word, number]) => `${count(number)} ${word}`);
  $("counts").textContent = words.join(" · ") || "nothing decided yet";
  fill($("queues"), queues.map(drawQueue));
  $("preparing").hidden = !preparing;
  if (preparing) {
    const done = preparing.share ? `, ${percent(preparing.share)}` : "";
    $("preparing").textContent = `Looking for ${preparing.step}${done} …`;
  }
}

function drawQueue(queue) {
  const chosen = page.filter.queue === queue.name, found = page.state.estimates[queue.name];
  const done = queue.done ? `${count(queue.done)} / ${count(queue.rows)}` : count(queue.rows);
  const word = queue.name === "random_kept" ? "right" : "wanted";
  return [
    make("button", {
      class: "queue", "aria-pressed": String(chosen), title: queue.about,
      onclick: () => choose({ queue: chosen ? "" : queue.name }),
    }, make("span", null, queue.title), make("span", { class: "n" }, done)),
    found && make("p", { class: "estimate", title: `${found.part} of ${found.seen} seen; 95 % interval` },
      make("b", null, percent(found.part / found.seen)),
      ` ${word}, ${percent(found.low, "")} to ${percent(found.high)}`),
  ];
}

function drawFacets({ facets, signals }) {
  const boxes = facets.filter((facet) => facet.values.length).map((facet) => {
    const on = page.filter.facets[facet.name] || [];
    return [
      make("h3", null, TITLES[facet.name] || facet.name[0].toUpperCase() + facet.name.slice(1)),
      facet.values.slice(0, 12).map(({ value, rows }) =>
        facetButton(value === null ? "none" : value, rows, on.includes(value), () =>
          choose({ facets: { ...page.filter.facets, [facet.name]: flip(on, value) } }),
        facet.name === "part" && DOT[value])),
    ];
  });
  const says = signals.length && [
    make("h3", null, "Signal says yes"),
    signals.map(({ name, rows }) =>
      facetButton(name, rows, page.filter.signals.includes(name), () =>
        choose({ signals: flip(page.filter.signals, name) }))),
  ];
  fill($("facets"), boxes, says);
}

// An outcome carries the dot that its rows have in the list.
const facetButton = (name, rows, on, onclick, dot) =>
  make("button", { class: "facet", "aria-pressed": String(on), onclick },
    make("span", { title: name }, dot && make("span", { class: `dot ${dot}` }), name),
    make("span", { class: "n" }, count(rows)));
const flip = (list, value) => (list.includes(value) ? list.filter((one) => one !== value) : [...list, value]);

function drawNotes() {
  const { notes, warnings, orphaned } = page.state;
  const lines = [...notes, ...warnings];
  if (orphaned) lines.push(`${count(orphaned)} decisions are about rows that the source no longer has`);
  fill($("notes"), lines.map((line) => make("p", { class: "aside" }, line)));
}

// ---- the rows

async function choose(change) {
  Object.assign(page.filter, change);
  page.at = 0;
  page.editing = false;
  drawTally();
  await attempt(load);
}

async function load() {
  const mine = ++page.loading, asked = { filter: filtered() };
  const [found, counted] = await Promise.all([
    backEnd.ask("rows", { ...asked, offset: 0, limit: 60 }),
    backEnd.ask("facets", asked),
  ]);
  if (mine !== page.loading) return; // somebody typed on
  page.rows = found.rows;
  page.total = found.total;
  page.lone = null;
  const open = page.filter.queue ? page.rows.findIndex((row) => !row.decision) : 0;
  page.at = Math.max(0, open);
  drawFacets(counted);
  drawList();
  drawChips();
  focusRow();
  mapView.light(asked);
}

async function loadMore() {
  if (page.fetching || page.rows.length >= page.total) return;
  page.fetching = true;
  const mine = page.loading;
  await attempt(async () => {
    const found = await backEnd.ask("rows", { filter: filtered(), offset: page.rows.length, limit: 60 });
    if (mine !== page.loading) return;
    const from = page.rows.length;
    page.rows.push(...found.rows);
    $("list").append(...found.rows.map((row, at) => listItem(row, from + at)));
  });
  page.fetching = false;
}

function listItem(row, at) {
  const text = textOf(row);
  return make("li", {
    id: `row-${at}`, role: "option", class: row.decision ? "done" : null,
    "aria-selected": String(at === page.at), onclick: () => { go(at); if (isPhone()) showTab("row"); },
  }, make("span", { class: `dot ${DOT[row.part]}`, title: row.part, role: "img", "aria-label": row.part }),
  make("span", { class: "t" }, text === null ? "null" : text),
  row.decision ? decisionPill(row.decision) : make("span", { class: "faint small" }, row.label ?? ""));
}

function drawList() {
  const queue = chosenQueue();
  $("what").textContent = queue ? queue.title : "Rows";
  $("total").textContent = count(page.total) + (queue ? ` · ${queue.about}` : "");
  fill($("list"), page.rows.length ? page.rows.map(listItem) : make("li", { class: "none" }, "No row is like that."));
  $("list").scrollTop = 0;
  keepInView();
  if ($("list").scrollTop) $("list").scrollTop += $("list").clientHeight / 2; // what comes next is seen too
}

function drawChips() {
  const { facets, signals, q, selection, region } = page.filter, chips = [];
  const chip = (words, onclick) => chips.push(
    make("button", { class: "chip", "aria-label": `Remove ${words}`, onclick }, words));
  for (const [name, values] of Object.entries(facets)) {
    for (const value of values) {
      chip(value === null ? `no ${name}` : value, () => choose({ facets: { ...facets, [name]: flip(values, value) } }));
    }
  }
  for (const name of signals) chip(name, () => choose({ signals: flip(signals, name) }));
  if (q) chip(`“${q}”`, () => { $("search").value = ""; choose({ q: "" }); });
  if (selection) chip("lasso", () => { mapView.forget(); choose({ selection: "" }); });
  if (region !== null) chip(mapView.nameOf(region), () => choose({ region: null }));
  fill($("chips"), chips);
  drawBulk(chips.length > 0 && page.total > 1);
}

function drawBulk(is) {
  $("bulk").hidden = !is;
  if (!is) return;
  const all = (verb, words) => make("button", { onclick: () => decideAll(verb) }, words);
  fill($("bulk"),
    make("span", null, make("b", null, count(page.total)), " rows chosen"),
    make("span", { class: "grow" }),
    page.total <= page.state.bulk
      ? [all("keep", "Keep all"), all("drop", "Drop all"), page.state.labels.length > 0 && all("relabel", "Label all")]
      : make("span", { class: "soft small" }, `more than ${count(page.state.bulk)}: a rule says it better`),
    backEnd.proposes !== false && make("button", { class: "primary", onclick: proposeRules }, "Propose a rule"));
}

function go(at) {
  if (at < 0 || at >= page.rows.length) return;
  const before = $(`row-${page.at}`);
  if (before) before.setAttribute("aria-selected", "false");
  page.at = at;
  page.lone = null;
  page.editing = false;
  $(`row-${at}`).setAttribute("aria-selected", "true");
  keepInView();
  focusRow();
  if (at > page.rows.length - 15) loadMore();
}

function keepInView() {
  const list = $("list"), item = $(`row-${page.at}`);
  if (!item) return;
  list.setAttribute("aria-activedescendant", item.id);
  const top = item.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  const low = top + item.offsetHeight - list.clientHeight;
  if (low > list.scrollTop) list.scrollTop = low;
}

// ---- one row

function focusRow() {
  const row = current();
  page.detail = null;
  page.reason = (row && row.decision && row.decision.reason) || "";
  drawOne();
  mapView.draw();
  if (!row) return;
  tell(`Row ${count(page.at + 1)} of ${count(page.total)}. ${row.text ?? "null"}`);
  // a person who holds the arrow key down asks for the last row only
  clearTimeout(page.waiting);
  page.waiting = setTimeout(() => attempt(() => showDetail(row)), 40);
}

async function showDetail(row) {
  const detail = await backEnd.ask("row", { row: row.row });
  if (current() !== row) return;
  page.detail = detail;
  if (!page.editing) drawOne();
  await showAlike(row);
}

async function showAlike(row) {
  if (!row) return;
  const rows = await backEnd.ask("alike", { row: row.row });
  if (current() === row && rows.length) fill($("alike"), alikeList(rows, openAlone));
}

function openAlone(row) {
  const at = page.rows.findIndex((one) => one.row === row.row);
  if (at >= 0) return go(at);
  page.lone = row;
  page.editing = false;
  focusRow();
}

function drawOne() {
  const row = current(), box = $("one");
  if (!row) return fill(box, make("p", { class: "soft" }, "No row to look at: choose others at the left."));
  const writing = document.activeElement && document.activeElement.id === "reason";
  if (writing) page.reason = $("reason").value;
  fill(box, drawRow(row, {
    detail: page.detail, editing: page.editing, sought: page.filter.q, labels: page.state.labels,
    reason: page.reason, queue: (chosenQueue() || {}).title, act: { decide, edit: page.state.edits && startEdit, save: saveEdit, leave: leaveEdit },
  }));
  if (writing) $("reason").focus();
}

async function decide(decision, more = {}) {
  const row = current();
  if (!row) return;
  if (decision === "relabel" && more.label === row.label) [decision, more] = ["keep", {}]; // confirmed
  const reason = $("reason").value.trim();
  const filter = page.filter.queue && !page.lone ? { queue: page.filter.queue } : {};
  const answer = await attempt(() => backEnd.tell("decide", { row: row.row, filter, decision, ...more, reason }));
  if (!answer) return;
  row.decision = { decision, ...more, reason, by: page.state.by, at: new Date().toISOString(), state: "applied" };
  mapView.decided([row.row], decision);
  takeTally(answer);
  page.editing = false;
  tell(`${DONE[decision][0]}${more.label ? ` as ${more.label}` : ""}.`);
  if (page.lone) {
    page.lone = null;
    return focusRow();
  }
  $(`row-${page.at}`).replaceWith(listItem(row, page.at));
  if (page.at + 1 < page.rows.length) go(page.at + 1);
  else focusRow();
}

async function undo() {
  const answer = await attempt(() => backEnd.tell("undo", {}));
  if (!answer) return;
  takeTally(answer);
  if (!answer.count) return tell("Nothing to take back.");
  mapView.decided(answer.undone, "");
  await load();
  const at = page.rows.findIndex((row) => row.row === answer.undone[0]);
  if (at >= 0) go(at);
  tell(`Took back the decision about ${rowCount(answer.count)}.`);
}

function startEdit() {
  if (!current() || !page.state.edits) return;
  page.editing = true;
  drawOne();
  // a list holds the beginning of a long text only
  $("text").value = textOf(page.detail || current()) ?? "";
  $("text").disabled = !page.detail;
  $("text").focus();
}

async function saveEdit() {
  if (page.detail) await decide("edit", { text: $("text").value });
}

function leaveEdit() {
  page.editing = false;
  drawOne();
}

// ---- keys and the rest

function showTab(name) {
  document.body.dataset.tab = name;
  for (const button of document.querySelectorAll("nav.tabs button")) {
    button.setAttribute("aria-pressed", String(button.dataset.tab === name));
  }
  if (name === "map") mapView.draw();
}

const KEYS = {
  k: () => decide("keep"), d: () => decide("drop"), s: () => decide("skip"), e: startEdit, z: undo,
  r: () => $("reason") && $("reason").focus(), l: () => mapView.toggleLasso(), 0: () => mapView.fit(),
  "/": () => $("search").focus(), "?": showKeys, j: () => go(page.at + 1),
  arrowdown: () => go(page.at + 1), arrowup: () => go(page.at - 1),
};

function pressField(event) {
  const field = event.target;
  if (event.key !== "Enter") return;
  if (field.id === "reason") field.blur();
  if (field.id === "text" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    saveEdit();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("dialog").open) {
    if (page.editing) leaveEdit();
    event.preventDefault(); // else a search field would be emptied
    event.target.blur();
    return;
  }
  if (event.target.matches("input, textarea, select")) return pressField(event);
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
  const name = event.key.toLowerCase();
  if (event.repeat && !name.startsWith("arrow")) return; // one press decides one row
  const label = /^[1-9]$/.test(name) && page.state && page.state.labels[name - 1];
  const action = KEYS[name] || (label != null && label !== false && (() => decide("relabel", { label })));
  if (!action) return;
  event.preventDefault();
  action();
});

for (const button of document.querySelectorAll("nav.tabs button")) {
  button.addEventListener("click", () => showTab(button.dataset.tab));
}
if (backEnd.save) $("undo").before(make("button", { class: "primary", id: "save", onclick: saveDecisions }, "Save"));
$("undo").addEventListener("click", undo);
$("help").addEventListener("click", showKeys);
$("list").addEventListener("scroll", ({ currentTarget: list }) => {
  if (list.scrollTop + list.clientHeight > list.scrollHeight - 400) loadMore();
});
$("search").addEventListener("input", (event) => {
  clearTimeout(page.typing);
  page.typing = setTimeout(() => choose({ q: event.target.value.trim() }), 140);
});
showTab("row");
start().catch((error) => {
  $("name").textContent = "Not connected";
  complain(error);
});
