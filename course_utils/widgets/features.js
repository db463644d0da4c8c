// The view of FeatureDashboard: a pure render of the synced traits. The kernel answers `latent` with `page`, `query` with
// `hits`, and the button's message with `steering`.

const STEP = 0.25; // of the strength slider
const PATIENCE = 5000; // ms without an answer before the view says so
const WAITING = "No answer from the kernel yet. Is a cell still running, or has the kernel stopped?";
const WIDE = 300, TALL = 92, LEFT = 28; // the histogram, in SVG units

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
const amount = (value) => (Math.abs(value) < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en"));
const grouped = (value) => value.toLocaleString("en");

// ---- the sentence of the live region; FeatureDashboard.summary says the same in Python ----

function sentence(page) {
  const name = `Latent ${page.latent}${page.note ? ` (${page.note})` : ""}`;
  if (!page.fires) return `${name} never fires on ${grouped(page.of)} tokens.`;
  const strongest = page.bands[0][0];
  const on = quoted(strongest.tokens[strongest.peak]);
  return (
    `${name} fires on ${amount((100 * page.fires) / page.of)} % of ${grouped(page.of)} tokens, up to ` +
    `${amount(page.largest)}, most strongly on ${on}; it raises the logit of ${quoted(page.promoted[0][0])} most.`
  );
}

// ---- the parts: each returns its element and what `update` needs ----

function makeHead() {
  const head = node("header", "feat-head");
  const which = node("div", "feat-which");
  const button = (label, text) => node("button", "feat-step", { type: "button", "aria-label": label, title: label }, text);
  const [back, next] = [button("Previous latent", "‹"), button("Next latent", "›")];
  const text = node("div", "feat-names");
  const [title, name, note] = [node("div", "feat-title"), node("div", "feat-name"), node("div", "feat-note")];
  text.append(title, name, note);
  const steps = node("div", "feat-steps");
  steps.append(back, next);
  which.append(text, steps);
  const [id, list] = [unique(), unique()];
  const search = node("div", "feat-search");
  search.append(node("label", "", { for: id }, "Find a latent"));
  const input = node("input", "", {
    id, type: "text", role: "combobox", placeholder: "number, or a word", autocomplete: "off", spellcheck: "false",
    "aria-expanded": "false", "aria-controls": list, "aria-autocomplete": "list",
  });
  const popup = node("ul", "feat-popup", { id: list, role: "listbox", "aria-label": "Latents found", hidden: "" });
  search.append(input, popup);
  head.append(which, search);
  return { head, title, name, note, back, next, search, input, popup };
}

function makeHistogram() {
  const box = node("figure", "feat-histogram");
  const caption = node("figcaption", "feat-caption");
  const svg = draw("svg", "", { viewBox: `0 0 ${LEFT + WIDE + 6} ${TALL + 32}`, role: "img" });
  box.append(caption, svg);
  return { box, svg, caption };
}

function makeList(heading) {
  const box = node("section", "feat-list");
  const list = node("ol", "feat-rows");
  box.append(node("h4", "feat-caption", {}, heading), list);
  return { box, list };
}

function makeBands(bands) {
  const group = node("fieldset", "feat-bands");
  group.append(node("legend", "feat-caption", {}, "Examples from the text, by rank of activation"));
  const name = unique();
  const row = node("div", "feat-switch");
  const radios = bands.map((band, i) => {
    const label = node("label");
    const radio = node("input", "", { type: "radio", name, value: i });
    label.append(radio, node("span", "", {}, band === "top" ? "strongest" : band));
    row.append(label);
    return radio;
  });
  group.append(row);
  return { group, radios };
}

function makeSteer(limit) {
  const box = node("section", "feat-steer", { "aria-label": "Steering" });
  const [promptId, strengthId] = [unique(), unique()];
  const form = node("form", "feat-form");
  const field = (className, id, label) => {
    const wrap = node("div", className);
    wrap.append(node("label", "", { for: id }, label));
    return wrap;
  };
  const begin = field("feat-prompt", promptId, "Let the model continue");
  const prompt = node("input", "", { id: promptId, type: "text", spellcheck: "false", autocomplete: "off" });
  begin.append(prompt);
  const force = field("feat-strength", strengthId, "with the latent at");
  const shown = node("output", "", { for: strengthId });
  const strength = node("input", "", { id: strengthId, type: "range", min: -limit, max: limit, step: STEP });
  force.children[0].append(" ", shown);
  force.append(strength);
  const button = node("button", "feat-go", { type: "submit" }, "Steer");
  form.append(begin, force, button);
  const bar = node("div", "feat-bar", { role: "progressbar", "aria-label": "Tokens written", "aria-valuemin": "0" });
  const fill = node("div", "feat-fill");
  bar.append(fill);
  const said = node("p", "feat-said", { role: "status", "aria-live": "polite" });
  const pair = node("div", "feat-pair");
  const side = (heading) => {
    const panel = node("div", "feat-side");
    const [name, text] = [node("h4", "feat-caption", {}, heading), node("p", "feat-text")];
    panel.append(name, text);
    pair.append(panel);
    return { name, text };
  };
  const [plain, steered] = [side("Unsteered"), side("Steered")];
  box.append(form, bar, said, pair);
  return { box, form, prompt, strength, shown, button, bar, fill, said, pair, plain, steered };
}

// ---- drawing ----

function drawHistogram(part, page, band) {
  const top = Math.max(1, ...page.counts);
  const height = (count) => (count ? (TALL * Math.log10(1 + count)) / Math.log10(1 + top) : 0);
  const last = page.edges[page.edges.length - 1];
  const x = (value) => LEFT + (WIDE * value) / last;
  const [low, high] = bandLimits(page, band);
  const parts = [];
  if (page.fires) {
    parts.push(draw("rect", "feat-chosen", { x: x(low), y: 0, width: Math.max(1.5, x(high) - x(low)), height: TALL + 4 }));
  }
  for (const tick of [1, 10, 100, 1000, 10000]) {
    if (tick > top) continue;
    const y = TALL + 4 - height(tick);
    parts.push(draw("line", "feat-grid", { x1: LEFT, x2: LEFT + WIDE, y1: y, y2: y }));
    parts.push(draw("text", "feat-tick", { x: LEFT - 5, y: y + 3, "text-anchor": "end" }, tick >= 1000 ? `${tick / 1000}k` : tick));
  }
  page.counts.forEach((count, i) => {
    const inside = (page.edges[i] + page.edges[i + 1]) / 2 >= low && (page.edges[i] + page.edges[i + 1]) / 2 <= high;
    const bar = draw("rect", inside ? "feat-column feat-in" : "feat-column", {
      x: x(page.edges[i]) + 0.6, y: TALL + 4 - height(count), height: height(count), width: WIDE / page.counts.length - 1.2,
    });
    bar.append(draw("title", "", {}, `${grouped(count)} tokens between ${amount(page.edges[i])} and ${amount(page.edges[i + 1])}`));
    parts.push(bar);
  });
  parts.push(draw("line", "feat-axis", { x1: LEFT, x2: LEFT + WIDE, y1: TALL + 4, y2: TALL + 4 }));
  for (const [value, anchor] of [[0, "start"], [last / 2, "middle"], [last, "end"]]) {
    if (page.fires) parts.push(draw("text", "feat-tick", { x: x(value), y: TALL + 16, "text-anchor": anchor }, amount(value)));
  }
  parts.push(draw("text", "feat-tick", { x: LEFT + WIDE / 2, y: TALL + 29, "text-anchor": "middle" }, "activation, where it is not 0"));
  part.svg.replaceChildren(...parts);
  part.caption.textContent = page.fires
    ? `Fires on ${grouped(page.fires)} of ${grouped(page.of)} tokens (tokens, log scale)`
    : `Never fires on ${grouped(page.of)} tokens`;
  part.svg.setAttribute("aria-label", `Histogram of activations. ${part.caption.textContent}. Largest ${amount(page.largest)}.`);
}

function bandLimits(page, band) {
  if (band === 0) {
    const peaks = page.bands[0].map((example) => example.values[example.peak]);
    return [Math.min(...peaks), page.largest];
  }
  const limits = [0, ...page.limits, page.largest];
  return [limits[4 - band], limits[5 - band]];
}

function drawExample(example, largest) {
  const item = node("li", "feat-example");
  const peak = example.values[example.peak];
  const text = node("p", "feat-words");
  text.append(example.cut[0] ? "…" : "");
  example.tokens.forEach((token, i) => {
    const value = example.values[i];
    const shown = token.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "");
    if (!value) {
      text.append(shown);
      return;
    }
    const mark = node("mark", i === example.peak ? "feat-token feat-peak" : "feat-token", { title: amount(value) }, shown);
    mark.style.setProperty("--feat-share", Math.min(1, value / largest).toFixed(3));
    text.append(mark);
  });
  text.append(example.cut[1] ? "…" : "");
  item.append(node("span", "feat-value", { title: "activation on the token in bold" }, amount(peak)), text);
  item.append(node("span", "feat-source", {}, example.source));
  item.append(node("span", "feat-hidden", {}, `fires on ${quoted(example.tokens[example.peak])} with ${amount(peak)}`));
  return item;
}

