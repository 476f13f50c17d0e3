"use strict";
// The map: every row is stamped into one picture. 100,000 rows take a few milliseconds a frame on
// a 2-d canvas, where libraries on WebGL were slower on machines without a graphics card.

const mapView = (() => {
  const canvas = $("map"), pen = canvas.getContext("2d"), EDGE = 65535;
  // what is seen: k is the zoom, x and y where the map's upper left corner lies
  const eye = { k: 1, x: 0, y: 0, width: 0, height: 0, side: 1, home: true };
  const fingers = new Map(), texts = new Map();
  let points = null, colours = null, image = null, pixels = null, waiting = false;
  let lasso = false, line = null, chosen = null, grip = null, names = [], tipped = -1;

  async function open() {
    points = unpack(await backEnd.ask("points"));
    $("mapcard").hidden = $("maptab").hidden = false;
    fill($("colour"), points.columns.map(({ name }) => make("option", { value: name }, (TITLES[name] || name).toLowerCase())));
    $("mapcard").querySelector("h2").title = points.layout === "PCA"
      ? "Two principal components: install siftset[review] for a map that keeps neighbours together"
      : "Alike texts lie close together (t-SNE of static vectors)";
    fit();
    drawLegend();
    await light({ filter: filtered() });
  }

  function unpack(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset), length = view.getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), rows = head.rows;
    let at = 4 + length;
    const take = (size) => bytes.slice(at, (at += size));
    const found = { ...head, x: new Uint16Array(take(2 * rows).buffer), y: new Uint16Array(take(2 * rows).buffer) };
    found.columns = head.columns.map((column) => ({ ...column, codes: take(rows) }));
    found.lit = new Uint8Array(rows).fill(1);
    found.count = rows;
    return found;
  }

  // ---- colours

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const one = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (name) => {
      one.fillStyle = style.getPropertyValue(name).trim();
      one.fillRect(0, 0, 1, 1);
      return [...one.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    colours = {
      paper: rgb("--card"), dim: rgb("--line"), rest: rgb("--c6"), good: rgb("--good"), bad: rgb("--bad"), warn: rgb("--warn"),
      classes: [0, 1, 3, 2, 4, 5].map((number) => rgb(`--c${number}`)),
      ink: style.getPropertyValue("--ink").trim(), card: style.getPropertyValue("--card").trim(), accent: style.getPropertyValue("--accent").trim(),
    };
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colours = null; draw(); });

  const column = () => points.columns.find(({ name }) => name === $("colour").value) || points.columns[0];
  const PARTS = { kept: "k0", rejected: "k6", quarantined: "k1", duplicate: "k2" };
  const HAND = { kept: "kgood", dropped: "kbad", relabelled: "k0", edited: "k0", "left for later": "kwarn", stale: "kwarn", disputed: "kwarn" };
  const CLASSES = ["k0", "k1", "k3", "k2", "k4", "k5"];

  // The class of CSS of a value: outcomes and decisions keep their colours, others go by rank.
  function classOf({ name, values }, code) {
    if (name === "part") return PARTS[values[code]] || "k6";
    if (name === points.hand) return HAND[values[code]] || "k6";
    return CLASSES[code] || "k6";
  }

  function palette(shown) {
    const rgb = {
      kgood: colours.good, kbad: colours.bad, kwarn: colours.warn, k6: colours.rest,
      ...Object.fromEntries(CLASSES.map((name, at) => [name, colours.classes[at]])),
    };
    const table = new Uint8Array(3 * 256);
    for (let code = 0; code < 256; code++) {
      let colour = code === 255 ? colours.rest : rgb[classOf(shown, code)];
      if (shown.name === "doubt") {
        const share = Math.min(1, code / 254 / 0.9) ** 2; // only what is doubtful stands out
        colour = colours.bad.map((value, at) => value * share + colours.rest[at] * (1 - share));
      }
      table.set(colour, 3 * code);
    }
    return table;
  }

  function drawLegend() {
    const shown = column(), item = (kind, words) => make("li", null, make("span", { class: `dot ${kind}` }), words);
    const items = shown.name === "doubt"
      ? [item("kbad", "label unlikely"), item("k6", "label likely")]
      : shown.values.slice(0, shown.name === points.hand || shown.name === "part" ? 7 : 6).map((value, code) => item(classOf(shown, code), value));
    if (shown.values.length > 6 && shown.name !== "part" && shown.name !== points.hand) items.push(item("k6", "others"));
    fill($("legend"), items, points.layout === "PCA" && item("", "laid out by PCA: siftset[review] keeps neighbours together"));
  }

  // ---- the picture

  function resize() {
    const { width, height } = canvas.getBoundingClientRect(), dots = devicePixelRatio || 1;
    if (!width || !height) return false;
    if (eye.width !== width || eye.height !== height) {
      Object.assign(eye, { width, height, side: Math.max(width, height) });
      canvas.width = Math.round(width * dots);
      canvas.height = Math.round(height * dots);
      image = pen.createImageData(canvas.width, canvas.height);
      pixels = new Uint32Array(image.data.buffer);
      if (eye.home) lookAtAll();
    }
    return true;
  }

  // The middle 99 of 100 rows; strays may lie outside.
  function lookAtAll() {
    const step = Math.max(1, points.count >> 15), sides = [[], []];
    for (let row = 0; row < points.count; row += step) {
      sides[0].push(points.x[row]);
      sides[1].push(points.y[row]);
    }
    const [[left, right], [low, high]] = sides.map((side) => {
      side.sort((one, other) => one - other);
      return [0.004, 0.996].map((share) => side[Math.min(side.length - 1, Math.floor(share * side.length))] / EDGE);
    });
    const wide = Math.max(0.02, right - left) * eye.side, tall = Math.max(0.02, high - low) * eye.side;
    eye.k = Math.min((eye.width - 70) / wide, (eye.height - 50) / tall);
    eye.x = eye.width / 2 - ((left + right) / 2) * eye.side * eye.k;
    eye.y = eye.height / 2 - (1 - (low + high) / 2) * eye.side * eye.k;
    eye.home = true;
  }

  const onScreen = (x, y) => [x * eye.side * eye.k + eye.x, (1 - y) * eye.side * eye.k + eye.y];
  const placeOf = (row) => onScreen(points.x[row] / EDGE, points.y[row] / EDGE);
  const onMap = ([x, y]) => [(x - eye.x) / eye.side / eye.k, 1 - (y - eye.y) / eye.side / eye.k];

  // The pixels around a row that a dot of a radius covers, and how much of each.
  function makeStamp(radius, strength) {
    const reach = Math.ceil(radius), stamp = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const cover = Math.max(0, Math.min(1, radius - Math.hypot(x, y) + 0.5));
        if (cover > 0.02) stamp.push([x, y, cover * strength]);
      }
    }
    return stamp;
  }

  function paint() {
    waiting = false;
    if (!points || $("mapcard").hidden || !resize()) return;
    if (!colours) readColours();
    const dots = devicePixelRatio || 1, all = page.total >= points.count;
    const [red, green, blue] = colours.paper;
    pixels.fill(((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
    const zoom = Math.sqrt(eye.k), radius = Math.max(0.85, Math.min(1.7, 240 / Math.sqrt(points.count))) * dots;
    if (!all) stampRows(0, makeStamp(radius * Math.min(2.2, zoom), 0.5), null);
    stampRows(1, makeStamp(radius * Math.min(2.6, zoom) * (all ? 1 : 1.3), all ? 0.72 : 0.9), palette(column()));
    pen.putImageData(image, 0, 0);
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    writeNames();
    ringCurrent();
    drawLasso();
  }

  function stampRows(lit, stamp, table) {
    const { x, y, count } = points, codes = column().codes, data = image.data;
    const dots = devicePixelRatio || 1, width = canvas.width, height = canvas.height, size = stamp.length;
    const scale = (eye.side * eye.k * dots) / EDGE, left = eye.x * dots, bottom = (eye.y + eye.side * eye.k) * dots;
    const margin = 3 + Math.ceil(2 * dots);
    let [red, green, blue] = colours.dim;
    for (let row = 0; row < count; row++) {
      if (points.lit[row] !== lit) continue;
      const across = (x[row] * scale + left) | 0, down = (bottom - y[row] * scale) | 0;
      if (across < margin || down < margin || across >= width - margin || down >= height - margin) continue;
      if (table) {
        const at = 3 * codes[row];
        red = table[at]; green = table[at + 1]; blue = table[at + 2];
      }
      for (let dot = 0; dot < size; dot++) {
        const [aside, below, cover] = stamp[dot], at = ((down + below) * width + across + aside) << 2;
        data[at] += (red - data[at]) * cover;
        data[at + 1] += (green - data[at + 1]) * cover;
        data[at + 2] += (blue - data[at + 2]) * cover;
      }
    }
  }

  // The largest regions first; a name that would lie over another one is left out.
  function writeNames() {
    pen.font = '600 12px ui-sans-serif, system-ui, "Noto Sans", "Liberation Sans", sans-serif';
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    names = [];
    const order = points.regions.map((region, at) => [region, at]).filter(([region]) => region.name);
    order.sort(([one], [other]) => other.rows - one.rows);
    for (const [region, at] of order) {
      const [x, y] = onScreen(region.x, region.y), name = visible(region.name), half = pen.measureText(name).width / 2 + 5;
      if (x - half < 4 || x + half > eye.width - 4 || y < 12 || y > eye.height - 12) continue;
      if (names.some((one) => Math.abs(one.x - x) < one.half + half && Math.abs(one.y - y) < 19)) continue;
      names.push({ at, x, y, half });
      pen.lineWidth = 4;
      pen.strokeStyle = colours.card;
      pen.globalAlpha = 0.92;
      pen.strokeText(name, x, y);
      pen.globalAlpha = 1;
      pen.fillStyle = colours.ink;
      pen.fillText(name, x, y);
    }
  }

  function ringCurrent() {
    const row = current();
    if (!row) return;
    const [x, y] = placeOf(row.row);
    for (const [width, colour] of [[4.5, colours.card], [2, colours.ink]]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.arc(x, y, 7, 0, 7);
      pen.stroke();
    }
  }

  function drawLasso() {
    const drawn = line || chosen;
    if (!drawn || drawn.length < 2) return;
    pen.beginPath();
    drawn.forEach(([x, y], at) => pen[at ? "lineTo" : "moveTo"](...onScreen(x, y)));
    pen.closePath();
    pen.lineWidth = 1.75;
    pen.strokeStyle = pen.fillStyle = colours.accent;
    pen.stroke();
    pen.globalAlpha = 0.08;
    pen.fill();
    pen.globalAlpha = 1;
  }

  function draw() {
    if (waiting || !points) return;
    waiting = true;
    requestAnimationFrame(paint);
  }

  function fit() {
    if (!points || !resize()) return;
    lookAtAll();
    draw();
  }

  // ---- what the page tells the map

  async function light(asked) {
    if (!points) return;
    const mine = page.loading, bits = await backEnd.ask("mask", asked);
    if (mine !== page.loading) return;
    for (let row = 0; row < points.count; row++) points.lit[row] = (bits[row >> 3] >> (row & 7)) & 1;
    $("lit").textContent = page.total < points.count ? `${count(page.total)} of ${count(points.count)} lit` : rowCount(points.count);
    draw();
  }

  function decided(rows, decision) {
    const hand = points && points.columns.find(({ name }) => name === points.hand);
    if (!hand) return;
    const words = { keep: "kept", drop: "dropped", relabel: "relabelled", edit: "edited", skip: "left for later" };
    const code = decision ? hand.values.indexOf(words[decision]) : 255;
    for (const row of rows) hand.codes[row] = code < 0 ? 255 : code;
    draw();
  }

  async function reload() {
    if (!points) return;
    const { lit } = points;
    points = { ...unpack(await backEnd.ask("points")), lit };
    draw();
  }

  // ---- pointing, dragging, zooming, the lasso

  function nearest([x, y], reach) {
    let best = -1, least = reach * reach;
    for (let row = 0; row < points.count; row++) {
      if (!points.lit[row]) continue;
      const [across, down] = placeOf(row), far = (across - x) ** 2 + (down - y) ** 2;
      if (far < least) [least, best] = [far, row];
    }
    return best;
  }

  async function readText(row) {
    const listed = page.rows.find((one) => one.row === row);
    if (listed) return listed;
    if (!texts.has(row)) texts.set(row, await backEnd.ask("brief", { row }));
    return texts.get(row);
  }

  async function showTip(row, [x, y]) {
    const tip = $("tip");
    if (tipped === row) return;
    tipped = row;
    if (row < 0) return tip.classList.remove("on");
    const { text } = await readText(row);
    if (tipped !== row) return;
    const words = text === null ? "null" : text;
    tip.textContent = visible(words.length > 170 ? `${words.slice(0, 170)}…` : words);
    const { width, height } = tip.getBoundingClientRect();
    // set by script, which the policy on styles in markup does not hinder
    tip.style.left = `${Math.max(6, Math.min(eye.width - width - 6, x + 12))}px`;
    tip.style.top = `${y + height + 26 > eye.height ? y - height - 10 : y + 16}px`;
    tip.classList.add("on");
  }

  async function pick(spot) {
    const row = nearest(spot, 12);
    if (row >= 0) {
      openAlone(await readText(row));
      if (isPhone()) showTab("row");
      return;
    }
    const name = names.find((one) => Math.abs(one.x - spot[0]) < one.half && Math.abs(one.y - spot[1]) < 10);
    if (name) choose({ region: name.at });
  }

  // Even-odd rule; only rows that are lit.
  async function chooseInside(drawn) {
    const bits = new Uint8Array((points.count + 7) >> 3);
    let found = 0;
    for (let row = 0; row < points.count; row++) {
      if (points.lit[row] && isInside(points.x[row] / EDGE, points.y[row] / EDGE, drawn)) {
        bits[row >> 3] |= 1 << (row & 7);
        found++;
      }
    }
    if (!found) return draw();
    chosen = drawn;
    const { selection } = await backEnd.tell("select", bits);
    await choose({ selection });
  }

  function isInside(x, y, drawn) {
    let inside = false;
    for (let at = 0, before = drawn.length - 1; at < drawn.length; before = at++) {
      const [left, low] = drawn[at], [right, high] = drawn[before];
      if (low > y !== high > y && x < ((right - left) * (y - low)) / (high - low) + left) inside = !inside;
    }
    return inside;
  }

  function zoomTo(k, [x, y], from) {
    const zoomed = Math.max(0.3, Math.min(200, k)), ratio = zoomed / from.k;
    Object.assign(eye, { k: zoomed, x: x - (x - from.x) * ratio, y: y - (y - from.y) * ratio, home: false });
    draw();
  }

  function toggleLasso() {
    lasso = !lasso;
    $("lasso").setAttribute("aria-pressed", String(lasso));
    canvas.classList.toggle("pen", lasso);
  }

  const spotOf = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const apart = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);

  canvas.addEventListener("pointerdown", (event) => {
    const spot = spotOf(event);
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, spot);
    showTip(-1, spot);
    if (fingers.size === 2) {
      const two = [...fingers.values()];
      line = null;
      grip = { ...eye, apart: apart(two), middle: [(two[0][0] + two[1][0]) / 2, (two[0][1] + two[1][1]) / 2] };
    } else if (lasso || event.shiftKey) {
      line = [onMap(spot)];
    } else {
      grip = { ...eye, spot, moved: false };
      canvas.classList.add("hand");
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    const spot = spotOf(event);
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, spot);
    if (grip && grip.apart && fingers.size === 2) {
      zoomTo((grip.k * apart([...fingers.values()])) / grip.apart, grip.middle, grip);
    } else if (line) {
      line.push(onMap(spot));
      draw();
    } else if (grip && !grip.apart) {
      grip.moved = grip.moved || apart([spot, grip.spot]) > 3;
      Object.assign(eye, { x: grip.x + spot[0] - grip.spot[0], y: grip.y + spot[1] - grip.spot[1], home: false });
      draw();
    } else if (event.pointerType === "mouse" && points) {
      clearTimeout(page.hovering);
      page.hovering = setTimeout(() => showTip(nearest(spot, 9), spot), 60);
    }
  });

  canvas.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    canvas.classList.remove("hand");
    if (line) {
      const drawn = line;
      line = null;
      if (lasso) toggleLasso();
      if (drawn.length > 5) attempt(() => chooseInside(drawn));
      else draw();
    } else if (grip && !grip.apart && !grip.moved) {
      attempt(() => pick(spotOf(event)));
    }
    grip = null;
  });
  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    line = grip = null;
    draw();
  });
  canvas.addEventListener("pointerleave", () => {
    clearTimeout(page.hovering);
    showTip(-1, [0, 0]);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    showTip(-1, [0, 0]);
    zoomTo(eye.k * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), spotOf(event), { ...eye });
  }, { passive: false });

  $("colour").addEventListener("change", () => { drawLegend(); draw(); });
  $("lasso").addEventListener("click", toggleLasso);
  $("fit").addEventListener("click", fit);
  new ResizeObserver(draw).observe(canvas);

  return {
    open, draw, fit, light, decided, reload, toggleLasso,
    forget: () => { chosen = null; },
    nameOf: (region) => (points && points.regions[region].name) || "region",
  };
})();
