// What every figure stands on: axes and a pointer by uPlot, a pen in the units of the data, a tooltip, the line of the budget.
"use strict";

const byBudget = budgetScale();

/** Costs range over decades in most tables; a list of budgets may also hold 0. */
function costScale(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const log = low > 0 && high / low > 20;
  if (log) return { log, min: low / 1.08, max: high * 1.15 };
  const pad = (high - low || Math.abs(high) || 1) * 0.03;
  return { log, min: low - pad, max: high + pad };
}

function budgetScale() {
  return { ...costScale(data.budgets.length ? data.budgets : [1]), title: "Budget per query", format: money };
}

/** Where a logarithmic axis has numbers and lines: at numbers that start with 1, or on a short axis with 1, 2 and 5. */
function onlyRound(scale) {
  if (!scale.log) return (u, splits) => splits;
  const shown = scale.max / scale.min > 30 ? [1] : [1, 2, 5];
  const first = (value) => Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
  return (u, splits) => splits.map((value) => (value && shown.includes(first(value)) ? value : null));
}

let inks = {};
const cachedInk = (name) => (inks[name] ??= ink(name));

const charts = [];

/**
 * A chart in `place`. `draw(pen)` draws inside the axes; `hover(at)` returns what the tooltip says, or null;
 * `followsBudget` puts the line of the budget on it, which can be dragged.
 */
function makeChart(place, { x, y, height, label, draw, hover, followsBudget = false, compact = false }) {
  const box = make("div", { class: "plot", role: "img", "aria-label": label });
  const tip = make("div", { class: "tip", hidden: true });
  place.append(box);
  const font = `${compact ? 11 : 12}px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif`;
  const axis = (scale) => ({
    stroke: () => cachedInk("soft"),
    filter: onlyRound(scale),
    grid: { stroke: () => cachedInk("line"), width: 1, filter: onlyRound(scale) },
    ticks: { stroke: () => cachedInk("line"), width: 1, size: 5, filter: onlyRound(scale) },
    font,
    gap: 4,
    label: compact ? undefined : scale.title + (scale.format === money ? ` (${data.cost_unit})` : ""),
    labelFont: font,
    labelSize: 22,
    values: (u, splits) => splits.map((value) => (value === null ? "" : scale.format(value))),
  });
  const chart = { place, height, followsBudget, moveLine: () => {} };
  chart.u = new uPlot({
    width: Math.max(place.clientWidth, 200),
    height,
    padding: [10, compact ? 8 : 14, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, distr: x.log ? 3 : 1, range: () => [x.min, x.max] },
      y: { range: () => [y.min, y.max] },
    },
    axes: [
      { ...axis(x), size: compact ? 26 : 30, space: compact ? 55 : 60 },
      { ...axis(y), size: compact ? 46 : 50, space: compact ? 35 : 45 },
    ],
    series: [{}, { paths: () => null, points: { show: false } }],
    cursor: { drag: { x: false, y: false, setScale: false }, points: { show: false }, y: false },
    hooks: {
      draw: [(u) => {
        const { left, top, width, height } = u.bbox;
        u.ctx.save();
        u.ctx.beginPath();
        u.ctx.rect(left, top, width, height);
        u.ctx.clip();
        draw(pen(u));
        u.ctx.restore();
        chart.moveLine();
      }],
      setCursor: [(u) => showTip(u, tip, hover)],
    },
  }, [[x.min, x.max], [y.min, y.max]], box);
  chart.u.over.append(tip);
  if (followsBudget) addBudgetLine(chart);
  charts.push(chart);
  return chart;
}

function removeCharts(gone) {
  for (const chart of gone) {
    chart.u.destroy();
    chart.place.remove();
    charts.splice(charts.indexOf(chart), 1);
  }
}