function drawTokens(list, scored) {
  const reach = Math.max(1e-9, ...scored.map(([, logit]) => Math.abs(logit)));
  const rows = scored.map(([token, logit]) => {
    const row = node("li", "feat-row");
    const bar = node("span", "feat-track", { "aria-hidden": "true" });
    const fill = node("span", logit < 0 ? "feat-part feat-minus" : "feat-part");
    fill.style.setProperty("width", `${(100 * Math.abs(logit)) / reach}%`);
    bar.append(fill);
    row.append(node("code", "feat-word", { title: token }, visible(token)), bar, node("span", "feat-number", {}, signed(logit)));
    return row;
  });
  list.replaceChildren(...rows);
}

function drawNear(list, near) {
  const rows = near.map(([latent, cosine, preview]) => {
    const row = node("li");
    const button = node("button", "feat-near", { type: "button", "data-latent": latent, "aria-label": `Latent ${latent}, cosine ${cosine.toFixed(2)}, strongest on ${quoted(preview)}` });
    button.append(node("b", "", {}, `#${latent}`), node("code", "feat-word", {}, visible(preview)), node("span", "feat-number", {}, cosine.toFixed(2)));
    row.append(button);
    return row;
  });
  list.replaceChildren(...rows);
}

const KINDS = { fires: "Fires on it (F1)", writes: "Writes it (logit)", number: "By number" };

