// The page of written answers: points and comments are saved through nbgrader's own gradebook API as soon as a field is
// left, and the keyboard goes from one answer that waits to the next.
"use strict";

const page = document.querySelector("main");
const marks = [...page.querySelectorAll(".mark:not(.all)")];
const blind = page.dataset.blind === "true";
let commentField = null; // where a comment that is offered goes

// Somebody else has saved something else since this page last knew.
class Meanwhile extends Error {
  constructor(found) {
    super("somebody has changed it meanwhile");
    Object.assign(this, found); // now, and for points whether the answer waits
  }
}

async function put(path, body) {
  const token = (document.cookie.match(/(?:^|; )_xsrf=([^;]*)/) || [])[1] || "";
  const reply = await fetch(`${page.dataset.api}/${path}`, {
    method: "PUT",
    keepalive: true, // so that leaving the page loses nothing
    headers: { "X-XSRFToken": token, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (reply.status === 409) throw new Meanwhile(await reply.json());
  if (!reply.ok) throw new Error(reply.status === 403 ? "you are signed out (sign in in another tab)" : `the server said ${reply.status}`);
  return reply.json();
}

function say(mark, text, wrong = false) {
  const said = mark.querySelector(".said");
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
}

// The number in the field, which may have a decimal comma; null if it is empty. Throws an error if it may not be given.
// The field is one of text, since a wheel that turns changes the number in a field of numbers.
function pointsOf(mark) {
  const field = mark.querySelector(".points");
  const most = Number(page.dataset.most);
  const text = field.value.trim().replace(",", ".");
  const value = text === "" ? null : /^\d*\.?\d*$/.test(text) ? Number(text) : NaN;
  const right = value === null || (value >= 0 && value <= most);
  field.setAttribute("aria-invalid", String(!right));
  if (!right) throw new Error(`a number from 0 to ${most} is needed`);
  return value;
}

async function savePoints(mark) {
  return saved(mark, "points", async () => {
    const points = pointsOf(mark);
    if (blind) {
      await put(page.dataset.second, { submission: mark.dataset.submission, points });
      mark.dataset.waits = String(points === null);
    } else {
      const extra = mark.dataset.extra === "" ? null : Number(mark.dataset.extra);
      const body = { manual_score: points, extra_credit: extra, expected: JSON.parse(mark.dataset.manual) };
      const now = await put(`grade/${mark.dataset.grade}`, body);
      mark.dataset.manual = JSON.stringify(points);
      mark.dataset.waits = String(now.needs_manual_grade);
      mark.querySelector(".again")?.remove();
    }
  });
}

async function saveComment(mark) {
  const field = mark.querySelector(".comment");
  const text = field.value.trim();
  return saved(mark, "comment", async () => {
    await put(`comment/${mark.dataset.comment}`, { manual_comment: text, expected: field.defaultValue });
    field.defaultValue = text; // what this page knows the gradebook to have
    if (text) offer(text);
  });
}

const running = new Set(); // what is being saved

async function saved(mark, what, save) {
  const attempt = attempted(mark, what, save);
  running.add(attempt);
  try {
    return await attempt;
  } finally {
    running.delete(attempt);
  }
}

async function attempted(mark, what, save) {
  mark.unsaved ??= new Map(); // why, by what: a comment that was saved does not hide that the points were not
  say(mark, "Saving …");
  mark.querySelector(`.meanwhile[data-what="${what}"]`)?.remove();
  try {
    await save();
    mark.unsaved.delete(what);
  } catch (error) {
    const meanwhile = error instanceof Meanwhile;
    mark.unsaved.set(what, `Not saved (${what}): ${error.message}${meanwhile ? "" : ". Press Enter in the points to try again"}.`);
    if (meanwhile) ask(mark, what, error);
  }
  const [wrong] = mark.unsaved.values();
  say(mark, wrong || "Saved.", Boolean(wrong));
  show();
  return !mark.unsaved.has(what);
}

// ---- two who mark the same answer ----

// Nothing is saved over what a colleague saved meanwhile before somebody has seen it and says so.
function ask(mark, what, found) {
  const field = mark.querySelector(what === "points" ? ".points" : ".comment");
  const theirs = what === "points" ? (found.now === null ? "no points" : `${found.now} points`) : found.now ? `“${found.now}”` : "no comment";
  const asked = document.createElement("span");
  asked.className = "meanwhile";
  asked.dataset.what = what;
  asked.append(`Meanwhile it has ${theirs}. `);
  const answer = (words, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", () => {
      if (what === "points") mark.dataset.manual = JSON.stringify(found.now);
      else field.defaultValue = found.now;
      asked.remove();
      field.focus();
      act();
    });
    asked.append(button, " ");
  };
  answer("Keep that", () => {
    field.value = found.now ?? "";
    field.setAttribute("aria-invalid", "false");
    if (what === "points") mark.dataset.waits = String(found.waits);
    mark.unsaved.delete(what);
    const [wrong] = mark.unsaved.values();
    say(mark, wrong || "Kept as it is.", Boolean(wrong));
    show();
  });
  answer("Save mine", () => (what === "points" ? savePoints(mark) : saveComment(mark)));
  mark.append(asked);
  mark.closest("details")?.setAttribute("open", "");
}

// ---- several identical answers ----

function membersOf(all) {
  return [...all.closest(".answer").querySelectorAll(".mark:not(.all)")];
}

// Who gets the mark of a group: those that wait; where none does, everybody.
function receivers(all) {
  const members = membersOf(all);
  const waiting = members.filter((mark) => mark.dataset.waits === "true");
  return waiting.length ? waiting : members;
}

// What stands in a group's fields.
function typed(all) {
  return [...all.querySelectorAll(".points, .comment")].map((field) => field.value.trim()).join("\n");
}

async function giveAll(all) {
  let points = null;
  try {
    points = pointsOf(all);
    if (points === null) throw new Error("points first");
  } catch (error) {
    say(all, `Nothing was saved: ${error.message}.`, true);
    all.querySelector(".points").focus();
    return;
  }
  const comment = all.querySelector(".comment")?.value.trim();
  const wanted = receivers(all);
  let done = 0;
  for (const mark of wanted) {
    mark.querySelector(".points").value = String(points);
    if (comment) mark.querySelector(".comment").value = comment;
    if ((await savePoints(mark)) && (!comment || (await saveComment(mark)))) done += 1;
  }
  const failed = wanted.length - done;
  if (!failed) all.dataset.given = typed(all);
  say(all, `Saved for ${done} answers.` + (failed ? ` Not saved for ${failed}: try again.` : ""), failed > 0);
  show();
}

// ---- what is shown ----

function show() {
  const waiting = marks.filter((mark) => mark.dataset.waits === "true").length;
  document.getElementById("progress").textContent = waiting
    ? `${marks.length - waiting} of ${marks.length} marked, ${waiting} ${waiting === 1 ? "waits" : "wait"}.`
    : marks.length ? `All ${marks.length} marked.` : "";
  for (const mark of marks) {
    const title = mark.previousElementSibling.matches("h3") ? mark.previousElementSibling : null;
    setState(title || mark.closest(".answer").querySelector("h2"), mark.dataset.waits === "true" ? 1 : 0, 1);
  }
  for (const all of page.querySelectorAll(".mark.all")) {
    const members = membersOf(all);
    const left = members.filter((mark) => mark.dataset.waits === "true").length;
    all.dataset.waits = String(left > 0);
    setState(all.closest(".answer").querySelector("h2"), left, members.length);
    const who = left === members.length ? `all ${left}` : left === 1 ? "the one that waits" : `the ${left} that wait`;
    all.querySelector(".give").textContent = left ? `Give this to ${who}` : `Change all ${members.length}`;
  }
}

function setState(title, waiting, count) {
  const state = title.querySelector(".state");
  state.textContent = !waiting ? "marked" : count === 1 ? "waits" : `${waiting} of ${count} wait`;
  state.classList.toggle("waits", waiting > 0);
}

// ---- comments that were given before ----

function offer(text) {
  const list = document.getElementById("given");
  if ([...list.querySelectorAll("button")].some((button) => button.textContent === text)) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  list.appendChild(document.createElement("li")).append(button);
  document.getElementById("none-given").hidden = true;
}

function putIn(text) {
  const field = commentField || stops()[0]?.querySelector(".comment");
  if (!field) return;
  if (!field.value.includes(text)) field.value = field.value.trim() ? `${field.value.trim()}\n${text}` : text;
  field.focus();
  const mark = field.closest(".mark");
  if (!mark.classList.contains("all")) saveComment(mark);
}

// ---- from one to the next ----

function stops() {
  return [...page.querySelectorAll('.mark[data-waits="true"]')].filter((mark) => mark.checkVisibility());
}

// The next (1) or previous (-1) that waits, counted from where the keyboard is; after the last comes the first.
function go(direction) {
  const here = document.activeElement?.closest(".mark");
  const all = stops();
  if (!all.length) {
    document.getElementById("after")?.focus();
    return;
  }
  const isAhead = (mark) => Boolean(here.compareDocumentPosition(mark) & Node.DOCUMENT_POSITION_FOLLOWING);
  const ahead = here && here.isConnected ? all.filter((mark) => mark !== here && isAhead(mark) === direction > 0) : all;
  const list = ahead.length ? ahead : all;
  const field = (direction > 0 ? list[0] : list[list.length - 1]).querySelector(".points");
  field.focus({ preventScroll: true }); // an answer is read from its beginning, however long it is
  field.select();
  field.closest("h3 + .mark, .answer").scrollIntoView({ block: "start" });
}

// A field tells that it has changed when it is left, and a page that is left does not say so to its fields. A link is
// followed when all is saved, and not before a question has its answer.
async function leave(link) {
  document.activeElement?.blur();
  await Promise.all(running);
  if (!page.querySelector(".meanwhile")) link?.click();
}

// By the key's place, so that Shift does not change it; a full stop and a comma also where a keyboard has them elsewhere.
const PLACES = { ".": "Period", ",": "Comma" };
const KEYS = {
  Period: () => go(1),
  Comma: () => go(-1),
  "Shift+Period": () => leave(document.getElementById("after")),
  "Shift+Comma": () => leave(document.getElementById("before")),
};
for (let number = 1; number <= 9; number += 1) {
  KEYS[`Shift+Digit${number}`] = () => document.querySelectorAll("#given button")[number - 1]?.click();
}

document.addEventListener("keydown", (event) => {
  const act = event.ctrlKey && !event.altKey && !event.metaKey && KEYS[(event.shiftKey ? "Shift+" : "") + (PLACES[event.key] || event.code)];
  if (act) {
    event.preventDefault();
    act();
  } else if (event.key === "Enter" && event.target.matches(".points")) {
    event.preventDefault();
    const mark = event.target.closest(".mark");
    if (mark.matches(".all")) giveAll(mark);
    else savePoints(mark).then((done) => done && !blind && mark.querySelector(".comment").value.trim() && saveComment(mark));
  }
});

page.addEventListener("change", (event) => {
  const mark = event.target.closest(".mark");
  if (mark.matches(".all")) {
    if (typed(mark) !== mark.dataset.given) say(mark, "Not given yet.", true);
  } else if (event.target.matches(".points")) savePoints(mark);
  else saveComment(mark);
});

window.addEventListener("beforeunload", (event) => {
  leave();
  if (page.querySelector(".meanwhile")) event.preventDefault(); // the browser asks whether to leave
});

const bar = document.querySelector("header");
new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);

page.addEventListener("focusin", (event) => {
  const mark = event.target.closest(".mark");
  if (mark) commentField = mark.querySelector(".comment");
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (link && running.size && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    leave(link);
  }
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "next") go(1);
  if (button.id === "previous") go(-1);
  if (button.matches(".give")) giveAll(button.closest(".mark"));
  if (button.matches(".stand")) savePoints(button.closest(".mark"));
  if (button.closest("#given")) putIn(button.textContent);
});

show();
