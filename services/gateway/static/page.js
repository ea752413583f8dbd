// The page: choose a task and a model, give pictures, see what is found.

import { annotated, colorOf, isInstance, labelOf, overlay, scoreOf } from "./draw.js";
import { coco, curl, python, via } from "./formats.js";
import { show as showTimings } from "./timings.js";

const BASE = "/api/vision/v3", AT_ONCE = 2, MOST = 200;
const $ = (id) => document.getElementById(id);
const shots = [];  // {name, file, url, state, task, asking, entry, timings, elapsed, problem}
let selected = -1, models = [], defaults = {}, running = 0, leftOut = "";
const queue = [];

// -- models ---------------------------------------------------------------------------------------

// Where keys are asked for: kept as long as the tab is open, sent to where the page came from only.
const headers = () => ($("key").value ? { Authorization: `Bearer ${$("key").value.trim()}` } : {});

async function loadModels() {
  try {
    const answer = await fetch(`${BASE}/models`, { headers: headers() }), body = await answer.json();
    if (answer.status === 401) {
      $("key-field").hidden = false;
      return say($("key").value ? body.detail : "Enter your API key to use this deployment.", Boolean($("key").value));
    }
    if (!answer.ok) return say(body.detail, true);
    ({ models, defaults } = body);
    say("");
  } catch {
    say("The models could not be listed: is the suite running?", true);
    return;
  }
  for (const option of $("task").options) option.disabled = !models.some((m) => m.task === option.value && m.status !== "retired");
  const first = [...$("task").options].find((option) => defaults[option.value]) || [...$("task").options].find((o) => !o.disabled);
  if (first && $("task").selectedOptions[0].disabled) $("task").value = first.value;
  listModels();
}

function listModels() {
  const task = $("task").value, fit = models.filter((m) => m.task === task && m.status !== "retired");
  const keys = fit.map((m) => [`${m.org_name}-${m.problem_id}-${m.rel_num}`, m.dnnarch]);
  const options = keys.map(([key, arch]) => new Option(`${key} (${arch})`, key));
  if (defaults[task]) options.unshift(new Option(`the default: ${defaults[task]}`, ""));
  if (!options.length) options.push(new Option("no model for this task", ""));
  $("model").replaceChildren(...options);
  showSnippets();
}

async function showHealth() {
  let state = "down", text = "not reached";
  try {
    const health = await (await fetch("/health/ready")).json();
    state = health.status;
    text = state === "ok" ? "ready" : state;
  } catch { /* said as it is */ }
  $("health").dataset.state = state;
  $("health").textContent = text;
}

// -- pictures in ----------------------------------------------------------------------------------

function add(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp|bmp|gif|tiff?)$/i.test(file.name));
  if (!pictures.length) return say("No picture among these.", true);
  leftOut = pictures.length > MOST ? `The first ${MOST} of ${pictures.length} pictures are taken.` : "";
  for (const file of pictures.slice(0, MOST)) {
    shots.push({ name: file.name || "pasted.png", file, url: URL.createObjectURL(file), state: "waiting" });
    queue.push(shots.length - 1);
  }
  select(shots.length - Math.min(pictures.length, MOST));
  pump();
}

async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return entries.length ? (await Promise.all(entries.map(walk))).flat() : [...transfer.files];
}

async function walk(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return (await Promise.all(found.map(walk))).flat();
    found.push(...some);
  }
}

// -- asking ---------------------------------------------------------------------------------------

function pump() {
  while (running < AT_ONCE && queue.length) {
    running += 1;
    ask(shots[queue.shift()]).finally(() => { running -= 1; pump(); });
  }
  const left = queue.length + running, going = left ? `${left} picture${left > 1 ? "s" : ""} to go …` : "";
  if (left || !$("status").classList.contains("bad")) say(`${leftOut} ${going}`.trim());
}

async function ask(shot) {
  const form = new FormData(), key = $("model").value, asking = new AbortController(), started = performance.now();
  form.append("image", shot.file, shot.name);
  if (key) form.append("q", key);
  Object.assign(shot, { state: "asked", task: $("task").value, asking, problem: null });
  refresh(shot);
  const found = await answerTo(shot.task, form, asking.signal);
  if (asking.signal.aborted) return;  // something else is asked of it by now
  Object.assign(shot, found, { elapsed: (performance.now() - started) / 1000 });
  refresh(shot);
}

async function answerTo(task, form, signal) {
  const failed = (problem) => ({ state: "failed", problem, entry: null, timings: null });
  try {
    const answer = await fetch(`${BASE}/predict/${task}`, { method: "POST", body: form, headers: headers(), signal });
    const body = await answer.json();
    if (!answer.ok) return failed(`${body.status} ${body.title}: ${body.detail}`);
    return { state: "answered", entry: Object.values(body.result)[0], timings: body.timings };
  } catch (error) {
    return failed(`No answer: ${error.message}`);
  }
}

// Ask all again, for another task or of another model; what is being asked now is no longer wanted.
function again() {
  for (const [at, shot] of shots.entries()) {
    shot.asking?.abort();
    if (!queue.includes(at)) queue.push(at);
  }
  pump();
}

// -- showing --------------------------------------------------------------------------------------

const regionsOf = (shot) => (shot.entry?.regions || []).filter((region) => scoreOf(region) >= Number($("score").value));
const instancesOf = (shot) => regionsOf(shot).filter((_, at, all) => isInstance(all, at)).length;
const classesOf = (shot) => (shot.entry?.classes || []).filter((found) => found.score >= Number($("score").value));

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function select(at) {
  if (at < 0 || at >= shots.length) return;
  selected = at;
  $("result").hidden = false;
  showStrip();
  showPicture();
}

