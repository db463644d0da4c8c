// The view of AttentionExplorer: a pure render of the synced traits (layer, head, position, direction).
// Hovering only previews a token; clicking and the keyboard choose one.

const SCALE = 65535; // weights arrive as little-endian 16-bit fixed point
const SHADE_FROM = 0.05; // tokens below this weight stay unshaded: viridis starts dark, and dark looks strong
// Matplotlib's viridis at 33 even steps
const VIRIDIS = (
  "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c" +
  "1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725"
).match(/../g).map((pair) => parseInt(pair, 16));

function viridis(weight) {
  const place = Math.min(1, Math.max(0, weight)) * 32;
  const low = Math.min(31, Math.floor(place));
  return [0, 1, 2].map((i) => {
    const [from, to] = [VIRIDIS[3 * low + i], VIRIDIS[3 * low + 3 + i]];
    return Math.round(from + (to - from) * (place - low));
  });
}

const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
const ink = ([red, green, blue]) => (0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#111" : "#fff");

const short = (token) => (visible(token).length > 13 ? `${visible(token).slice(0, 12)}…` : visible(token));

function readData(model) {
  const view = model.get("_weights"); // a DataView whose offset need not be even: copy before reading it as 16 bits
  const values = new Uint16Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const [heads, count] = [model.get("n_heads"), model.get("tokens").length];
  const at = (layer, head, query, key) =>
    values[((layer * heads + head) * count + query) * count + key] / SCALE;
  let causal = true;
  for (let i = 0; i < values.length && causal; i++) {
    causal = values[i] === 0 || i % count <= Math.floor(i / count) % count;
  }
  return { at, causal, count, heads, layers: model.get("n_layers"), tokens: model.get("tokens") };
}

// ---- drawing on canvas ----

function drawThumbnail(canvas, data, layer, head) {
  const step = Math.max(1, Math.ceil(data.count / 48)); // many tokens: keep the largest weight of each block
  const side = Math.ceil(data.count / step);
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  const largest = new Float32Array(side * side);
  for (let query = 0; query < data.count; query++) {
    for (let key = 0; key < (data.causal ? query + 1 : data.count); key++) {
      const cell = Math.floor(query / step) * side + Math.floor(key / step);
      largest[cell] = Math.max(largest[cell], data.at(layer, head, query, key));
    }
  }
  largest.forEach((weight, cell) => {
    const future = data.causal && cell % side > Math.floor(cell / side);
    image.data.set([...viridis(weight), future ? 0 : 255], 4 * cell);
  });
  context.putImageData(image, 0, 0);
}

function drawPattern(canvas, data, layer, head, cell) {
  const ratio = Math.max(1, window.devicePixelRatio || 1);
  canvas.width = canvas.height = Math.round(data.count * cell * ratio);
  canvas.style.width = canvas.style.height = `${data.count * cell}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const gap = cell >= 12 ? 1 : 0;
  for (let query = 0; query < data.count; query++) {
    for (let key = 0; key < (data.causal ? query + 1 : data.count); key++) {
      context.fillStyle = css(viridis(data.at(layer, head, query, key)));
      context.fillRect(key * cell, query * cell, cell - gap, cell - gap);
    }
  }
}

// ---- the parts: each returns its element and what `update` needs ----

function makeControls(data, name) {
  const bar = node("div", "attn-bar");
  const title = node("div", "attn-title");
  const select = (label, count, prefix) => {
    const wrap = node("label", "attn-field", {}, label);
    const box = node("select");
    for (let i = 0; i < count; i++) box.append(node("option", "", { value: i }, `${prefix}${i}`));
    wrap.append(box);
    return { wrap, box };
  };
  const layer = select("Layer", data.layers, "L");
  const head = select("Head", data.heads, "H");
  const group = node("fieldset", "attn-switch");
  group.append(node("legend", "", {}, "Chosen token is the"));
  const radios = ["query", "key"].map((value) => {
    const label = node("label");
    const radio = node("input", "", { type: "radio", name, value });
    label.append(radio, node("span", "", {}, value));
    group.append(label);
    return radio;
  });
  bar.append(title, layer.wrap, head.wrap, group);
  return { bar, title, layer: layer.box, head: head.box, radios };
}

function makeHeads(data, titles) {
  const pane = node("div", "attn-heads");
  const grid = node("div", "attn-grid", {
    role: "grid", "aria-label": "All heads: a row for each layer, a column for each head. Arrow keys move.",
    "aria-rowcount": data.layers + 1, "aria-colcount": data.heads + 1,
  });
  grid.style.setProperty("--attn-thumb", `${data.heads > 16 ? 17 : data.heads > 6 ? 26 : 40}px`);
  grid.style.setProperty("--attn-columns", data.heads);
  const top = node("div", "attn-row attn-top", { role: "row" });
  top.append(node("span", "attn-corner", { role: "columnheader", "aria-label": "layer" }));
  for (let head = 0; head < data.heads; head++) {
    top.append(node("span", "attn-column", { role: "columnheader", "aria-label": `head ${head}` }, data.heads > 16 ? head : `H${head}`));
  }
  grid.append(top);
  const cells = [];
  for (let layer = 0; layer < data.layers; layer++) {
    const row = node("div", "attn-row", { role: "row" });
    row.append(node("span", "attn-rowname", { role: "rowheader", "aria-label": `layer ${layer}` }, `L${layer}`));
    cells.push([]);
    for (let head = 0; head < data.heads; head++) {
      const note = titles[`L${layer}H${head}`];
      const label = `L${layer}H${head}${note ? `: ${note}` : ""}`;
      const cell = node("div", `attn-cell${note ? " attn-noted" : ""}`, {
        role: "gridcell", tabindex: -1, title: label, "aria-label": label, "data-layer": layer, "data-head": head,
      });
      const canvas = node("canvas", "", { "aria-hidden": "true" });
      drawThumbnail(canvas, data, layer, head);
      cell.append(canvas);
      row.append(cell);
      cells[layer].push(cell);
    }
    grid.append(row);
  }
  pane.append(grid);
  return { pane, grid, cells };
}

function makePattern(data) {
  const box = node("div", "attn-pattern");
  const cell = Math.max(7, Math.min(30, Math.floor(410 / data.count)));
  box.style.setProperty("--attn-cellsize", `${cell}px`);
  box.style.setProperty("--attn-side", `${cell * data.count}px`);
  box.style.setProperty("--attn-label", `${Math.min(12, Math.max(10, cell - 2))}px`);
  const every = Math.ceil(12 / cell); // small cells: write every second or third token
  const labels = (which) => {
    const list = node("div", `attn-${which}`, { "aria-hidden": "true" });
    const made = data.tokens.map((token, i) => {
      const label = node("span", "attn-label", { "data-place": i }, i % every ? "" : short(token));
      list.append(label);
      return label;
    });
    const mark = (chosen) =>
      made.forEach((label, i) => {
        label.classList.toggle("attn-on", i === chosen);
        label.textContent = i % every && i !== chosen ? "" : short(data.tokens[i]);
      });
    return { list, mark };
  };
  const [rows, columns] = [labels("queries"), labels("keys")];
  const frame = node("div", "attn-frame");
  const canvas = node("canvas", "", { role: "img" });
  const band = node("div", "attn-band", { "aria-hidden": "true" });
  frame.append(canvas, band);
  if (data.causal && data.count > 5) frame.append(node("span", "attn-blank", {}, "blank: the future, masked"));
  const scale = node("div", "attn-scale", { "aria-hidden": "true" });
  const stops = Array.from({ length: 9 }, (_, i) => css(viridis(i / 8)));
  const ramp = node("span", "attn-ramp");
  ramp.style.background = `linear-gradient(to right, ${stops.join(",")})`;
  scale.append(node("span", "", {}, "attention weight 0"), ramp, node("span", "", {}, "1"));
  const readout = node("div", "attn-readout", { "aria-hidden": "true" });
  box.append(
    node("span", "attn-yname", { "aria-hidden": "true" }, "query ↓   key →"), frame, rows.list, columns.list,
  );
  const foot = node("div", "attn-foot");
  foot.append(scale, readout);
  return { box, foot, canvas, band, frame, readout, rows, columns, cell };
}

function makeText(data) {
  const box = node("div", "attn-text", { role: "listbox", "aria-orientation": "horizontal" });
  const chips = data.tokens.map((token, i) => {
    const chip = node("span", "attn-token", { role: "option", tabindex: -1, "data-place": i });
    const shown = node("span", "attn-word");
    const [, lead, rest] = visible(token).match(/^(·*)([^]*)$/);
    shown.append(node("span", "attn-space", {}, lead), rest);
    chip.append(shown, node("span", "attn-number"));
    box.append(chip);
    return chip;
  });
  return { box, chips };
}

// ---- the sentence of the live region; AttentionExplorer.summary says the same in Python ----

function sentence(data, state, weightOf) {
  const order = data.tokens.map((_, i) => i).filter((i) => weightOf(i) >= 0.005);
  order.sort((a, b) => weightOf(b) - weightOf(a) || a - b);
  const told = order.slice(0, 3).map((i) => `${quoted(data.tokens[i])} (${i}) ${weightOf(i).toFixed(2)}`);
  const verb = state.direction === "query" ? "attends to" : "is attended to by";
  const chosen = `${quoted(data.tokens[state.position])} (${state.position})`;
  return `L${state.layer}H${state.head}: ${chosen} ${verb} ${told.join(", ") || "no token with 0.01 or more"}.`;
}

function render({ model, el }) {
  const data = readData(model);
  const titles = model.get("titles");
  const root = node("section", "agai-attn", { "aria-label": "Attention explorer" });
  const controls = makeControls(data, unique());
  const status = node("p", "attn-status", { role: "status", "aria-live": "polite" });
  const heads = makeHeads(data, titles);
  const pattern = makePattern(data);
  const text = makeText(data);
  const main = node("div", "attn-main");
  const right = node("div", "attn-right");
  right.append(pattern.box, pattern.foot);
  main.append(heads.pane, right);
  root.append(controls.bar, status, text.box, main);
  el.append(root);

  let preview = null; // the token under the pointer: never synced, gone when the pointer leaves
  let drawn = ""; // the head on the canvas, and the head marked in the grid
  let lit = "";
  let waiting = false;

  const read = () => {
    const state = {};
    for (const name of ["layer", "head", "position", "direction"]) state[name] = model.get(name);
    return state;
  };
  const choose = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };

  function updateHeads(state) {
    for (const cell of heads.grid.querySelectorAll('[aria-selected="true"]')) {
      cell.setAttribute("aria-selected", "false");
      cell.tabIndex = -1;
    }
    const chosen = heads.cells[state.layer][state.head];
    chosen.setAttribute("aria-selected", "true");
    chosen.tabIndex = 0;
    if (root.isConnected) scrollTo(state.layer, chosen.offsetHeight + 3);
  }

  function scrollTo(layer, pitch) {
    // the pane only, by whole rows: scrollIntoView would move the notebook as well
    const { pane } = heads;
    const fits = Math.floor((pane.clientHeight - heads.grid.firstChild.offsetHeight - 6) / pitch);
    const first = Math.round(pane.scrollTop / pitch);
    if (layer < first) pane.scrollTop = layer * pitch;
    if (layer >= first + fits) pane.scrollTop = (layer - fits + 1) * pitch;
  }

  function updateText(state, shown, weightOf, masked) {
    const role = state.direction === "query" ? "key" : "query";
    text.box.setAttribute("aria-label", `Tokens. Arrow keys choose the ${state.direction}; weights are of each ${role}.`);
    text.chips.forEach((chip, i) => {
      const [word, number] = chip.children;
      const weight = weightOf(i);
      const colour = viridis(weight);
      const shade = !masked(i) && weight >= SHADE_FROM;
      word.style.background = shade ? css(colour) : "";
      word.style.color = shade ? ink(colour) : "";
      number.textContent = masked(i) ? "\u00a0" : weight < 0.005 ? "0" : weight.toFixed(2).replace(/^0/, "");
      chip.classList.toggle("attn-masked", masked(i));
      chip.classList.toggle("attn-shown", i === shown);
      chip.setAttribute("aria-selected", String(i === state.position));
      chip.tabIndex = i === state.position ? 0 : -1;
      const told = masked(i) ? "masked" : `weight ${weight.toFixed(2)}`;
      chip.setAttribute("aria-label", `${quoted(data.tokens[i])}, position ${i}, ${told}`);
    });
  }

  function updatePattern(state, shown) {
    const { layer, head, direction } = state;
    if (drawn !== `${layer} ${head}`) drawPattern(pattern.canvas, data, layer, head, pattern.cell);
    drawn = `${layer} ${head}`;
    pattern.canvas.setAttribute("aria-label", `Heat map of L${layer}H${head}: query tokens down, key tokens across.`);
    const across = direction === "query";
    const seen = !data.causal ? data.count : across ? shown + 1 : data.count - shown; // cells that are not masked
    const [start, size, length] = [shown, 1, seen].map((cells) => `${cells * pattern.cell}px`);
    Object.assign(pattern.band.style, {
      top: start, left: across ? "0" : start, height: across ? size : length, width: across ? length : size,
    });
    if (!across && !data.causal) pattern.band.style.top = "0";
    pattern.rows.mark(across ? shown : null);
    pattern.columns.mark(across ? null : shown);
  }

  function update() {
    const state = read();
    const shown = preview ?? state.position;
    const across = state.direction === "query";
    const weightFor = (chosen) => (i) =>
      across ? data.at(state.layer, state.head, chosen, i) : data.at(state.layer, state.head, i, chosen);
    const masked = (i) => data.causal && (across ? i > shown : i < shown);
    const name = `L${state.layer}H${state.head}`;
    controls.title.textContent = name;
    if (titles[name]) controls.title.append(node("span", "attn-note", {}, titles[name]));
    controls.layer.value = state.layer;
    controls.head.value = state.head;
    for (const radio of controls.radios) radio.checked = radio.value === state.direction;
    if (lit !== name) updateHeads(state);
    lit = root.isConnected ? name : "";
    updateText(state, shown, weightFor(shown), masked);
    updatePattern(state, shown);
    say(status, sentence(data, state, weightFor(state.position)));
  }

  function schedule() {
    if (waiting) return; // a click sets layer and head: draw once
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      update();
    });
  }

  function onHeadKey(event) {
    const { layer, head } = read();
    const upright = ["ArrowUp", "ArrowDown", "PageUp", "PageDown"].includes(event.key);
    const to = upright ? moved(event.key, layer, data.layers, 5) : moved(event.key, head, data.heads, 5);
    if (to === null) return;
    event.preventDefault();
    choose(upright ? { layer: to } : { head: to });
    heads.cells[model.get("layer")][model.get("head")].focus({ preventScroll: true });
  }

  function onTokenKey(event) {
    const to = moved(event.key, read().position, data.count, 10);
    if (to === null) return;
    event.preventDefault();
    preview = null;
    choose({ position: to });
    text.chips[to].focus({ preventScroll: true });
  }

  const placeOf = (event) => {
    const found = event.target.closest("[data-place]");
    return found ? Number(found.dataset.place) : null;
  };
  const cellOf = (event) => {
    const frame = pattern.canvas.getBoundingClientRect();
    const inside = (value) => Math.min(data.count - 1, Math.max(0, Math.floor(value / pattern.cell)));
    return { query: inside(event.clientY - frame.top), key: inside(event.clientX - frame.left) };
  };
  const show = (place) => {
    if (place === preview) return;
    preview = place;
    update();
  };

  controls.layer.addEventListener("change", () => choose({ layer: Number(controls.layer.value) }));
  controls.head.addEventListener("change", () => choose({ head: Number(controls.head.value) }));
  for (const radio of controls.radios) {
    radio.addEventListener("change", () => choose({ direction: radio.value }));
  }
  heads.grid.addEventListener("keydown", onHeadKey);
  heads.grid.addEventListener("click", (event) => {
    const cell = event.target.closest(".attn-cell");
    if (!cell) return;
    choose({ layer: Number(cell.dataset.layer), head: Number(cell.dataset.head) });
    cell.focus({ preventScroll: true });
  });
  text.box.addEventListener("keydown", onTokenKey);
  text.box.addEventListener("pointerover", (event) => show(placeOf(event)));
  text.box.addEventListener("pointerleave", () => show(null));
  for (const part of [text.box, pattern.box]) {
    part.addEventListener("click", (event) => {
      const place = placeOf(event);
      if (place !== null) choose({ position: place });
    });
  }
  pattern.frame.addEventListener("pointermove", (event) => {
    const { query, key } = cellOf(event);
    const { layer, head, direction } = read();
    const future = data.causal && key > query;
    const weight = future ? "masked" : data.at(layer, head, query, key).toFixed(3);
    pattern.readout.textContent = `${quoted(data.tokens[query])} (${query}) → ${quoted(data.tokens[key])} (${key}): ${weight}`;
    show(direction === "query" ? query : key);
  });
  pattern.frame.addEventListener("pointerleave", () => {
    pattern.readout.textContent = "";
    show(null);
  });
  pattern.frame.addEventListener("click", (event) => choose({ position: cellOf(event)[read().direction] }));

  const events = ["layer", "head", "position", "direction"].map((name) => `change:${name}`).join(" ");
  model.on(events, schedule);
  update();
  const settle = requestAnimationFrame(update); // now it is on the page and has a height to scroll in
  return () => {
    cancelAnimationFrame(settle);
    model.off(events, schedule);
  };
}

export default { render };