/** Drawing in the units of the data. */
function pen(u) {
  const { ctx } = u;
  const ratio = devicePixelRatio;
  const px = (value) => u.valToPos(value, "x", true);
  const py = (value) => u.valToPos(value, "y", true);
  const trace = (points) => points.forEach(([x, y], index) => {
    if (index) ctx.lineTo(px(x), py(y));
    else ctx.moveTo(px(x), py(y));
  });
  return {
    u, px, py, ratio, ctx,
    line(points, { colour, width = 1.5, dash = [] }) {
      ctx.beginPath();
      trace(points);
      ctx.strokeStyle = colour;
      ctx.lineWidth = width * ratio;
      ctx.lineJoin = "round";
      ctx.setLineDash(dash.map((length) => length * 1.4 * ratio));
      ctx.stroke();
      ctx.setLineDash([]);
    },
    /** Between two lines over the same x. */
    area(xs, lows, highs, fill, alpha = 1) {
      ctx.beginPath();
      trace(xs.map((x, index) => [x, highs[index]]));
      for (let index = xs.length - 1; index >= 0; index -= 1) ctx.lineTo(px(xs[index]), py(lows[index]));
      ctx.closePath();
      ctx.globalAlpha = alpha;
      ctx.fillStyle = fill;
      ctx.fill();
      ctx.globalAlpha = 1;
    },
    dot(x, y, colour, radius = 4, hollow = false) {
      ctx.beginPath();
      ctx.arc(px(x), py(y), radius * ratio, 0, 2 * Math.PI);
      ctx.fillStyle = hollow ? cachedInk("card") : colour;
      ctx.fill();
      ctx.strokeStyle = hollow ? colour : cachedInk("card");
      ctx.lineWidth = 1.5 * ratio;
      ctx.stroke();
    },
  };
}

const curveLook = (router) => ({ colour: shade(router.colour), width: lineWidth(router), dash: router.dash });

function showTip(u, tip, hover) {
  const { left, top } = u.cursor;
  const content = left >= 0 ? hover({ u, left, top, x: u.posToVal(left, "x"), y: u.posToVal(top, "y") }) : null;
  tip.hidden = !content;
  if (!content) return;
  tip.replaceChildren(...content);
  const width = u.over.clientWidth;
  const onLeft = left > width / 2;
  tip.style.left = onLeft ? "" : `${Math.min(left + 14, width - tip.offsetWidth)}px`;
  tip.style.right = onLeft ? `${Math.min(width - left + 14, width - tip.offsetWidth)}px` : "";
  tip.style.top = `${Math.min(Math.max(top - 20, 0), Math.max(u.over.clientHeight - tip.offsetHeight, 0))}px`;
}

/** A line of a tooltip. */
const tipLine = (mark, name, value) =>
  make("div", { class: "tip-line" }, mark, make("span", {}, name), make("b", {}, value));

/** The position in `data.budgets` that is nearest to a place on the axis. */
function nearestBudget(u, left) {
  let best = 0;
  let distance = Infinity;
  data.budgets.forEach((value, index) => {
    const away = Math.abs(u.valToPos(value, "x") - left);
    if (away < distance) [best, distance] = [index, away];
  });
  return best;
}

/** The line follows the pointer from where it goes down until it goes up, mouse, pen or finger. */
function addBudgetLine(chart) {
  const { u } = chart;
  const line = make("div", { class: "budget-line", "aria-hidden": "true" }, make("div", { class: "handle" }));
  u.over.append(line);
  u.over.classList.add("draggable");
  const follow = (event) => {
    const left = event.clientX - u.over.getBoundingClientRect().left;
    setBudget(nearestBudget(u, left));
    u.setCursor({ left, top: event.clientY - u.over.getBoundingClientRect().top });
  };
  u.over.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    u.over.setPointerCapture(event.pointerId);
    follow(event);
  });
  u.over.addEventListener("pointermove", (event) => {
    if (u.over.hasPointerCapture(event.pointerId)) follow(event);
  });
  u.over.addEventListener("pointerup", (event) => {
    if (event.pointerType !== "mouse") u.setCursor({ left: -10, top: -10 });
  });
  chart.moveLine = () => { line.style.transform = `translateX(${u.valToPos(budget(), "x")}px)`; };
}