function refresh(shot) {
  if (shots[selected] === shot) showPicture();
  showStrip();
}

function showStrip() {
  const strip = $("strip");
  while (strip.children.length < shots.length) strip.append(thumbnail(strip.children.length));
  shots.forEach((shot, at) => {
    const button = strip.children[at], count = shot.task === "classify" ? classesOf(shot).length : instancesOf(shot);
    button.setAttribute("aria-selected", at === selected);
    button.tabIndex = at === selected ? 0 : -1;
    button.lastChild.textContent = { waiting: "…", asked: "…", failed: "!", answered: String(count) }[shot.state];
    button.setAttribute("aria-label", `${shot.name}, ${shot.state}`);
  });
  strip.children[selected]?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function thumbnail(at) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.setAttribute("role", "option");
  button.append(Object.assign(new Image(), { src: shots[at].url, alt: "" }), document.createElement("small"));
  button.addEventListener("click", () => select(at));
  return button;
}

function showPicture() {
  const shot = shots[selected], figure = $("figure");
  if (figure.dataset.url !== shot.url) {
    const image = Object.assign(new Image(), { src: shot.url, alt: shot.name });
    image.addEventListener("error", () => {
      image.replaceWith(Object.assign(document.createElement("p"), { className: "unseen", textContent: "This browser cannot show this type of picture." }));
    });
    figure.replaceChildren(image);
    figure.dataset.url = shot.url;
  }
  figure.classList.toggle("busy", shot.state === "asked");
  $("title").textContent = shot.name;
  $("problem").hidden = !shot.problem;
  $("problem").textContent = shot.problem || "";
  for (const id of ["save-via", "save-coco"]) $(id).disabled = !answered().length;
  $("save-picture").disabled = !shot.entry;
  const drawn = shot.entry ? overlay(figure, shot.entry.file_attributes, regionsOf(shot)) : (overlay(figure, { width: 1, height: 1 }, []), []);
  showObjects(shot, drawn);
  showTimings($("timings"), shot.timings, shot.elapsed);
  showSnippets();
}

function showObjects(shot, drawn) {
  const found = shot.task === "classify"
    ? classesOf(shot).map((one) => line(one.label, one.score, "var(--accent)"))
    : regionsOf(shot).flatMap((region, at, all) => (isInstance(all, at) ? [objectLine(region, drawn[at])] : [])).sort((a, b) => b.dataset.score - a.dataset.score);
  if (!found.length && shot.state !== "failed") {
    const text = shot.state === "answered" ? "Nothing found at this score." : "Asking …";
    found.push(Object.assign(document.createElement("li"), { className: "none", textContent: text }));
  }
  $("objects").replaceChildren(...found);
}

function objectLine(region, node) {
  const item = line(labelOf(region), scoreOf(region), colorOf(region));
  item.addEventListener("mouseenter", () => node.classList.add("hot"));
  item.addEventListener("mouseleave", () => node.classList.remove("hot"));
  return item;
}

function line(label, score, color) {
  const item = document.createElement("li"), name = document.createElement("span"), number = document.createElement("span");
  const swatch = document.createElement("i"), meter = Object.assign(document.createElement("meter"), { value: score });
  swatch.style.background = color;
  name.textContent = label;
  number.textContent = score.toFixed(3);
  item.dataset.score = score;
  item.append(swatch, name, meter, number);
  return item;
}

function showSnippets() {
  const name = shots[selected]?.name || "picture.jpg", task = $("task").value, key = $("model").value;
  $("curl").textContent = curl(task, key, name, Boolean($("key").value));
  $("python").textContent = python(task, key, name, Boolean($("key").value));
}

// -- taking away ----------------------------------------------------------------------------------

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const json = (value) => new Blob([JSON.stringify(value, null, 1)], { type: "application/json" });
const answered = () => shots.filter((shot) => shot.entry?.file_attributes.width !== undefined);

// -- events ---------------------------------------------------------------------------------------

$("task").addEventListener("change", () => { listModels(); again(); });
$("model").addEventListener("change", () => { showSnippets(); again(); });
$("key").addEventListener("change", () => {
  sessionStorage.setItem("key", $("key").value);
  loadModels();
});
$("score").addEventListener("input", () => {
  $("score-shown").textContent = Number($("score").value).toFixed(2);
  if (selected >= 0) { showPicture(); showStrip(); }
});
for (const id of ["files", "folder"]) $(id).addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  add(await filesOf(event.dataTransfer));
});
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) add(event.clipboardData.files); });
document.addEventListener("keydown", (event) => {
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.altKey || event.ctrlKey || event.metaKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || selected < 0) return;
  event.preventDefault();
  select(selected + step);
  if ($("strip").contains(document.activeElement)) $("strip").children[selected].focus();
});
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText($(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
$("save-via").addEventListener("click", () => save(json(via(answered(), regionsOf)), "servoir-via.json"));
$("save-coco").addEventListener("click", () => save(json(coco(answered(), regionsOf)), "servoir-coco.json"));
$("save-picture").addEventListener("click", async () => {
  const shot = shots[selected], image = $("figure").querySelector("img");
  const picture = image && await annotated(image, shot.entry.file_attributes, regionsOf(shot));
  if (picture) save(picture, `${shot.name.replace(/\.\w+$/, "")}-annotated.png`);
  else say(`This browser cannot draw on ${shot.name}; VIA JSON and COCO JSON have what was found.`, true);
});

$("key").value = sessionStorage.getItem("key") || "";
$("key-field").hidden = !$("key").value;
showHealth();
setInterval(showHealth, 10_000);
loadModels();
