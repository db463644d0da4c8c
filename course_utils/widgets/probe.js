// The view of ProbeExplorer: a pure render of the synced traits (results, layers, task, layer).

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"]; // Okabe and Ito; dashes and shapes tell them apart too
const DASHES = ["", "7 3", "7 3 2 3", "2 3", "12 4"];
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 280, 46, 12, 10, 36];

function marker(index, x, y) {
  const look = { fill: COLOURS[index % 5] };
  if (index % 5 === 1) return draw("rect", "", { x: x - 4, y: y - 4, width: 8, height: 8, ...look });
  if (index % 5 === 2) return draw("path", "", { d: `M${x} ${y - 5}L${x + 5} ${y + 4}H${x - 5}Z`, ...look });
  if (index % 5 === 3) return draw("path", "", { d: `M${x} ${y - 6}L${x + 5} ${y}L${x} ${y + 6}L${x - 5} ${y}Z`, ...look });
  if (index % 5 === 4) return draw("path", "", { d: `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x - 4} ${y + 4}L${x + 4} ${y - 4}`, stroke: COLOURS[4], "stroke-width": 2 });
  return draw("circle", "", { cx: x, cy: y, r: 4.5, ...look });
}

// ProbeExplorer.summary says the same in Python.
function sentence(task, layer, now) {
  const told = now.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
  const [probe, ...controls] = now.map(([, value]) => Number(value.toFixed(2)));
  const lead = probe - Math.max(...controls);
  return `${task}, layer ${layer}: ${told}. The probe is ${Math.abs(lead).toFixed(2)} ${lead >= 0 ? "above" : "below"} its best control.`;
}

function render({ model, el }) {
  const layers = model.get("layers");
  const root = node("section", "agai-probe", { "aria-label": "Probe explorer" });
  const bar = node("div", "probe-bar");
  const taskLabel = node("label", "probe-field", {}, "Task");
  const tasks = node("select");
  for (const name of Object.keys(model.get("results"))) tasks.append(node("option", "", { value: name }, name));
  taskLabel.append(tasks);
  const layerLabel = node("label", "probe-field probe-wide", {}, "Layer");
  const slider = node("input", "", { type: "range", min: 0, max: layers.length - 1, step: 1 });
  const shown = node("output", "probe-layer");
  layerLabel.append(slider, shown);
  bar.append(taskLabel, layerLabel);
  const status = node("p", "probe-status", { role: "status", "aria-live": "polite" });
  const main = node("div", "probe-main");
  const chart = draw("svg", "probe-chart", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const table = node("ul", "probe-list");
  main.append(chart, table);
  root.append(bar, status, main);
  el.append(root);

  const span = Math.max(1, layers[layers.length - 1] - layers[0]);
  const across = (layer) => LEFT + 8 + ((layer - layers[0]) / span) * (WIDTH - LEFT - RIGHT - 16);
  const up = (value) => HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM);

  function drawChart(series, layer) {
    chart.replaceChildren();
    for (const value of [0, 0.25, 0.5, 0.75, 1]) {
      chart.append(draw("line", "probe-grid", { x1: LEFT, x2: WIDTH - RIGHT, y1: up(value), y2: up(value) }));
      chart.append(draw("text", "", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, value.toFixed(2)));
    }
    for (const each of layers) chart.append(draw("text", "", { x: across(each), y: HEIGHT - 19, "text-anchor": "middle" }, each));
    chart.append(draw("text", "", { x: WIDTH / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "layer (vertical: held-out accuracy)"));
    chart.append(draw("line", "probe-now", { x1: across(layer), x2: across(layer), y1: TOP, y2: HEIGHT - BOTTOM }));
    series.forEach(([, values], index) => {
      const points = values.map((value, i) => `${across(layers[i])},${up(value)}`).join(" ");
      chart.append(draw("polyline", "", {
        points, fill: "none", stroke: COLOURS[index % 5], "stroke-width": index ? 1.8 : 3, "stroke-dasharray": DASHES[index % 5],
      }));
      chart.append(marker(index, across(layer), up(values[layers.indexOf(layer)])));
    });
  }

  function drawList(now) {
    table.replaceChildren();
    now.forEach(([name, value], index) => {
      const row = node("li", "probe-row");
      const key = draw("svg", "", { viewBox: "0 0 34 14", width: 34, height: 14, "aria-hidden": "true" });
      key.append(draw("line", "", { x1: 0, x2: 34, y1: 7, y2: 7, stroke: COLOURS[index % 5], "stroke-width": 2, "stroke-dasharray": DASHES[index % 5] }));
      key.append(marker(index, 17, 7));
      row.append(key, node("span", "probe-name", {}, name), node("b", "", {}, value.toFixed(2)));
      table.append(row);
    });
  }

  function update() {
    const [task, layer] = [model.get("task"), model.get("layer")];
    const series = Object.entries(model.get("results")[task]);
    const now = series.map(([name, values]) => [name, values[layers.indexOf(layer)]]);
    tasks.value = task;
    slider.value = layers.indexOf(layer);
    slider.setAttribute("aria-valuetext", `layer ${layer}`);
    shown.textContent = String(layer);
    chart.setAttribute("aria-label", `Lines of held-out accuracy by layer for ${task}; layer ${layer} is marked.`);
    drawChart(series, layer);
    drawList(now);
    say(status, sentence(task, layer, now));
  }

  const choose = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect(); // the picture keeps its shape, so one scale fits both
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const distances = layers.map((layer) => Math.abs(across(layer) - x));
    choose("layer", layers[distances.indexOf(Math.min(...distances))]);
  });
  tasks.addEventListener("change", () => choose("task", tasks.value));
  slider.addEventListener("input", () => choose("layer", layers[Number(slider.value)]));
  model.on("change:task change:layer", update);
  update();
  return () => model.off("change:task change:layer", update);
}

export default { render };
