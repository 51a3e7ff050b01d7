// What the page shows: the routers that are picked and the budget. Everything else listens to it.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

/** Makes an element. Text is set as text, so that no data is ever read as HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "style") Object.assign(element.style, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const inDollars = data.cost_unit === "US dollars";

function digits(value, count) {
  return value.toLocaleString("en", { maximumSignificantDigits: count });
}

function percent(share, places = 1) {
  return `${(share * 100).toFixed(places)} %`;
}

/** A cost in the unit of the table. */
function money(value, count = 3) {
  return inDollars ? `$${digits(value, count)}` : digits(value, count);
}

/** A cost with its unit in words. */
function moneyInWords(value) {
  return inDollars ? money(value) : `${money(value)} ${data.cost_unit}`;
}

// Colours and themes.

const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark"
  || (getComputedStyle(document.documentElement).colorScheme !== "light" && systemIsDark.matches);
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

// The figures' colours with enough contrast on a dark ground, still apart under colour blindness.
const DARK = {
  "#000000": "#f2f4f7",
  "#808080": "#98a1ac",
  "#d55e00": "#ff8a3d",
  "#0072b2": "#4ba3e3",
  "#009e73": "#2cc79a",
  "#e69f00": "#f2b53a",
  "#cc79a7": "#e59cc6",
  "#56b4e9": "#a3dcff",
  "#332288": "#8d84ff",
  "#882255": "#e0537f",
  "#8a841e": "#c9c04a",
  "#734d26": "#bd8f63",
  "#f0e442": "#f5ec72",
  "#7a751e": "#b3ab45",
};

/** A colour of the figures, as this theme shows it. */
function shade(colour) {
  return isDark() ? DARK[colour] ?? colour : colour;
}

/** A colour of style.css, resolved for the canvas. */
function ink(name) {
  const probe = make("span", { style: { color: `var(--${name})`, display: "none" } });
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** The background of a model's area in CSS. */
function modelBackground(model) {
  const colour = shade(model.colour);
  return model.lined
    ? `repeating-linear-gradient(90deg, ${colour} 0 4px, var(--card) 4px 5px)`
    : colour;
}

/** A short piece of a router's line. */
function swatch(router) {
  const canvas = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(canvas, "svg");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("viewBox", "0 0 28 10");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(canvas, "line");
  for (const [name, value] of Object.entries({
    x1: 1, x2: 27, y1: 5, y2: 5,
    stroke: shade(router.colour),
    "stroke-width": lineWidth(router),
    "stroke-dasharray": router.dash.map((length) => length * 1.3).join(" "),
  })) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

const lineWidth = (router) => router.width * 1.4;

function modelSwatch(model) {
  return make("span", { class: "box", "aria-hidden": "true", style: { background: modelBackground(model) } });
}

// State.

/** Routers that are picked at first: all if they are few, else oracle, reference and the first learned ones. */
function usualRouters() {
  const all = [...data.routers.keys()];
  if (all.length <= 8) return all;
  const first = all.filter((index) => ["oracle", "highlight"].includes(data.routers[index].role));
  const learned = all.filter((index) => data.routers[index].role === "router");
  return [...first, ...learned].slice(0, 7);
}

const highlightedRouters = () =>
  [...data.routers.keys()].filter((index) => ["oracle", "highlight"].includes(data.routers[index].role));

const state = {
  picked: new Set(usualRouters()),
  /** Position in `data.budgets`. */
  at: data.budgets.length - 1,
  listeners: [],
};

const budget = () => data.budgets[state.at];

/** The picked routers, in the order of the experiment. */
const pickedRouters = () => data.routers.filter((_, index) => state.picked.has(index));

/** Calls `listener(what)` now and after every change; `what` is "picked", "budget" or "theme". */
function listen(listener) {
  state.listeners.push(listener);
  listener("picked");
}

let announced = new Set();
/** Tells the listeners once per frame, however often the pointer moves. */
function announce(what) {
  if (!announced.size) {
    requestAnimationFrame(() => {
      const all = announced;
      announced = new Set();
      // Looks change with the theme as with the routers that are picked; a new budget only moves what is there.
      for (const each of all) for (const listener of state.listeners) listener(each);
    });
  }
  announced.add(what);
}

function setBudget(at) {
  const clamped = Math.min(Math.max(Math.round(at), 0), data.budgets.length - 1);
  if (clamped === state.at) return;
  state.at = clamped;
  announce("budget");
}

function pick(routers) {
  state.picked = new Set(routers);
  announce("picked");
}

// Controls.

function startBudget() {
  const slider = document.getElementById("budget");
  slider.max = data.budgets.length - 1;
  slider.addEventListener("input", () => setBudget(Number(slider.value)));
  listen(() => {
    slider.value = state.at;
    slider.setAttribute("aria-valuetext", moneyInWords(budget()));
    document.getElementById("budget-value").textContent = moneyInWords(budget());
  });
}

function startPicker() {
  const list = document.getElementById("routers");
  listen((what) => {
    document.getElementById("picked").textContent = `${state.picked.size} of ${data.routers.length}`;
    if (what === "budget") return;
    if (what === "theme" || !list.children.length) {
      list.replaceChildren(...data.routers.map((router, index) => {
        const box = make("input", { type: "checkbox", value: index });
        box.addEventListener("change", () => {
          if (box.checked) state.picked.add(index);
          else state.picked.delete(index);
          announce("picked");
        });
        return make("li", {}, make("label", {}, box, swatch(router), make("span", {}, router.label)));
      }));
    }
    list.querySelectorAll("input").forEach((box, index) => {
      box.checked = state.picked.has(index);
    });
  });
  const choices = {
    all: () => [...data.routers.keys()],
    none: () => [],
    highlighted: highlightedRouters,
    usual: usualRouters,
  };
  for (const button of document.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => pick(choices[button.dataset.pick]()));
  }
  // Beside the figures the list is always open, above them it would be in the way.
  const wide = matchMedia("(min-width: 64rem)");
  const fold = () => { document.getElementById("picker").open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
}

function startTheme() {
  const button = document.getElementById("theme");
  const names = ["system", "light", "dark"];
  let theme = "system";
  // A page from disk may have no storage; then the choice lasts as long as the page.
  try { theme = localStorage.getItem("routelab-theme") ?? theme; } catch { /* no storage */ }
  const show = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    try { localStorage.setItem("routelab-theme", theme); } catch { /* no storage */ }
    show();
    announce("theme");
  });
  systemIsDark.addEventListener("change", () => announce("theme"));
  show();
}

/** Browsers refuse long data URLs as downloads; a blob may have any size. */
function startDownloads() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[download]");
    if (!link?.href.startsWith("data:")) return;
    event.preventDefault();
    const [head, body] = [link.href.slice(5, link.href.indexOf(",")), link.href.slice(link.href.indexOf(",") + 1)];
    save(link.download, new Blob([decodeURIComponent(body)], { type: head }));
  });
}

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

startTheme();
if (data.routers.length) {
  startBudget();
  startPicker();
} else {
  document.querySelector(".controls").hidden = true;
}
startDownloads();
