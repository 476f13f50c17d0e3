"use strict";
// The back end inside a file: its rows lie in the page, decisions in this browser until they are
// saved as a file, which  siftset review RECIPE --import FILE  takes in.

const backEnd = (() => {
  const STATES = ["false", "true", "unknown", "skipped"];
  const WORDS = { keep: "kept", drop: "dropped", relabel: "relabelled", edit: "edited", skip: "left for later" };
  const HAND = [...Object.values(WORDS), "stale", "disputed"];
  const events = [], undone = new Set(), decided = new Map(), selections = new Map();
  let data = null, lowered = null, hand = null, memory = "";

  const opened = (async () => {
    const packed = Uint8Array.from(atob($("data").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    data = JSON.parse(await new Response(stream).text());
    lowered = data.text.map((text) => (text ?? "").toLowerCase());
    hand = new Uint8Array(data.state.rows).fill(HAND.length);
    for (const [row, decision] of Object.entries(data.said)) settle(Number(row), decision);
    memory = `siftset review ${data.state.name} ${data.state.run}`;
    try {
      for (const event of JSON.parse(localStorage.getItem(memory) || "[]")) take(event);
    } catch {
      // a private window, or a browser that keeps nothing for files
    }
  })();

  const newStep = () => Array.from(crypto.getRandomValues(new Uint8Array(6)), (b) => b.toString(16).padStart(2, "0")).join("");
  const stepOf = (event) => event.split("-")[0];
  const rowOf = new Map();

  function settle(row, decision) {
    if (decision) decided.set(row, decision);
    else decided.delete(row);
    const state = decision && ["stale", "disputed"].includes(decision.state) ? decision.state : null;
    hand[row] = decision ? HAND.indexOf(state || WORDS[decision.decision]) : HAND.length;
  }

  function take(event) {
    events.push(event);
    if (!event.undo) return settle(rowIndex(event.row_id), { ...event, state: "applied" });
    const taken = new Set(event.undo), standing = new Map(); // of a step of 20,000 rows too
    taken.forEach((one) => undone.add(one));
    for (const one of events) if (!one.undo && !undone.has(one.event)) standing.set(one.row_id, one);
    for (const one of events) {
      if (!taken.has(one.event)) continue;
      const row = rowIndex(one.row_id), last = standing.get(one.row_id);
      settle(row, last ? { ...last, state: "applied" } : data.said[row] || null);
    }
  }

  function rowIndex(rowId) {
    if (!rowOf.size) data.row_id.forEach((one, row) => rowOf.set(one, row));
    return rowOf.get(rowId);
  }

  function append(added) {
    added.forEach(take);
    try {
      localStorage.setItem(memory, JSON.stringify(events));
    } catch {
      // as above
    }
    addEventListener("beforeunload", warn);
  }
  const warn = (event) => event.preventDefault();

  // ---- filters

  function match(filter, without = "") {
    const rows = data.state.rows, met = new Uint8Array(rows).fill(1);
    const only = (is) => { for (let row = 0; row < rows; row++) if (met[row] && !is(row)) met[row] = 0; };
    for (const [name, wanted] of Object.entries(filter.facets || {})) {
      if (name === without || !wanted.length) continue;
      const { values, codes } = facets()[name], chosen = new Set(wanted.map((value) => (value === null ? values.length : values.indexOf(value))));
      only((row) => chosen.has(codes[row]));
    }
    for (const name of filter.signals || []) {
      const { says } = data.signals.find((one) => one.name === name);
      only((row) => says[row] === "1");
    }
    if (filter.q) {
      const wanted = filter.q.toLowerCase();
      only((row) => lowered[row].includes(wanted));
    }
    if (filter.queue) {
      const inside = new Set(queueOf(filter.queue).places);
      only((row) => inside.has(row));
    }
    if (filter.selection) {
      const bits = selections.get(filter.selection);
      only((row) => (bits[row >> 3] >> (row & 7)) & 1);
    }
    if (filter.region != null) only((row) => data.region[row] === filter.region);
    return met;
  }

  const queueOf = (name) => data.queues.find((queue) => queue.name === name);
  const facets = () => ({ ...data.facets, "by hand": { values: HAND, codes: hand } });

  function order(filter) {
    const met = match(filter);
    if (filter.queue) return queueOf(filter.queue).places.filter((row) => met[row]);
    const found = [];
    for (let row = 0; row < met.length; row++) if (met[row]) found.push(row);
    return found;
  }

  function countFacets(filter) {
    const met = match(filter);
    const counted = Object.entries(facets()).map(([name, { values, codes }]) => {
      const among = (filter.facets || {})[name]?.length ? match(filter, name) : met, counts = new Array(values.length + 1).fill(0);
      for (let row = 0; row < among.length; row++) if (among[row]) counts[codes[row]]++;
      const found = values.map((value, code) => ({ value, rows: counts[code] })).filter(({ rows }) => rows);
      found.sort((one, other) => other.rows - one.rows);
      if (counts[values.length] && name !== "why" && name !== "by hand") found.push({ value: null, rows: counts[values.length] });
      return { name, values: name === "why" ? found.slice(0, 8) : found };
    });
    const signals = data.signals.map(({ name, says }) => {
      let rows = 0;
      for (let row = 0; row < met.length; row++) if (met[row] && says[row] === "1") rows++;
      return { name, rows };
    });
    return { facets: counted, signals };
  }

  // ---- rows

  const valueOf = (name, row) => {
    const facet = data.facets[name];
    return facet ? facet.values[facet.codes[row]] ?? null : null;
  };
  const brief = (row) => ({
    row, text: data.text[row], label: valueOf("label", row), part: valueOf("part", row), decision: decided.get(row) || null,
  });

  function whole(row) {
    const mine = decided.get(row), columns = {}, notes = {};
    for (const name of Object.keys(data.facets)) {
      if (!["part", "label", "why", "file"].includes(name)) columns[name] = valueOf(name, row);
    }
    for (const { title, notes: told } of data.queues) if (told[row]) notes[title] = told[row];
    const doubt = data.doubt[row];
    return {
      ...brief(row), row_id: data.row_id[row], id: data.id[row], place: `${data.files[data.file[row]]}:${data.record[row]}`,
      why: valueOf("why", row), repeats: data.repeats[row] || null, columns, notes, said: mine ? [mine] : [],
      clauses: data.clauses.map(({ text, says }) => ({ text, says: STATES[says[row]] })),
      signals: data.signals.map(({ name, says, scores }) => ({ name, says: STATES[says[row]], score: scores ? scores[row] : null })),
      doubt: doubt ? { own: doubt[0], likelier: doubt[1] } : null,
    };
  }

  // Wilson's interval of 95 %, corrected for how many rows the sample was drawn from.
  function interval(part, rows, of) {
    if (rows >= of) return { low: part / rows, high: part / rows };
    const z = (1.959964 ** 2 * (of - rows)) / Math.max(1, of - 1), share = part / rows;
    const middle = (share + z / (2 * rows)) / (1 + z / rows);
    const half = (Math.sqrt(z) * Math.sqrt((share * (1 - share)) / rows + z / (4 * rows * rows))) / (1 + z / rows);
    return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
  }

  function tally() {
    const counts = {}, estimates = {};
    for (const code of hand) if (code < HAND.length) counts[HAND[code]] = (counts[HAND[code]] || 0) + 1;
    for (const name of ["random_kept", "random_rejected"]) {
      const queue = queueOf(name);
      const seen = (queue ? queue.places : []).map((row) => decided.get(row)).filter((one) =>
        one && one.how === "row" && one.queue === name && one.state === "applied" && one.decision !== "skip");
      const is = name === "random_kept"
        ? (one) => one.decision === "keep" && one.label == null && one.text == null
        : (one) => one.decision !== "drop";
      const part = seen.filter(is).length;
      if (seen.length) estimates[name] = { part, seen: seen.length, ...interval(part, seen.length, Math.max(data.drawn[name], seen.length + 1)) };
    }
    return {
      decided: decided.size, counts, estimates,
      queues: data.queues.map(({ name, title, about, places }) => ({ name, title, about, rows: places.length, done: places.filter((row) => decided.has(row)).length })),
    };
  }

  function points() {
    const bytes = Uint8Array.from(atob(data.points), (c) => c.charCodeAt(0)), head = new DataView(bytes.buffer).getUint32(0, true);
    const { columns, rows } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + head)));
    const at = 4 + head + 4 * rows + rows * columns.findIndex(({ name }) => name === "by hand");
    hand.forEach((code, row) => { bytes[at + row] = code < HAND.length ? code : 255; });
    return bytes;
  }

  function decide({ row, filter = {}, rows, decision, label, text, reason }) {
    const places = row == null ? order(filter) : [row], step = newStep(), at = new Date().toISOString();
    if (row == null && places.length !== rows) throw Error(`${rowCount(places.length)} meant now, ${count(rows)} were shown: look again`);
    append(places.map((place, number) => {
      const event = {
        event: `${step}-${number}`, row_id: data.row_id[place], source: { file: data.files[data.file[place]], record: data.record[place] },
        seen: data.seen[place], decision, how: row == null ? "bulk" : "row", by: data.state.by, at, run_id: data.state.run,
      };
      if (label != null) event.label = label;
      if (text != null) event.text = text;
      if (reason) event.reason = reason;
      if (filter.queue) event.queue = filter.queue;
      return event;
    }));
    return { done: places.length, ...tally() };
  }

  function undo() {
    const last = events.findLast((event) => !event.undo && !undone.has(event.event));
    if (!last) return { undone: [], count: 0, ...tally() };
    const mine = events.filter((event) => !event.undo && !undone.has(event.event) && stepOf(event.event) === stepOf(last.event));
    append([{ event: newStep(), undo: mine.map(({ event }) => event), by: data.state.by, at: new Date().toISOString() }]);
    return { undone: mine.map(({ row_id }) => rowIndex(row_id)), count: mine.length, ...tally() };
  }

  function pack(met) {
    const bits = new Uint8Array((met.length + 7) >> 3);
    met.forEach((is, row) => { if (is) bits[row >> 3] |= 1 << (row & 7); });
    return bits;
  }

  const asked = {
    state: () => ({ ...data.state, ...tally() }),
    facets: ({ filter }) => countFacets(JSON.parse(filter)),
    rows: ({ filter, offset, limit }) => {
      const found = order(JSON.parse(filter));
      return { total: found.length, rows: found.slice(+offset, +offset + +limit).map(brief) };
    },
    mask: ({ filter }) => pack(match(JSON.parse(filter))),
    points, row: ({ row }) => whole(+row), brief: ({ row }) => brief(+row),
    alike: ({ row }) => (data.alike[row] || []).map(([other, cosine]) => ({ ...brief(other), cosine: cosine / 100 })),
  };
  const told = {
    decide, undo,
    select: (bits) => {
      const selection = newStep();
      selections.set(selection, bits);
      return { selection };
    },
  };

  function save(by) {
    const lines = events.map((event) => `${JSON.stringify({ ...event, by })}\n`);
    const url = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    const name = `${by.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "") || "decisions"}.jsonl`;
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 5000);
    removeEventListener("beforeunload", warn);
    return name;
  }

  return {
    proposes: false, save,
    events: () => events,
    ask: async (path, query = {}) => { await opened; return asked[path](query); },
    tell: async (path, value) => { await opened; return told[path](value); },
  };
})();
