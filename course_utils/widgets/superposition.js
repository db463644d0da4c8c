// The view of SuperpositionExplorer: a pure render of the synced traits density and importance (places in lists).
// The sliders are native range inputs, so arrow keys, Home and End work.

const SHORT = 0.5; // shorter vectors are drawn hollow; the same number as in Python
const REACH = 1.45;
const TALL = 1.3; // a length that fills the table's track
// Matplotlib's viridis from 0 to 0.86 at 12 even steps: dark for feature 0
const VIRIDIS = (
  "440154481d6f4537813d4e8a33638d2a768e23898e1e9c8928ae8046c06f70cf57a2da37"
).match(/.{6}/g).map((code) => `#${code}`);

function readData(model) {
  const view = model.get("_vectors"); // a DataView whose offset need not be a multiple of four: copy first
  const values = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const count = model.get("n_features");
  const [densities, importances] = [model.get("densities"), model.get("importances")];
  const at = (importance, density) => {
    const start = (importance * densities.length + density) * count * 2;
    return Array.from({ length: count }, (_, i) => [values[start + 2 * i], values[start + 2 * i + 1]]);
  };
  return { at, count, densities, importances };
}

const length = ([x, y]) => Math.hypot(x, y);
const colour = (feature, count) => VIRIDIS[count < 2 ? 0 : Math.round((feature * 11) / (count - 1))];
const number = (value) => String(Number(value.toPrecision(6)));

function makeSlider(label, count, id) {
  const field = node("div", "super-field");
  const caption = node("label", "", { for: id }, label);
  const shown = node("output", "", { for: id });
  const input = node("input", "", { type: "range", id, min: 0, max: count - 1, step: 1 });
  caption.append(shown);
  field.append(caption, input);
  return { field, input, shown };
}

function makePlane() {
  const box = node("div", "super-plane");
  const svg = draw("svg", "", { viewBox: `${-REACH} ${-REACH} ${2 * REACH} ${2 * REACH}`, role: "img" });
  const axes = [[-REACH, 0, REACH, 0], [0, -REACH, 0, REACH]];
  for (const [x1, y1, x2, y2] of axes) svg.append(draw("line", "super-axis", { x1, y1, x2, y2 }));
  svg.append(draw("circle", "super-unit", { r: 1 }));
  const outline = draw("polygon", "super-outline");
  const arrows = draw("g");
  svg.append(outline, arrows);
  box.append(svg);
  return { box, svg, outline, arrows };
}

function drawArrow(vector, feature, count) {
  const [x, y] = [vector[0], -vector[1]]; // SVG's y points down
  const ink = colour(feature, count);
  const group = draw("g");
  if (length(vector) <= SHORT) {
    group.append(draw("circle", "", { cx: x, cy: y, r: 0.035, fill: "none", stroke: ink, "stroke-width": 0.016 }));
    return group;
  }
  const out = 1 + 0.17 / length(vector);
  group.append(
    draw("line", "super-arrow", { x1: 0, y1: 0, x2: x, y2: y, stroke: ink }),
    draw("circle", "", { cx: x, cy: y, r: 0.045, fill: ink }),
    draw("text", "super-name", { x: x * out, y: y * out }, String(feature)),
  );
  return group;
}

function drawPlane(plane, vectors) {
  const long = vectors.filter((vector) => length(vector) > SHORT);
  long.sort((a, b) => Math.atan2(a[1], a[0]) - Math.atan2(b[1], b[0]));
  const corners = long.length > 2 ? long.map(([x, y]) => `${x},${-y}`).join(" ") : "";
  plane.outline.setAttribute("points", corners);
  plane.arrows.replaceChildren(...vectors.map((vector, i) => drawArrow(vector, i, vectors.length)));
}

function drawLengths(table, vectors) {
  const rows = vectors.map((vector, i) => {
    const row = node("tr");
    const track = node("div", "super-track");
    const fill = node("div", "super-fill");
    fill.style.width = `${Math.min(100, (100 * length(vector)) / TALL)}%`;
    fill.style.background = colour(i, vectors.length);
    const half = node("div", "super-half");
    half.style.left = `${(100 * SHORT) / TALL}%`;
    track.append(fill, half);
    const bar = node("td");
    bar.append(track);
    row.append(node("th", "", { scope: "row" }, String(i)), bar, node("td", "", {}, length(vector).toFixed(2)));
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
}

// the sentence of the live region; SuperpositionExplorer.summary says the same in Python
function sentence(data, state, vectors) {
  const long = vectors.map((_, i) => i).filter((i) => length(vectors[i]) > SHORT);
  const where = `Density ${number(data.densities[state.density])}, importance ${number(data.importances[state.importance])}ⁱ`;
  const names = long.length ? `: ${long.join(", ")}` : "";
  return `${where}: ${long.length} of ${data.count} features are represented${names}.`;
}

function render({ model, el }) {
  const data = readData(model);
  const id = unique();
  const root = node("section", "agai-super", { "aria-label": "Superposition explorer" });
  const sliders = {
    density: makeSlider("Density, sparser to the right", data.densities.length, `${id}-density`),
    importance: makeSlider("Importance of feature i, steeper to the right", data.importances.length, `${id}-importance`),
  };
  const bar = node("div", "super-bar");
  bar.append(sliders.density.field, sliders.importance.field);
  const status = node("p", "super-status", { role: "status", "aria-live": "polite" });
  const plane = makePlane();
  const table = node("table", "super-lengths");
  table.append(node("caption", "", {}, "Length of each feature's vector (dashed: 0.5)"), node("tbody"));
  const main = node("div", "super-main");
  main.append(plane.box, table);
  root.append(bar, status, main);
  el.append(root);

  function update() {
    const state = { density: model.get("density"), importance: model.get("importance") };
    const vectors = data.at(state.importance, state.density);
    const words = {
      density: number(data.densities[state.density]),
      importance: `${number(data.importances[state.importance])}ⁱ`,
    };
    for (const [name, { input, shown }] of Object.entries(sliders)) {
      input.value = state[name];
      shown.textContent = words[name];
      input.setAttribute("aria-valuetext", words[name]);
    }
    drawPlane(plane, vectors);
    drawLengths(table, vectors);
    const said = sentence(data, state, vectors);
    plane.svg.setAttribute("aria-label", `Feature vectors in two dimensions. ${said}`);
    say(status, said);
  }

  for (const [name, { input }] of Object.entries(sliders)) {
    input.addEventListener("input", () => {
      model.set(name, Number(input.value));
      model.save_changes();
      update();
    });
  }
  const events = "change:density change:importance";
  model.on(events, update);
  update();
  return () => model.off(events, update);
}

export default { render };
