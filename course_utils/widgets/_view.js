// What the views share. `_view.py` puts this file in front of each view's own: the two are one module, so no name may
// stand at the top of both.

// An HTML element. What can have the focus keeps its keys from JupyterLab, which asks that element only and none around
// it. Text enters by textContent, so it stays text whatever it contains.
function node(tag, className = "", attributes = {}, text = null, space = "http://www.w3.org/1999/xhtml") {
  const made = document.createElementNS(space, tag);
  if (className) made.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  const focusable = ["input", "button", "select"].includes(tag) || "tabindex" in attributes;
  if (focusable) made.setAttribute("data-lm-suppress-shortcuts", "true");
  if (text !== null) made.textContent = text;
  return made;
}

// An element of a drawing.
const draw = (tag, className, attributes, text) => node(tag, className, attributes, text, "http://www.w3.org/2000/svg");

// An id or name that no other widget of the page has: each loads its own copy of this module, so no counter does.
const unique = () => `view-${Math.random().toString(36).slice(2)}`;

// A token as it can be read, and as Python would quote it in a sentence.
const visible = (token) =>
  token.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "␍") || "∅";
const quoted = (token) => `'${token.replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r")}'`;

// Writes a sentence where it is read out: a live region speaks at every change, also to the same text.
function say(region, sentence) {
  if (region.textContent !== sentence) region.textContent = sentence;
}

// Where a key leads among `count` places, or null; up is more on a slider, less in a list.
function moved(key, place, count, page, upIsMore = false) {
  const up = upIsMore ? 1 : -1;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: up, ArrowDown: -up, PageUp: up * page, PageDown: -up * page };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return key in steps ? Math.min(count - 1, Math.max(0, place + steps[key])) : null;
}

