// The view of ThresholdExplorer: a pure render of the synced traits (thresholds, recall, false_alarms, place, rate, miss_price).

const SERIES = [["recall", "#0072B2", ""], ["false alarms", "#D55E00", "7 3"], ["cost / highest", "#009E73", "2 3"]]; // Okabe and Ito; dashes tell them apart too
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 270, 46, 20, 10, 36];

// ThresholdExplorer.costs and .summary say the same in Python.
function costsOf(model) {
  const [bad, price] = [model.get("rate"), model.get("miss_price")];
  const alarms = model.get("false_alarms");
  return model.get("recall").map((caught, i) => (1000 - bad) * alarms[i] + price * bad * (1 - caught));
}

function sentence(model, costs) {
  const [place, bad, thresholds] = [model.get("place"), model.get("rate"), model.get("thresholds")];
  const [caught, alarms] = [model.get("recall")[place], model.get("false_alarms")[place]];
  const rings = bad * caught + (1000 - bad) * alarms;
  const precise = rings ? `${((bad * caught) / rings).toFixed(2)} of alarms are real` : "no alarm at all";
  const best = costs.indexOf(Math.min(...costs));
  return (
    `Threshold ${thresholds[place].toFixed(2)}: recall ${caught.toFixed(2)}, false alarms ${alarms.toFixed(2)}. ` +
    `In 1000 texts, ${bad} of them bad: ${(bad * caught).toFixed(1)} caught, ${((1000 - bad) * alarms).toFixed(1)} false alarms, ${precise}; ` +
    `cost ${costs[place].toFixed(0)}. Cheapest is threshold ${thresholds[best].toFixed(2)}, at cost ${costs[best].toFixed(0)}.`
  );
}

function render({ model, el }) {
  const thresholds = model.get("thresholds");
  const last = thresholds.length - 1;
  const root = node("section", "agai-threshold", { "aria-label": "Threshold explorer" });
  const bar = node("div", "threshold-bar");
  const slider = (label, min, max) => {
    const field = node("label", "threshold-field", {}, label);
    const input = node("input", "", { type: "range", min, max, step: 1 });
    const shown = node("output", "threshold-value");
    field.append(input, shown);
    bar.append(field);
    return [input, shown];
  };
  const [placeInput, placeShown] = slider("Threshold", 0, last);
  const [rateInput, rateShown] = slider("Bad texts in 1000", 1, 500);
  const [priceInput, priceShown] = slider("A miss costs (in false alarms)", 1, 1000);
  const status = node("p", "threshold-status", { role: "status", "aria-live": "polite" });
  const chart = draw("svg", "threshold-chart", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const legend = node("ul", "threshold-list");
  for (const [name, colour, dash] of SERIES) {
    const row = node("li", "threshold-row");
    const key = draw("svg", "", { viewBox: "0 0 34 14", width: 34, height: 14, "aria-hidden": "true" });
    key.append(draw("line", "", { x1: 0, x2: 34, y1: 7, y2: 7, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash }));
    row.append(key, node("span", "", {}, name));
    legend.append(row);
  }
  root.append(bar, status, chart, legend);
  el.append(root);

  const across = (value) => LEFT + ((value - thresholds[0]) / (thresholds[last] - thresholds[0])) * (WIDTH - LEFT - RIGHT);
  const up = (value) => HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM);

  function drawChart(costs) {
    chart.replaceChildren();
    for (const value of [0, 0.25, 0.5, 0.75, 1]) {
      chart.append(draw("line", "threshold-grid", { x1: LEFT, x2: WIDTH - RIGHT, y1: up(value), y2: up(value) }));
      chart.append(draw("text", "", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, value.toFixed(2)));
    }
    for (const at of [0, 15, 30, 45, 60].filter((each) => each <= last)) {
      chart.append(draw("text", "", { x: across(thresholds[at]), y: HEIGHT - 19, "text-anchor": "middle" }, thresholds[at].toFixed(1)));
    }
    chart.append(draw("text", "", { x: WIDTH / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "threshold (vertical: share)"));
    const here = across(thresholds[model.get("place")]);
    chart.append(draw("line", "threshold-now", { x1: here, x2: here, y1: TOP, y2: HEIGHT - BOTTOM }));
    const highest = Math.max(...costs, 1e-9);
    const rows = [model.get("recall"), model.get("false_alarms"), costs.map((cost) => cost / highest)];
    rows.forEach((values, index) => {
      const points = values.map((value, i) => `${across(thresholds[i])},${up(value)}`).join(" ");
      const [, colour, dash] = SERIES[index];
      chart.append(draw("polyline", "", { points, fill: "none", stroke: colour, "stroke-width": 2.4, "stroke-dasharray": dash }));
      chart.append(draw("circle", "", { cx: here, cy: up(values[model.get("place")]), r: 4.5, fill: colour }));
    });
  }

  function update() {
    const [place, rate, price] = [model.get("place"), model.get("rate"), model.get("miss_price")];
    [placeInput.value, rateInput.value, priceInput.value] = [place, rate, price];
    placeInput.setAttribute("aria-valuetext", `threshold ${thresholds[place].toFixed(2)}`);
    [placeShown.textContent, rateShown.textContent, priceShown.textContent] = [thresholds[place].toFixed(2), rate, price];
    const costs = costsOf(model);
    chart.setAttribute("aria-label", "Lines of recall, false alarms and relative cost against the threshold; the chosen one is marked.");
    drawChart(costs);
    say(status, sentence(model, costs));
  }

  const choose = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  placeInput.addEventListener("input", () => choose("place", Number(placeInput.value)));
  rateInput.addEventListener("input", () => choose("rate", Number(rateInput.value)));
  priceInput.addEventListener("input", () => choose("miss_price", Number(priceInput.value)));
  model.on("change:place change:rate change:miss_price", update);
  update();
  return () => model.off("change:place change:rate change:miss_price", update);
}

export default { render };