function drawHits(popup, hits, query) {
  const parts = [];
  const options = [];
  let kind = "";
  for (const hit of hits) {
    if (hit.kind !== kind) parts.push(node("li", "feat-kind", { role: "presentation" }, KINDS[hit.kind]));
    kind = hit.kind;
    const id = `${popup.id}-${options.length}`;
    const option = node("li", "feat-hit", { id, role: "option", "aria-selected": "false", "data-latent": hit.latent });
    option.append(node("b", "", {}, `#${hit.latent}`));
    option.append(hit.note ? node("span", "feat-hitnote", {}, hit.note) : node("code", "feat-word", {}, visible(hit.preview)));
    option.append(node("span", "feat-number", {}, hit.score === null ? "" : hit.score.toFixed(2)));
    parts.push(option);
    options.push(option);
  }
  if (!hits.length) parts.push(node("li", "feat-kind", { role: "presentation" }, query.trim() ? "Nothing found: no such number, and no such token in the text." : ""));
  popup.replaceChildren(...parts);
  return options;
}

function drawPair(part, prompt, plain, text) {
  let same = 0;
  while (same < plain.length && same < text.length && plain[same] === text[same]) same++;
  for (const [side, words] of [[part.plain, plain], [part.steered, text]]) {
    side.text.replaceChildren(node("span", "feat-same", {}, prompt + words.slice(0, same)), node("span", "", {}, words.slice(same)));
  }
}

