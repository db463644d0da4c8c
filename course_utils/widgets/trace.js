// The view of TraceViewer: a pure render of the synced traits (title, spans, selected).

const count = (things, name) => `${things.length} ${name}${things.length === 1 ? "" : "s"}`;
const milliseconds = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2));

// TraceViewer.summary says the same in Python.
function sentence(spans, place) {
  const span = spans[place];
  const above = spans.slice(0, place).filter((other) => other.depth === span.depth - 1);
  const inside = span.depth ? `inside ${above[above.length - 1].name}` : span.orphan ? "an orphan" : "the root";
  const error = span.failed ? "ended in an error" : "no error";
  const note = span.note ? ` Note: “${span.note}”.` : "";
  return `${span.name}: line ${place + 1} of ${spans.length}, ${inside}, ${milliseconds(span.length)} ms, ${error}, ` +
    `${count(span.attributes, "attribute")}, ${count(span.events, "event")}.${note}`;
}

function entry(list, key, text) {
  list.append(node("dt", "", {}, key), node("dd", "", {}, text));
}

function render({ model, el }) {
  const spans = model.get("spans");
  const whole = Math.max(...spans.map((span) => span.begin + span.length)) || 1;
  const root = node("section", "agai-trace", { "aria-label": `Trace viewer: ${model.get("title")}` });
  const heading = node("p", "trace-title", {}, model.get("title"));
  const status = node("p", "trace-status", { role: "status", "aria-live": "polite" });
  const main = node("div", "trace-main");
  const tree = node("ul", "trace-tree", { role: "tree", "aria-label": "Spans: up and down arrow keys move" });
  // in the tab order, so that a long record can be scrolled without a mouse
  const detail = node("div", "trace-detail", { "aria-label": "What the chosen span recorded", role: "region", tabindex: 0 });
  main.append(tree, detail);
  root.append(heading, status, main);
  el.append(root);

  const items = spans.map((span) => {
    const item = node("li", "trace-item", { role: "treeitem", "aria-level": span.depth + 1, tabindex: -1 });
    const name = node("span", "trace-name", {}, span.name + (span.orphan ? " (orphan)" : ""));
    name.style.paddingInlineStart = `${span.depth * 14}px`;
    const lane = node("span", "trace-lane", { "aria-hidden": "true" });
    const bar = node("span", span.failed ? "trace-bar trace-failed" : "trace-bar");
    bar.style.insetInlineStart = `${(span.begin / whole) * 100}%`;
    bar.style.inlineSize = `${Math.max((span.length / whole) * 100, 0.6)}%`;
    lane.append(bar);
    item.append(name, lane, node("span", "trace-mark", {}, span.failed ? "error" : span.note ? "note" : ""));
    tree.append(item);
    return item;
  });

  const chosen = () => spans.findIndex((span) => span.id === model.get("selected"));

  function drawDetail(span) {
    detail.replaceChildren(node("p", "trace-heading", {}, span.name));
    if (span.note) detail.append(node("p", "trace-note", {}, span.note));
    const list = node("dl", "trace-list");
    entry(list, "began after", `${milliseconds(span.begin)} ms`);
    entry(list, "took", `${milliseconds(span.length)} ms`);
    if (span.failed) entry(list, "status", "ERROR");
    for (const [key, text] of span.attributes) entry(list, key, text);
    for (const [name, text] of span.events) entry(list, `event: ${name}`, text);
    detail.append(list);
  }

  function update() {
    const place = chosen();
    items.forEach((item, index) => {
      item.setAttribute("aria-selected", String(index === place));
      item.setAttribute("tabindex", index === place ? 0 : -1);
    });
    drawDetail(spans[place]);
    say(status, sentence(spans, place));
  }

  function choose(place, focus) {
    model.set("selected", spans[place].id);
    model.save_changes();
    if (focus) items[place].focus();
  }

  tree.addEventListener("click", (event) => {
    const place = items.indexOf(event.target.closest(".trace-item"));
    if (place >= 0) choose(place, true);
  });
  tree.addEventListener("keydown", (event) => {
    const place = chosen();
    const goes = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: spans.length - 1 }[event.key];
    if (goes === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(Math.min(Math.max(goes, 0), spans.length - 1), true);
  });
  model.on("change:selected", update);
  update();
  return () => model.off("change:selected", update);
}

export default { render };
