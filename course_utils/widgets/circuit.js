// The view of CircuitBuilder: a board of switches. Python measures; the view shows `kept`, `faithfulness` and `tried`.
// Each switch takes its own keys: arrows move, Enter and Space switch (native buttons).

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };

// the sentence of the live region; CircuitBuilder.summary says the same in Python
function sentence(kept, total, faithfulness) {
  const names = kept.length > 0 && kept.length <= 8 ? `: ${kept.join(", ")}` : "";
  return `${kept.length} of ${total} heads on${names}. Faithfulness ${faithfulness.toFixed(2)}.`;
}

function render({ model, el }) {
  const [layers, heads] = [model.get("n_layers"), model.get("n_heads")];
  const every = [];
  for (let layer = 0; layer < layers; layer++) for (let head = 0; head < heads; head++) every.push(`L${layer}H${head}`);
  const root = node("section", "agai-circuit", { "aria-label": "Circuit builder" });
  const bar = node("div", "circuit-bar");
  const buttons = [["All on", every], ["All off", []]].map(([label, names]) => {
    const button = node("button", "circuit-plain", { type: "button" }, label);
    button.addEventListener("click", () => choose(names));
    bar.append(button);
    return button;
  });
  const tried = node("span", "circuit-tried");
  bar.append(tried);
  const board = node("div", "circuit-board", { role: "group", "aria-label": "Heads, last layer on top. Arrow keys move, Enter switches." });
  board.style.setProperty("--circuit-heads", heads);
  const cells = {};
  for (let layer = layers - 1; layer >= 0; layer--) {
    for (let head = 0; head < heads; head++) {
      const name = `L${layer}H${head}`;
      const cell = node("button", "circuit-head", { type: "button", tabindex: -1 }, name);
      cell.addEventListener("click", () => toggle(name));
      cell.addEventListener("keydown", (event) => move(event, layer, head));
      cells[name] = cell;
      board.append(cell);
    }
  }
  cells.L0H0.setAttribute("tabindex", 0);
  const meter = node("div", "circuit-meter", { "aria-hidden": "true" });
  const fill = node("div", "circuit-fill");
  const one = node("div", "circuit-one", {}, "1 = whole model");
  meter.append(fill, one);
  const status = node("p", "circuit-status", { role: "status", "aria-live": "polite" });
  root.append(bar, board, meter, status);
  el.append(root);

  function choose(names) {
    model.set("kept", names);
    model.save_changes();
    update();
  }
  function toggle(name) {
    const kept = model.get("kept");
    choose(every.filter((other) => (other === name) !== kept.includes(other)));
  }
  function move(event, layer, head) {
    const step = STEPS[event.key];
    if (!step) return;
    const next = cells[`L${layer + step[0]}H${head + step[1]}`];
    event.preventDefault();
    event.stopPropagation();
    if (!next) return;
    for (const cell of Object.values(cells)) cell.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  }
  function update() {
    const [kept, value] = [model.get("kept"), model.get("faithfulness")];
    for (const [name, cell] of Object.entries(cells)) {
      const on = kept.includes(name);
      cell.setAttribute("aria-pressed", on);
      cell.setAttribute("aria-label", `${name}, ${on ? "on" : "ablated"}`);
    }
    fill.style.width = `${Math.min(100, Math.max(0, 80 * value))}%`;
    say(status, sentence(kept, every.length, value));
    tried.textContent = `${model.get("tried")} circuits tried`;
  }
  const names = "change:kept change:faithfulness change:tried";
  model.on(names, update);
  update();
  return () => model.off(names, update);
}

export default { render };
