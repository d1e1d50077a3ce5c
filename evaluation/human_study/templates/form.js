"use strict";
// One rater answers one form. Everything stays in this page and in the browser's storage; nothing is sent anywhere.
const content = JSON.parse(document.getElementById("content").textContent);
const $ = (id) => document.getElementById(id);
const WORKER_NAMES = ["PROLIFIC_PID", "worker", "workerId", "worker_id", "participant"];
const LONGEST_PAUSE_S = 120;  // a longer one is no time spent on the answer
let state = null;             // what is kept: worker, place, answers, times
let lastMoment = 0;

// FNV-1a of 64 bits over UTF-8, as the importer computes it.
function fnv(text) {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return value;
}

// A generator of numbers in [0, 1) that gives the same rater the same order on every visit (mulberry32).
function generator(seed) {
  let value = Number(seed & 0xffffffffn) >>> 0;
  return () => {
    value = (value + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(value ^ (value >>> 15), value | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(list, random) {
  const drawn = list.slice();
  for (let last = drawn.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [drawn[last], drawn[other]] = [drawn[other], drawn[last]];
  }
  return drawn;
}

function orderFor(worker) {
  const random = generator(fnv([content.study, content.form, worker].join("\n")));
  return shuffled(content.items, random).map((item) => ({...item, pictures: shuffled(item.pictures, random)}));
}

const storageKey = (worker) => ["rated-pictures", content.study, content.form, worker].join("/");

function storageWorks() {
  try {
    localStorage.setItem("rated-pictures/try", "1");
    localStorage.removeItem("rated-pictures/try");
    return true;
  } catch { return false; }
}

function kept(worker) {
  try {
    const saved = JSON.parse(localStorage.getItem(storageKey(worker)));
    return saved && saved.worker === worker && typeof saved.answers === "object" ? saved : null;
  } catch { return null; }
}

function keep() {
  try { localStorage.setItem(storageKey(state.worker), JSON.stringify(state)); } catch { $("no-storage").hidden = false; }
}

// The first 100 characters; half of a surrogate pair, which UTF-8 cannot hold, is never one of them.
const shortened = (id) => [...id.trim()].slice(0, 100).join("").replace(/\p{Surrogate}/gu, "\ufffd").trim();

function workerOfAddress() {
  const given = new URLSearchParams(location.search);
  for (const name of WORKER_NAMES) {
    const id = shortened(given.get(name) || "");
    if (id && id !== "{{%PROLIFIC_PID%}}") return id;
  }
  return "";
}

const answerKey = (picture, question) => `${picture} ${question}`;
const openOf = (item) => item.pictures.flatMap((picture) => item.questions.filter((question) => !state.answers[answerKey(picture.code, question.name)]).map((question) => [picture.code, question.name]));
let order = [];

function begin(worker) {
  state = kept(worker) || {worker, place: 0, answers: {}, begun: new Date().toISOString(), ended: null, visits: 0};
  state.visits += 1;
  order = orderFor(worker);
  state.place = Math.min(Math.max(0, state.place), order.length);
  keep();
  show();
}

function section(name) {
  for (const screen of ["intro", "rating", "end"]) $(screen).hidden = screen !== name;
  $("bar").hidden = name === "intro";
}

function show() {
  const total = order.reduce((sum, item) => sum + item.pictures.length * item.questions.length, 0);
  $("filled").style.width = `${100 * Object.keys(state.answers).length / total}%`;
  lastMoment = performance.now();
  if (state.place >= order.length) { finish(); return; }
  section("rating");
  const item = order[state.place];
  $("place").textContent = `${state.place + 1} of ${order.length}`;
  $("instruction").textContent = item.instruction;
  for (const name of ["input", "truth"]) setPicture($(name), item[name]);
  $("pictures").replaceChildren(...item.pictures.map((picture, number) => card(item, picture, number)));
  $("missing").hidden = true;
  $("back").disabled = state.place === 0;
  $("next").textContent = state.place === order.length - 1 ? "Finish" : "Next";
  window.scrollTo(0, 0);
  $("instruction").focus({preventScroll: true});
}

function setPicture(element, address) {
  element.onload = () => element.classList.toggle("tiny", element.naturalWidth <= 128);
  element.src = address;
}

function made(tag, parent, text) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function card(item, picture, number) {
  const article = made("article");
  article.className = "picture";
  made("h2", article, `Picture ${String.fromCharCode(65 + number % 26)}`);
  const image = made("img", article);
  image.alt = `Picture ${String.fromCharCode(65 + number % 26)}`;
  setPicture(image, picture.src);
  for (const question of item.questions) article.append(questionOf(picture, question, number));
  return article;
}

function questionOf(picture, question, number) {
  const fieldset = made("fieldset");
  const key = answerKey(picture.code, question.name);
  fieldset.dataset.key = key;
  made("legend", fieldset, question.text);
  const scale = made("div", fieldset);
  scale.className = "scale";
  for (const [point, words] of content.scale) {
    const label = made("label", scale, String(point));
    made("span", label, words);
    const input = made("input");
    label.prepend(input);
    Object.assign(input, {type: "radio", name: key, value: String(point), checked: (state.answers[key] || {}).score === point});
    input.setAttribute("aria-label", `${point}, ${words}`);
    input.addEventListener("change", () => answer(fieldset, key, point, number));
  }
  return fieldset;
}

function answer(fieldset, key, point, number) {
  const now = performance.now();
  const before = state.answers[key];
  const seconds = Math.min((now - lastMoment) / 1000, LONGEST_PAUSE_S) + (before ? before.seconds : 0);
  lastMoment = now;
  state.answers[key] = {score: point, seconds: Math.round(seconds * 100) / 100, item: state.place, shown: number};
  fieldset.classList.remove("open");
  state.ended = null;
  keep();
  const total = order.reduce((sum, item) => sum + item.pictures.length * item.questions.length, 0);
  $("filled").style.width = `${100 * Object.keys(state.answers).length / total}%`;
}

function next() {
  const open = openOf(order[state.place]).map(([picture, question]) => answerKey(picture, question));
  for (const fieldset of document.querySelectorAll("fieldset")) fieldset.classList.toggle("open", open.includes(fieldset.dataset.key));
  if (open.length) {
    $("missing").textContent = open.length === 1 ? "One answer is missing; it is marked." : `${open.length} answers are missing; they are marked.`;
    $("missing").hidden = false;
    const first = document.querySelector("fieldset.open");
    first.scrollIntoView({block: "start"});
    first.querySelector("input").focus({preventScroll: true});
    return;
  }
  state.place += 1;
  keep();
  show();
}

function back() {
  state.place = Math.max(0, state.place - 1);
  keep();
  show();
}

function finish() {
  const place = order.findIndex((item) => openOf(item).length);
  if (place >= 0) { state.place = place; keep(); show(); return; }
  if (!state.ended) state.ended = new Date().toISOString();
  keep();
  section("end");
  $("code").textContent = content.platformCode || checkCode();
  window.scrollTo(0, 0);
}

function rows() {
  const all = [];
  for (const item of order) for (const picture of item.pictures) for (const question of item.questions) {
    const given = state.answers[answerKey(picture.code, question.name)];
    if (given) all.push({picture: picture.code, question: question.name, score: given.score, seconds: given.seconds, item: given.item + 1, shown: given.shown + 1});
  }
  return all.sort((one, other) => one.picture < other.picture ? -1 : one.picture > other.picture ? 1 : one.question < other.question ? -1 : 1);
}

function checkCode() {
  const lines = rows().map((row) => `${row.picture} ${row.question} ${row.score}`);
  const text = fnv([content.study, content.form, state.worker, ...lines].join("\n")).toString(16).toUpperCase().padStart(16, "0");
  return `${text.slice(0, 4)}-${text.slice(4, 8)}-${text.slice(8, 12)}`;
}

function asJson() {
  return JSON.stringify({format: content.format, study: content.study, form: content.form, worker: state.worker, begun: state.begun, ended: state.ended, visits: state.visits, code: checkCode(), answers: rows()}, null, 1);
}

function asCsv() {
  const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
  // A spreadsheet would compute a cell that begins so.
  const worker = /^'*[=+\-@\t\r\n＝＋－＠]/.test(state.worker) ? `'${state.worker}` : state.worker;
  const lines = rows().map((row) => [content.format, content.study, content.form, worker, checkCode(), row.picture, row.question, row.score, row.seconds, row.item, row.shown].map(quoted).join(","));
  return ["format,study,form,worker,code,picture,question,score,seconds,item,shown", ...lines].join("\r\n") + "\r\n";
}

function download(text, kind, suffix) {
  const link = made("a", document.body);
  link.href = URL.createObjectURL(new Blob([text], {type: kind}));
  link.download = `answers-${content.form}-${state.worker.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}.${suffix}`;
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function copy() {
  $("text").value = asJson();
  $("text").hidden = false;
  $("text").select();
  let done = false;
  try { await navigator.clipboard.writeText($("text").value); done = true; } catch { done = document.execCommand("copy"); }
  $("copied").textContent = done ? "Copied." : "Please copy the text below by hand.";
}

$("next").addEventListener("click", next);
$("back").addEventListener("click", back);
$("json").addEventListener("click", () => download(asJson(), "application/json", "json"));
$("csv").addEventListener("click", () => download(asCsv(), "text/csv", "csv"));
$("copy").addEventListener("click", copy);
$("again").addEventListener("click", () => { state.place = 0; keep(); show(); });
$("close").addEventListener("click", () => $("large").close());
$("large").addEventListener("click", () => $("large").close());
document.querySelector("main").addEventListener("click", (event) => {
  if (event.target.tagName !== "IMG") return;
  $("large-picture").src = event.target.src;
  $("large-picture").alt = event.target.alt;
  $("large-picture").classList.toggle("tiny", event.target.naturalWidth <= 128);
  $("large").showModal();
});

const known = workerOfAddress();
const numPictures = content.items.reduce((sum, item) => sum + item.pictures.length, 0);
$("size").textContent = `${content.items.length} scenes, ${numPictures} pictures to rate.`;
$("no-storage").hidden = storageWorks();
$("worker-known").hidden = !known;
$("worker-asked").hidden = Boolean(known);
$("worker-shown").textContent = known;
if (known && kept(known)) $("begin").textContent = "Go on where you were";
$("begin").addEventListener("click", () => {
  const worker = known || shortened($("worker-typed").value);
  if (worker) begin(worker); else $("worker-typed").focus();
});
