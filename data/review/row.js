"use strict";
// One row: its text, what the signals said, why it was kept or not, and what can be decided.

const DONE = {
  keep: ["kept", "pass"],
  drop: ["dropped", "fail"],
  relabel: ["relabelled", "note"],
  edit: ["edited", "note"],
  skip: ["later", ""],
};
const PART = { kept: "pass", quarantined: "warn" };
const DOT = { kept: "k0", rejected: "k6", quarantined: "k1", duplicate: "k2", "not yet read": "k3" };
const SAYS = { true: "yes", false: "no", unknown: "unknown", skipped: "not asked" };

function decisionPill(decision) {
  const [word, kind] = DONE[decision.decision];
  const state = { stale: "warn", disputed: "warn" }[decision.state];
  const label = decision.decision === "relabel" ? decision.label : word;
  return make("span", { class: `pill ${state || kind}` }, state ? decision.state : label);
}

const labelOf = (row) => (row.decision && row.decision.label != null ? row.decision.label : row.label);
const textOf = (row) => (row.decision && row.decision.text != null ? row.decision.text : row.text);

function drawRow(row, { detail, editing, sought, labels, reason, queue, act }) {
  const whole = detail || row;
  const doubt = detail && detail.doubt;
  return [
    rowHead(whole),
    editing
      ? make("textarea", { id: "text", "aria-label": "Text of the row", spellcheck: "false" })
      : rowText(textOf(whole), sought),
    doubt && make("p", { class: "doubt" }, "Labelled ", make("b", null, whole.label),
      `, which a model that has not seen the row gives ${percent(doubt.own)}. It says `,
      make("b", null, doubt.likelier), "."),
    // why it is in the queue that is looked at; what the clauses below say by themselves is left out
    detail && detail.notes[queue] && !detail.notes[queue].startsWith("only ") &&
      make("p", { class: "doubt" }, detail.notes[queue], "."),
    editing ? editButtons(whole, act) : verdictButtons(row, act),
    !editing && labelButtons(row, doubt, labels, act),
    !editing && make("div", { class: "acts more" },
      act.edit && make("button", { class: "act quiet", onclick: act.edit }, "Edit text", key("E")),
      make("button", { class: "act quiet", onclick: () => act.decide("skip") }, "Later", key("S"))),
    make("h3", null, "Reason"),
    make("input", {
      id: "reason", class: "reason", maxlength: 4000, "aria-label": "Reason",
      placeholder: "Optional; R to write, Enter to go on", value: reason, autocomplete: "off",
    }),
    detail && saidBefore(detail),
    detail && whyItIs(detail),
    detail && signalFacts(detail),
    make("div", { id: "alike" }),
  ];
}

function rowHead(row) {
  return make("div", { class: "meta" },
    make("span", { class: `pill ${PART[row.part] || ""}` }, row.part),
    row.part === "quarantined" && row.why && make("span", null, row.why),
    make("span", { class: "grow" }),
    make("span", { class: "faint", title: row.row_id ? `row_id ${row.row_id}` : null }, row.id || row.place || ""));
}

function rowText(text, sought) {
  return make("p", { class: "said", tabindex: "0", "aria-label": "Text" },
    text === null ? make("span", { class: "faint" }, "null") : marked(visible(text), sought));
}

function verdictButtons(row, act) {
  const chosen = row.decision && row.decision.state !== "stale" ? row.decision.decision : "";
  const button = (verb, word, kind, name) =>
    make("button", {
      class: `act ${kind}`, "aria-pressed": String(chosen === verb), onclick: () => act.decide(verb),
    }, word, key(name));
  return make("div", { class: "acts verdict" }, button("keep", "Keep", "good", "K"), button("drop", "Drop", "bad", "D"));
}

function editButtons(row, act) {
  return [
    row.part === "quarantined" &&
      make("p", { class: "soft small" }, "A quarantined row whose new text passes the rules is released by the next run."),
    make("div", { class: "acts" },
      make("button", { class: "act good", onclick: act.save }, "Save text", key("Ctrl ↵")),
      make("button", { class: "act", onclick: act.leave }, "Leave it", key("Esc"))),
  ];
}

function labelButtons(row, doubt, labels, act) {
  if (!labels.length) return null;
  const now = labelOf(row), likelier = doubt ? doubt.likelier : null;
  const others = labels.slice(9);
  return [
    make("h3", { id: "labelling" }, "Label"),
    make("div", { class: "labels", role: "group", "aria-labelledby": "labelling" },
      labels.slice(0, 9).map((label, at) =>
        make("button", {
          class: label === likelier ? "hint" : "", "aria-pressed": String(label === now),
          title: label === likelier ? "What the model says" : null,
          onclick: () => act.decide("relabel", { label }),
        }, label, key(at + 1))),
      others.length > 0 &&
        make("select", {
          "aria-label": "Other label",
          onchange: (event) => event.target.value && act.decide("relabel", { label: event.target.value }),
        }, make("option", { value: "" }, `${count(others.length)} more …`),
        others.map((label) => make("option", { value: label, selected: label === now }, label)))),
  ];
}

function saidBefore(row) {
  return row.said.map((one) =>
    make("p", { class: "was" }, decisionPill({ ...one, state: row.said.length > 1 ? null : row.decision.state }),
      ` by ${one.by || "you"}, ${new Date(one.at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}`,
      one.reason && make("span", { class: "soft" }, ` · ${one.reason}`),
      one.text != null && row.text != null && make("span", { class: "before" }, row.text)));
}

function whyItIs(row) {
  const title = {
    kept: "Why it was kept", rejected: "Why it was rejected", duplicate: "Why it was left out",
  }[row.part] || "What the formula says";
  const mark = { true: "✓", false: "✗" };
  return [
    make("h3", null, title),
    row.part === "duplicate" && make("p", { class: "soft small" }, `Repeats row ${row.repeats}`),
    row.why === "review" && make("p", { class: "soft small" }, "Dropped by hand"),
    make("ul", { class: "clauses" }, row.clauses.map((clause) =>
      make("li", { class: clause.says },
        make("span", { class: "mark", role: "img", "aria-label": SAYS[clause.says] }, mark[clause.says] || "?"),
        make("code", null, clause.text)))),
  ];
}

function signalFacts(row) {
  return [
    make("h3", null, "What the signals said"),
    make("div", { class: "facts" },
      row.signals.map((signal) =>
        make("span", { class: `fact ${signal.says}` }, signal.name, " ",
          make("b", null, signal.score == null ? SAYS[signal.says] : +signal.score.toPrecision(3)))),
      Object.entries(row.columns).filter(([, value]) => value !== null).map(([name, value]) =>
        make("span", { class: "fact" }, name, " ", make("b", null, value)))),
  ];
}

function alikeList(rows, open) {
  return [
    make("h3", null, "Most alike"),
    make("ul", { class: "alike" }, rows.map((row) =>
      make("li", null,
        make("button", { onclick: () => open(row) },
          make("span", { class: `dot ${DOT[row.part]}`, role: "img", "aria-label": row.part }),
          make("span", { class: "t" }, row.text === null ? "null" : row.text),
          row.decision ? decisionPill(row.decision) : make("span", { class: "c" }, row.label ?? ""),
          make("span", { class: "c" }, row.cosine.toFixed(2)))))),
  ];
}
