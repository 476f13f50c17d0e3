"use strict";
// What is asked before many rows are decided, the keys, and rules that say what a selection says.

function openDialog(kind, ...content) {
  const dialog = $("dialog");
  dialog.className = kind;
  fill(dialog, content);
  if (!dialog.open) dialog.showModal();
  return dialog;
}
const closeDialog = () => $("dialog").close();
const ending = (...buttons) => make("div", { class: "end" }, buttons);

function showKeys() {
  const keys = [
    ["K", "keep"], ["D", "drop"], ["1 … 9", "label"], ["E", "edit text"], ["S", "later"], ["R", "reason"],
    ["Z", "undo"], ["↓ ↑", "next, previous"], ["/", "search"], ["Esc", "leave a field"],
    ...(page.state.has_map ? [["L", "lasso"], ["0", "whole map"]] : []),
  ];
  openDialog("slim", make("h2", null, "Keys"),
    make("dl", { class: "keys" }, keys.map(([name, what]) => [make("dt", null, key(name)), make("dd", null, what)])),
    ending(make("button", { class: "primary", onclick: closeDialog }, "Done")));
}

// The filter in words, which is the reason that a decision about many rows records.
function describeFilter() {
  const { queue, q, facets, signals, selection, region } = page.filter, words = [];
  if (queue) words.push(`queue ${queue}`);
  if (q) words.push(`text “${q}”`);
  for (const [name, values] of Object.entries(facets)) {
    if (values.length) words.push(`${name} ${values.map((value) => value ?? "none").join(" or ")}`);
  }
  if (signals.length) words.push(signals.join(" and "));
  if (region !== null) words.push(`region ${mapView.nameOf(region)}`);
  if (selection) words.push("lasso");
  return `chosen by ${words.join(", ")}`;
}

function decideAll(decision) {
  const word = { keep: "Keep", drop: "Drop", relabel: "Label" }[decision], rows = page.total;
  const send = async (more = {}) => {
    closeDialog();
    const answer = await attempt(() =>
      backEnd.tell("decide", { filter: query(), rows, decision, reason: describeFilter(), ...more }));
    if (!answer) return;
    takeTally(answer);
    await mapView.reload();
    await attempt(load);
    tell(`${rowCount(answer.done)} decided in one step.`);
  };
  openDialog("slim", make("h2", null, `${word} ${rowCount(rows)}?`),
    make("p", { class: "soft" }, "All that are chosen now, also those further down the list. It is one step: Z takes it back."),
    decision === "relabel" && make("div", { class: "labels" },
      page.state.labels.map((label) => make("button", { onclick: () => send({ label }) }, label))),
    ending(make("button", { onclick: closeDialog }, "Leave it"),
      decision !== "relabel" && make("button", { class: "primary", autofocus: true, onclick: () => send() }, `${word} them`)));
}

// A page that was mailed hands its decisions over as a file.
function saveDecisions() {
  const name = make("input", { class: "reason", "aria-label": "Your name", placeholder: "Your name", value: page.state.by, maxlength: 100 });
  const save = () => {
    const by = name.value.trim();
    if (!by) return name.focus();
    page.state.by = by;
    const file = backEnd.save(by);
    openDialog("slim", make("h2", null, "Saved"),
      make("p", { class: "soft" }, `Send ${file} back. The recipe takes it in with  siftset review RECIPE --import ${file}`),
      ending(make("button", { class: "primary", onclick: closeDialog }, "Done")));
  };
  openDialog("slim", make("h2", null, "Save decisions"),
    make("p", { class: "soft" }, `${count(page.state.decided)} decided. They are written to a file, with the name of who decided.`), name,
    ending(make("button", { onclick: closeDialog }, "Leave it"), make("button", { class: "primary", onclick: save }, "Save")));
}

async function proposeRules() {
  const title = make("h2", null, "What sets these rows apart");
  openDialog("", title, make("p", { class: "soft" }, "Asking words, columns, labels, signals and vectors …"));
  try {
    const found = await backEnd.tell("propose", { filter: query() });
    openDialog("", title, make("p", { class: "soft small" },
      `${rowCount(found.chosen)} chosen. Each rule was made from one half of all rows and judged on the other, by the signal that the recipe would use.`),
      found.rules.map(drawRule), !found.rules.length && make("p", null, "No rule finds them again."),
      ending(make("button", { class: "primary", onclick: closeDialog }, "Done")));
  } catch (error) {
    openDialog("slim", make("h2", null, "No rule"), make("p", { class: "soft" }, error.message),
      ending(make("button", { class: "primary", onclick: closeDialog }, "Done")));
  }
}

function drawRule(rule) {
  const share = (name, value) => [make("span", null, name),
    make("progress", { max: 1, value, "aria-label": name }), make("span", null, percent(value))];
  return make("div", { class: "rule" },
    make("div", { class: "head" }, make("span", { class: "pill note" }, rule.kind),
      make("b", null, rule.title), make("span", { class: "soft small" }, rowCount(rule.rows))),
    make("div", { class: "shares" }, share("precision", rule.precision), share("recall", rule.recall)),
    make("pre", { tabindex: "0", "aria-label": "The rule" }, rule.yaml),
    make("div", { class: "end" }, make("button", { onclick: () => previewRule(rule) }, "Write it into the recipe …")));
}

async function previewRule(rule) {
  const ended = ending(make("button", { class: "primary", onclick: closeDialog }, "Done"));
  try {
    const found = await backEnd.tell("rule", { id: rule.id });
    const write = async () => {
      try {
        await backEnd.tell("rule", { id: rule.id, before: found.before });
        openDialog("slim", make("h2", null, "Written"),
          make("p", { class: "soft" }, `It stands at the end of ${found.file} as a comment: take the # away where you want it to hold.`), ended);
      } catch (error) {
        openDialog("slim", make("h2", null, "Not written"), make("p", { class: "soft" }, error.message), ended);
      }
    };
    openDialog("", make("h2", null, `What changes in ${found.file}`),
      make("pre", { class: "diff", tabindex: "0" }, found.diff.map((line) =>
        make("span", { class: { "+": "plus", "-": "minus", "@": "soft" }[line[0]] || "" }, line + "\n"))),
      ending(make("button", { onclick: closeDialog }, "Leave it"), make("button", { class: "primary", onclick: write }, "Write it")));
  } catch (error) {
    openDialog("slim", make("h2", null, "Not written"), make("p", { class: "soft" }, error.message), ended);
  }
}
