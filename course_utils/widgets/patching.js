// The view of PatchingExplorer: a pure render of the synced traits.

// Matplotlib's RdBu_r at 17 even steps: blue below 0, red above, white at 0
const RDBU = (
  "053061 175290 2a71b2 3f8ec0 6bacd1 9bc9e0 c2ddec e0ecf3 f7f6f6 fbe5d8 fbccb4 f5aa89 e48066 d05548 ba2832 930e26 67001f"
).replaceAll(" ", "").match(/../g).map((pair) => parseInt(pair, 16));
const [WIDTH, LEFT, TOP, BOTTOM, RIGHT] = [520, 66, 6, 58, 6];

function colour(value, limit) {
  const place = (Math.min(1, Math.max(-1, value / limit)) + 1) * 8;
  const low = Math.min(15, Math.floor(place));
  const mixed = [0, 1, 2].map((i) => {
    const [from, to] = [RDBU[3 * low + i], RDBU[3 * low + 3 + i]];
    return Math.round(from + (to - from) * (place - low));
  });
  return `rgb(${mixed.join(" ")})`;
}

// PatchingExplorer.summary says the same in Python.
function sentence(data, row, column) {
  const effect = data.effect[row][column].toFixed(2);
  const now = [["clean", data.clean[0]], ["corrupted", data.corrupted[0]], ["patched", data.patched[row][column][0]]];
  const told = now.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
  return `${data.rows[row]}, ${data.columns[column]}: effect ${effect}. P(${quoted(data.answers[0])}): ${told}.`;
}

function render({ model, el }) {
  const data = {};
  for (const name of ["effect", "rows", "columns", "answers", "clean", "corrupted", "patched", "label"]) {
    data[name] = model.get(name);
  }
  const [rows, columns] = [data.rows.length, data.columns.length];
  const limit = Math.max(1e-9, ...data.effect.flat().map(Math.abs));
  const wide = (WIDTH - LEFT - RIGHT) / columns;
  const tall = Math.min(26, Math.max(11, 420 / rows));
  const height = TOP + rows * tall + BOTTOM;

  const root = node("section", "agai-patch", { "aria-label": "Patching explorer" });
  const status = node("p", "patch-status", { role: "status", "aria-live": "polite" });
  const main = node("div", "patch-main");
  const left = node("div", "patch-left");
  const map = draw("svg", "patch-map", {
    viewBox: `0 0 ${WIDTH} ${height}`, tabindex: "0", role: "application",
    "aria-label": `Heat map of ${data.label}, ${rows} rows by ${columns} columns. Arrow keys choose a cell.`,
  });
  const key = node("div", "patch-key");
  const ramp = node("span", "patch-ramp", { "aria-hidden": "true" });
  const stops = Array.from({ length: 9 }, (_, i) => colour((i / 4 - 1) * limit, limit)).join(",");
  ramp.style.background = `linear-gradient(to right, ${stops})`;
  key.append(node("span", "", {}, (-limit).toFixed(2)), ramp, node("span", "", {}, limit.toFixed(2)), node("span", "", {}, data.label));
  left.append(map, key);
  const right = node("div", "patch-right");
  const table = node("table", "patch-answers");
  right.append(table, node("p", "patch-help", {}, "Click a cell, or focus the map and use the arrow keys; Home and End go to the ends of a row."));
  main.append(left, right);
  root.append(status, main);
  el.append(root);

  data.effect.forEach((line, row) =>
    line.forEach((value, column) => {
      map.append(draw("rect", "", {
        x: LEFT + column * wide, y: TOP + row * tall, width: wide - 0.6, height: tall - 0.6, fill: colour(value, limit),
      }));
    }),
  );
  const everyRow = Math.ceil(14 / tall);
  data.rows.forEach((name, row) => {
    if (row % everyRow === 0) {
      map.append(draw("text", "", { x: LEFT - 5, y: TOP + (row + 0.5) * tall + 4, "text-anchor": "end" }, name));
    }
  });
  const everyColumn = Math.ceil(15 / wide);
  data.columns.forEach((name, column) => {
    if (column % everyColumn) return;
    const [x, y] = [LEFT + (column + 0.5) * wide, TOP + rows * tall + 12];
    const turned = wide < 60 ? { transform: `rotate(-40 ${x} ${y})`, "text-anchor": "end" } : { "text-anchor": "middle" };
    map.append(draw("text", "", { x, y, ...turned }, name));
  });
  const inner = draw("rect", "patch-now-inner", { width: wide - 3.6, height: tall - 3.6 });
  const ring = draw("rect", "patch-now", { width: wide - 0.6, height: tall - 0.6 });
  map.append(ring, inner);

  function drawTable(row, column) {
    table.replaceChildren();
    const head = node("tr");
    for (const name of ["next token", "clean", "corrupted", "patched"]) head.append(node("th", "", { scope: "col" }, name));
    const top = node("thead");
    top.append(head);
    const body = node("tbody");
    data.answers.forEach((answer, index) => {
      const line = node("tr");
      line.append(node("th", "", { scope: "row" }, visible(answer)));
      const values = [["", data.clean[index]], ["", data.corrupted[index]], ["patch-patched", data.patched[row][column][index]]];
      for (const [name, value] of values) {
        const cell = node("td", name);
        const bar = node("span", "patch-bar", { "aria-hidden": "true" });
        bar.style.width = `${Math.round(44 * value)}px`;
        cell.append(bar, node("span", "patch-number", {}, value.toFixed(2)));
        line.append(cell);
      }
      body.append(line);
    });
    table.append(top, body);
  }

  function update() {
    const [row, column] = [model.get("row"), model.get("column")];
    for (const [mark, inset] of [[ring, 0], [inner, 1.5]]) {
      mark.setAttribute("x", LEFT + column * wide + inset);
      mark.setAttribute("y", TOP + row * tall + inset);
    }
    drawTable(row, column);
    say(status, sentence(data, row, column));
  }

  function choose(row, column) {
    model.set("row", Math.min(rows - 1, Math.max(0, row)));
    model.set("column", Math.min(columns - 1, Math.max(0, column)));
    model.save_changes();
  }
  map.addEventListener("click", (event) => {
    const box = map.getBoundingClientRect();
    const scale = WIDTH / box.width;
    const [x, y] = [(event.clientX - box.left) * scale - LEFT, (event.clientY - box.top) * scale - TOP];
    if (x >= 0 && x < columns * wide && y >= 0 && y < rows * tall) choose(Math.floor(y / tall), Math.floor(x / wide));
  });
  map.addEventListener("keydown", (event) => {
    const [row, column] = [model.get("row"), model.get("column")];
    const goal = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [row, 0], End: [row, columns - 1],
    }[event.key];
    if (!goal) return;
    event.preventDefault();
    choose(...goal);
  });
  model.on("change:row change:column", update);
  update();
  return () => model.off("change:row change:column", update);
}

export default { render };
