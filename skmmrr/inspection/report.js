
"use strict";
// The page is whole without this script, which moves the threshold, sorts, filters and enlarges.
const find = (id) => document.getElementById(id);
const all = Array.from(document.querySelectorAll(".card"));
const cards = all.map((element) => ({
  element,
  score: Number(element.dataset.score),
  kind: element.dataset.kind,
  truth: element.dataset.truth,
  name: element.querySelector("figcaption a").textContent,
}));
const NAMES = { abnormal: "abnormal", normal: "normal", found: "found", missed: "missed", false: "false alarm", passed: "passed" };
const histogram = find("histogram"), slider = find("threshold");
const low = Number(histogram.dataset.low), high = Number(histogram.dataset.high);
const logarithmic = histogram.dataset.log === "true";
const fitted = Number(slider.dataset.threshold);
let threshold = fitted, verdict = "", shown = cards, zoomed = 0, scale = 1;

const along = (score) => logarithmic ? Math.log(score / low) / Math.log(high / low) : (score - low) / (high - low);
const scoreAt = (share) => logarithmic ? low * Math.pow(high / low, share) : low + share * (high - low);

function judge(card) {
  const abnormal = card.score > threshold;
  if (card.truth === "abnormal") return abnormal ? "found" : "missed";
  if (card.truth === "normal") return abnormal ? "false" : "passed";
  return abnormal ? "abnormal" : "normal";
}

function label() {
  for (const card of cards) {
    card.verdict = judge(card);
    const text = card.element.querySelector(".verdict");
    text.textContent = NAMES[card.verdict];
    text.className = "verdict " + card.verdict;
    card.element.classList.toggle("normal-now", !(card.score > threshold));
  }
  for (const row of document.querySelectorAll("#kinds tbody tr")) {
    const own = cards.filter((card) => row.dataset.kind === undefined || card.kind === row.dataset.kind);
    row.cells[2].textContent = own.filter((card) => card.score > threshold).length;
    const wrong = own.filter((card) => card.verdict === "missed" || card.verdict === "false").length;
    if (row.cells[3].textContent !== "") row.cells[3].textContent = wrong;
  }
  const line = histogram.querySelector(".line"), place = 100 * along(threshold) + "%";
  line.setAttribute("x1", place);
  line.setAttribute("x2", place);
  find("value").textContent = threshold === fitted ? find("value").dataset.fitted : threshold.toPrecision(5);
  find("reset").hidden = threshold === fitted;
  chips();
  show();
}

function chips() {
  for (const button of find("verdicts").children) {
    const own = cards.filter((card) => !button.value || card.verdict === button.value).length;
    button.textContent = (button.value ? NAMES[button.value] : "all") + " " + own;
    button.setAttribute("aria-pressed", String(button.value === verdict));
  }
}

function show() {
  const orders = {
    abnormal: (a, b) => b.score - a.score,
    normal: (a, b) => a.score - b.score,
    close: (a, b) => Math.abs(along(a.score) - along(threshold)) - Math.abs(along(b.score) - along(threshold)),
    name: (a, b) => (a.kind + "/" + a.name).localeCompare(b.kind + "/" + b.name, undefined, { numeric: true }),
  };
  const kind = find("kind").value;
  shown = cards.filter((card) => (!kind || card.kind === kind) && (!verdict || card.verdict === verdict));
  shown.sort(orders[find("order").value]);
  find("cards").replaceChildren(...shown.map((card) => card.element));
  find("count").textContent = shown.length + " of " + cards.length + " pictures";
}

function enlarge(index) {
  zoomed = (index + shown.length) % shown.length;
  const card = shown[zoomed], link = card.element.querySelector("figcaption a");
  find("zoom-name").textContent = link.title;
  find("zoom-name").href = link.href;
  find("zoom-verdict").textContent = NAMES[card.verdict];
  find("zoom-verdict").className = "verdict " + card.verdict;
  find("zoom-score").textContent = card.element.querySelector("figcaption .muted").textContent;
  const layers = card.element.querySelector(".layers").cloneNode(true);
  find("zoomed").replaceChildren(layers);
  find("zoomed").className = card.element.classList.contains("normal-now") ? "normal-now" : "";
  if (!find("zoom").open) find("zoom").showModal();
  resize(1);
}

function resize(factor) {
  scale = factor;
  const stage = document.querySelector(".stage"), picture = find("zoomed").querySelector("img");
  const fits = Math.min(stage.clientWidth / picture.getAttribute("width"), stage.clientHeight / picture.getAttribute("height"));
  find("zoomed").style.width = Math.floor(fits * scale * picture.getAttribute("width")) + "px";
}

const actions = {
  previous: () => enlarge(zoomed - 1),
  next: () => enlarge(zoomed + 1),
  smaller: () => resize(Math.max(1, scale / 1.5)),
  larger: () => resize(Math.min(12, scale * 1.5)),
  close: () => find("zoom").close(),
};

find("cards").addEventListener("click", (event) => {
  const view = event.target.closest(".view");
  if (view) enlarge(shown.findIndex((card) => card.element === view.parentElement));
});
find("zoom").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) actions[button.dataset.do]();
  else if (event.target === find("zoom")) actions.close();
});
find("zoom").addEventListener("keydown", (event) => {
  const keys = { ArrowLeft: "previous", ArrowRight: "next", "+": "larger", "-": "smaller" };
  if (keys[event.key]) {
    event.preventDefault();
    actions[keys[event.key]]();
  }
});
slider.addEventListener("input", () => {
  threshold = scoreAt(slider.value / 1000);
  label();
});
find("reset").addEventListener("click", () => {
  threshold = fitted;
  slider.value = 1000 * along(fitted);
  label();
});
for (const id of ["kind", "order"]) find(id).addEventListener("change", show);
for (const id of ["maps", "boxes"]) {
  find(id).addEventListener("change", (event) => document.body.classList.toggle("without-" + id, !event.target.checked));
}
for (const kind of new Set(cards.map((card) => card.kind))) find("kind").add(new Option(kind));
const truths = new Set(cards.map((card) => card.truth));
const verdicts = [""];
if (truths.has("abnormal")) verdicts.push("found", "missed");
if (truths.has("normal")) verdicts.push("false", "passed");
if (truths.has("")) verdicts.push("abnormal", "normal");
for (const value of verdicts) {
  const button = document.createElement("button");
  button.type = "button";
  button.value = value;
  button.addEventListener("click", () => {
    verdict = value;
    chips();
    show();
  });
  find("verdicts").append(button);
}
find("value").dataset.fitted = find("value").textContent;
find("controls").hidden = slider.disabled = false;
label();