function render({ model, el }) {
  const root = node("section", "agai-feat", { "aria-label": "Feature dashboard" });
  const head = makeHead();
  const status = node("p", "feat-status", { role: "status", "aria-live": "polite" });
  const histogram = makeHistogram();
  const [raised, lowered, near] = [makeList("Raises the logit of"), makeList("Lowers the logit of"), makeList("Nearest directions (cosine)")];
  const bands = makeBands(model.get("bands"));
  const examples = node("ol", "feat-examples");
  const steer = makeSteer(model.get("strongest"));
  const [main, side, text, pairs] = [node("div", "feat-main"), node("div", "feat-left"), node("div", "feat-right"), node("div", "feat-logits")];
  pairs.append(raised.box, lowered.box);
  side.append(histogram.box, pairs, near.box);
  text.append(bands.group, examples);
  main.append(side, text);
  root.append(head.head, status, main, steer.box);
  el.append(root);

  let [drawn, options, active, asked, timer, pressed, late] = ["", [], -1, "", null, null, false];

  const choose = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    try {
      model.save_changes();
    } catch {
      late = true; // no kernel is connected: the page stays as it is
      update();
    }
  };
  const turnTo = (latent) => {
    close();
    if (latent >= 0 && latent < model.get("n_latents")) choose({ latent });
  };

  function update() {
    const [page, latent, band] = [model.get("page"), model.get("latent"), model.get("band")];
    const waits = page.latent !== latent;
    root.classList.toggle("feat-waiting", waits);
    main.setAttribute("aria-busy", String(waits));
    head.title.textContent = model.get("title");
    head.name.textContent = `Latent ${latent}`;
    head.note.textContent = waits ? "" : page.note;
    head.back.disabled = latent === 0;
    head.next.disabled = latent === model.get("n_latents") - 1;
    bands.radios.forEach((radio, i) => (radio.checked = i === band));
    say(status, waits ? (late ? WAITING : status.textContent) : sentence(page));
    if (!waits) late = false;
    clearTimeout(timer);
    if (waits && !late) timer = setTimeout(() => ((late = true), update()), PATIENCE);
    const key = `${page.latent} ${band} ${page.note}`;
    if (drawn !== key) drawPage(page, band);
    drawn = key;
    updateSteer();
  }

  function drawPage(page, band) {
    drawHistogram(histogram, page, band);
    drawTokens(raised.list, page.promoted);
    drawTokens(lowered.list, page.suppressed);
    drawNear(near.list, page.near);
    const shown = page.bands[band].map((example) => drawExample(example, page.largest));
    if (!shown.length) shown.push(node("li", "feat-empty", {}, page.fires ? "No example here: too few firings." : "No example: this latent never fires here."));
    examples.replaceChildren(...shown);
  }

  function updateSteer() {
    const [strength, now] = [model.get("strength"), model.get("steering")];
    if (steer.prompt.value !== model.get("prompt") && document.activeElement !== steer.prompt) steer.prompt.value = model.get("prompt");
    steer.strength.value = strength;
    const words = `${strength < 0 ? "−" : ""}${Math.abs(strength)} × its largest activation`;
    steer.shown.textContent = words;
    steer.strength.setAttribute("aria-valuetext", words);
    const running = now.state === "running";
    steer.button.disabled = running || pressed !== null;
    steer.button.textContent = running ? "Writing …" : "Steer";
    steer.bar.classList.toggle("feat-on", running);
    steer.bar.setAttribute("aria-valuemax", now.of);
    steer.bar.setAttribute("aria-valuenow", now.done);
    steer.fill.style.setProperty("width", `${(100 * now.done) / now.of}%`);
    const told = { running: `Writing, token ${now.done} of ${now.of}`, failed: now.note, done: "", idle: "" }[now.state];
    const shown = pressed !== null && !running ? "Asking the model …" : told;
    if (steer.said.textContent !== shown && !(shown === "" && steer.said.textContent === WAITING)) steer.said.textContent = shown;
    steer.pair.hidden = now.state === "idle" || now.state === "failed";
    steer.steered.name.textContent = now.latent < 0 ? "Steered" : `Steered: latent ${now.latent} at ${signed(now.strength)}`;
    drawPair(steer, now.prompt, now.plain, now.text);
  }

  function press() {
    if (steer.button.disabled) return;
    choose({ prompt: steer.prompt.value, strength: Number(steer.strength.value) });
    clearTimeout(pressed);
    steer.said.textContent = "";
    pressed = setTimeout(() => {
      pressed = null;
      update();
      steer.said.textContent = WAITING;
    }, PATIENCE);
    try {
      model.send({ do: "steer" });
    } catch {
      steer.said.textContent = WAITING;
    }
    update();
  }

  function answered() {
    clearTimeout(pressed); // the kernel has begun: from here `steering` tells how far it is
    pressed = null;
    if (steer.said.textContent === WAITING) steer.said.textContent = "";
    update();
  }

  // ---- searching ----

  function close() {
    head.popup.hidden = true;
    head.input.setAttribute("aria-expanded", "false");
    head.input.removeAttribute("aria-activedescendant");
    active = -1;
  }

  function open() {
    const typed = head.input.value;
    if (!typed.trim() || model.get("answered") !== typed) return;
    options = drawHits(head.popup, model.get("hits"), typed);
    head.popup.hidden = false;
    head.input.setAttribute("aria-expanded", "true");
    mark(-1);
  }

  function mark(place) {
    active = place;
    options.forEach((option, i) => {
      option.setAttribute("aria-selected", String(i === place));
      if (i === place) option.scrollIntoView({ block: "nearest" });
    });
    if (place >= 0) head.input.setAttribute("aria-activedescendant", options[place].id);
    else head.input.removeAttribute("aria-activedescendant");
  }

  function onSearchKey(event) {
    const number = head.input.value.trim().replace(/^#/, "");
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const chosen = options[active] ?? options[0];
      if (active < 0 && /^\d+$/.test(number)) turnTo(Number(number));
      else if (!head.popup.hidden && chosen) turnTo(Number(chosen.dataset.latent));
    } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      if (head.popup.hidden) open();
      else if (options.length) mark((active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1) + options.length) % options.length);
    }
  }

  head.input.addEventListener("input", () => {
    clearTimeout(asked);
    if (!head.input.value.trim()) close();
    asked = setTimeout(() => (model.get("answered") === head.input.value ? open() : choose({ query: head.input.value })), 180);
  });
  head.input.addEventListener("keydown", onSearchKey);
  head.input.addEventListener("focus", open);
  head.input.addEventListener("blur", close);
  head.popup.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus in the input
  head.popup.addEventListener("click", (event) => {
    const option = event.target.closest(".feat-hit");
    if (option) turnTo(Number(option.dataset.latent));
  });
  head.back.addEventListener("click", () => turnTo(model.get("latent") - 1));
  head.next.addEventListener("click", () => turnTo(model.get("latent") + 1));
  near.list.addEventListener("click", (event) => {
    const button = event.target.closest(".feat-near");
    if (button) turnTo(Number(button.dataset.latent));
  });
  // acted on here, not left to the browser: JupyterLab may keep it from acting on keys inside an output
  const onKey = (element, act) =>
    element.addEventListener("keydown", (event) => {
      if (act(event.key) === null) return;
      event.preventDefault();
      event.stopPropagation();
    });
  bands.radios.forEach((radio, i) => {
    radio.addEventListener("change", () => choose({ band: i }));
    onKey(radio, (key) => {
      const band = moved(key, i, bands.radios.length, 1);
      if (band === null) return null;
      choose({ band });
      bands.radios[band].focus({ preventScroll: true });
    });
  });
  steer.strength.addEventListener("input", () => choose({ strength: Number(steer.strength.value) }));
  onKey(steer.strength, (key) => {
    const limit = model.get("strongest");
    const place = moved(key, Math.round((model.get("strength") + limit) / STEP), (2 * limit) / STEP + 1, 4, true);
    if (place === null) return null;
    choose({ strength: place * STEP - limit });
  });
  onKey(steer.prompt, (key) => (key === "Enter" ? press() : null));
  steer.form.addEventListener("submit", (event) => {
    event.preventDefault();
    press();
  });

  const events = ["latent", "band", "page", "title", "prompt", "strength"].map((name) => `change:${name}`).join(" ");
  const searched = "change:hits change:answered";
  const reopen = () => document.activeElement === head.input && open();
  model.on(events, update);
  model.on(searched, reopen);
  model.on("change:steering", answered);
  steer.prompt.value = model.get("prompt");
  update();
  return () => {
    for (const waiting of [timer, pressed, asked]) clearTimeout(waiting);
    model.off(events, update);
    model.off(searched, reopen);
    model.off("change:steering", answered);
  };
}

export default { render };
