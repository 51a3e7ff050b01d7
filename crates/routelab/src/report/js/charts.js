// The figures: what each draws on its axes, and what it says under the pointer.
"use strict";

const share = { min: 0, max: 1, title: "Call rate", format: (value) => percent(value, 0) };

/** Values of routers for a tooltip, the largest first; of many, those next to the pointer. */
function routerLines(heading, routers, value, pointer) {
  const most = 12;
  const all = routers.map((router) => [router, value(router)]);
  const near = [...all].sort((a, b) => Math.abs(a[1] - pointer) - Math.abs(b[1] - pointer)).slice(0, most);
  if (!all.length) return null;
  return [
    make("div", { class: "tip-head" }, heading),
    ...near.sort((a, b) => b[1] - a[1]).map(([router, share]) => tipLine(swatch(router), router.label, percent(share))),
    all.length > most ? make("div", { class: "soft" }, `and ${all.length - most} further away`) : "",
  ];
}

const PLOT_HEIGHT = () => (innerWidth < 700 ? 300 : 400);

function startCallRate(place) {
  const names = data.strongest.map((model) => data.models[model].short).join(", ");
  makeChart(place, {
    x: byBudget,
    y: { ...share, max: 1.02, title: `Calls to ${names}` },
    height: PLOT_HEIGHT(),
    label: `Share of the queries that each picked router sends to ${names} against the budget. The values at the budget stand below.`,
    followsBudget: true,
    draw(pen) {
      for (const { strongest, colour } of pickedRouters()) {
        pen.area(data.budgets, strongest.low, strongest.high, shade(colour), 0.11);
      }
      for (const router of [...pickedRouters()].reverse()) {
        pen.line(data.budgets.map((x, at) => [x, router.strongest.mean[at]]), curveLook(router));
      }
    },
    hover({ u, left, y }) {
      const at = nearestBudget(u, left);
      const heading = `Budget ${moneyInWords(data.budgets[at])}`;
      return routerLines(heading, pickedRouters(), (router) => router.strongest.mean[at], y);
    },
  });
}

function startCostQuality(place) {
  const models = data.models.filter((model) => model.cost !== null && model.quality !== null);
  const costs = [...models.map((model) => model.cost), ...data.routers.flatMap((router) => router.cost.mean)];
  const qualities = [...models.map((model) => model.quality), ...data.routers.flatMap((router) => router.quality.mean)];
  const [low, high] = [Math.min(...qualities), Math.max(...qualities)];
  const pad = (high - low || 0.1) * 0.06;
  makeChart(place, {
    x: { ...costScale(costs), title: "Mean cost per query", format: money },
    y: { min: low - pad, max: high + pad, title: "Mean quality", format: (value) => digits(value, 3) },
    height: PLOT_HEIGHT() + 40,
    label: "Mean quality against mean cost of each picked router as its budget grows, and of every single model. The values at the budget stand in the table above.",
    draw(pen) {
      for (const router of [...pickedRouters()].reverse()) {
        pen.line(router.cost.mean.map((x, at) => [x, router.quality.mean[at]]), curveLook(router));
      }
      models.forEach(({ cost, quality }) => pen.dot(cost, quality, cachedInk("soft"), 3.5, true));
      for (const router of [...pickedRouters()].reverse()) {
        pen.dot(router.cost.mean[state.at], router.quality.mean[state.at], shade(router.colour), 5.5);
      }
      labelPoints(pen, models, pickedRouters());
    },
    hover({ u, left, top }) {
      let [nearest, distance] = [null, 28];
      const consider = (cost, quality, found) => {
        const away = Math.hypot(u.valToPos(cost, "x") - left, u.valToPos(quality, "y") - top);
        if (away < distance) [nearest, distance] = [found, away];
      };
      models.forEach((model) => consider(model.cost, model.quality, { model }));
      for (const router of pickedRouters()) {
        router.cost.mean.forEach((cost, at) => consider(cost, router.quality.mean[at], { router, at }));
      }
      if (!nearest) return null;
      const { model, router, at } = nearest;
      const [cost, quality] = model
        ? [model.cost, model.quality]
        : [router.cost.mean[at], router.quality.mean[at]];
      return [
        make("div", { class: "tip-head" }, model ? `${model.short}, always called` : router.label),
        router ? tipLine("", "budget", moneyInWords(data.budgets[at])) : "",
        tipLine("", "mean cost", moneyInWords(cost)),
        tipLine("", "mean quality", quality.toFixed(4)),
      ];
    },
  });
}

/** Names beside points, where they hit no other name or point and as little of the curves as can be; what has no place is
 *  left to the tooltip. */
function labelPoints({ u, px, py, ratio, ctx }, models, routers) {
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.fillStyle = cachedInk("soft");
  ctx.strokeStyle = cachedInk("card");
  ctx.lineWidth = 3 * ratio;
  const points = models.map(({ cost, quality }) => [px(cost), py(quality)]);
  const dots = routers.map(({ cost, quality }) => [px(cost.mean[state.at]), py(quality.mean[state.at])]);
  const radius = 5 * ratio;
  const taken = [...points, ...dots].map(([x, y]) => [x - radius, y - radius, x + radius, y + radius]);
  const curves = routers.flatMap(({ cost, quality }) => pointsAlong(cost.mean.map((x, at) => [px(x), py(quality.mean[at])])));
  const { left, top, width, height } = u.bbox;
  models.forEach((model, index) => {
    const [x, y] = points[index];
    const [w, h, gap] = [ctx.measureText(model.short).width, 12 * ratio, 7 * ratio];
    const places = [
      [x + gap, y], [x - gap - w, y], [x - w / 2, y - gap - h / 2], [x - w / 2, y + gap + h / 2],
      [x + gap / 2, y + gap + h / 2], [x + gap / 2, y - gap - h / 2], [x - gap / 2 - w, y + gap + h / 2], [x - gap / 2 - w, y - gap - h / 2],
    ];
    const free = places
      .map(([from, middle]) => [from, middle - h / 2, from + w, middle + h / 2])
      .filter(([x0, y0, x1, y1]) => x0 >= left && x1 <= left + width && y0 >= top && y1 <= top + height
        && !taken.some(([a, b, c, d]) => x0 < c && x1 > a && y0 < d && y1 > b))
      .map((box) => ({ box, hits: curves.filter(([a, b]) => a > box[0] && a < box[2] && b > box[1] && b < box[3]).length }))
      .sort((a, b) => a.hits - b.hits);
    if (!free.length) return;
    const { box, hits } = free[0];
    // The ground around the letters keeps them readable on a curve.
    if (hits) ctx.strokeText(model.short, box[0], box[1] + h / 2);
    ctx.fillText(model.short, box[0], box[1] + h / 2);
    taken.push(box);
  });
}

/** A line's corners and eight points on every piece between them. */
function pointsAlong(corners) {
  return corners.slice(1).flatMap(([x, y], index) => {
    const [fromX, fromY] = corners[index];
    return Array.from({ length: 8 }, (_, step) => [fromX + ((x - fromX) * step) / 8, fromY + ((y - fromY) * step) / 8]);
  });
}

/** The fill of a model's area on a canvas. */
function modelFill(ctx, model) {
  const colour = shade(model.colour);
  if (!model.lined) return colour;
  const step = Math.round(5 * devicePixelRatio);
  const tile = make("canvas", { width: step, height: step });
  const brush = tile.getContext("2d");
  brush.fillStyle = colour;
  brush.fillRect(0, 0, step, step);
  brush.fillStyle = cachedInk("card");
  brush.fillRect(0, 0, Math.round(devicePixelRatio), step);
  return ctx.createPattern(tile, "repeat");
}

function startCallMix(place) {
  const panels = make("div", { class: "panels" });
  place.append(modelLegend(), panels);
  let shown = new Map();
  listen((what) => {
    if (what !== "picked") return;
    const routers = pickedRouters();
    removeCharts([...shown].filter(([router]) => !routers.includes(router)).map(([, chart]) => chart));
    const kept = shown;
    shown = new Map();
    for (const router of routers) {
      const chart = kept.get(router) ?? startPanel(panels, router);
      panels.append(chart.place);
      shown.set(router, chart);
    }
    panels.classList.toggle("empty", !routers.length);
  });
}

function startPanel(panels, router) {
  const panel = make("div", { class: "panel" }, make("h3", {}, router.label));
  panels.append(panel);
  return makeChart(panel, {
    x: byBudget,
    y: share,
    height: 190,
    compact: true,
    label: `Which models ${router.label} calls at every budget. The values at the budget stand in the table above.`,
    followsBudget: true,
    draw(pen) {
      let below = data.budgets.map(() => 0);
      data.models.forEach((model, index) => {
        const above = below.map((value, at) => value + router.rates[at][index]);
        pen.area(data.budgets, below, above, modelFill(pen.ctx, model));
        below = above;
      });
    },
    hover({ u, left }) {
      const at = nearestBudget(u, left);
      return [
        make("div", { class: "tip-head" }, `Budget ${moneyInWords(data.budgets[at])}`),
        ...mixOf(router, at).slice(0, 8).map(({ model, rate }) => tipLine(modelSwatch(model), model.short, percent(rate))),
      ];
    },
  });
}

/** The models that a router calls at a budget, the most called first. */
function mixOf(router, at) {
  return data.models
    .map((model, index) => ({ model, rate: router.rates[at][index] }))
    .filter(({ rate }) => rate > 0)
    .sort((a, b) => b.rate - a.rate);
}

function modelLegend() {
  const list = make("ul", { class: "legend", "aria-label": "Models" });
  listen((what) => {
    if (what === "budget" || (what === "picked" && list.children.length)) return;
    list.replaceChildren(...data.models.map((model) => make("li", {}, modelSwatch(model), model.short)));
  });
  return list;
}

function startMargins(place) {
  const real = { label: "real", colour: "#000000", width: 1.8, dash: [], margins: data.real_margins };
  // Routers that decide by no prediction, and those that failed, have no margins.
  const curves = () => [real, ...pickedRouters().filter((router) => router.margins)];
  const shareAt = (router, margin) => router.margins.findLast(([step]) => step <= margin)?.[1] ?? 0;
  /** A share holds until the next margin. */
  const stairs = ({ margins }) => [...margins.flatMap(([margin, value], index) =>
    (index ? [[margin, margins[index - 1][1]], [margin, value]] : [[margin, value]])), [widest, margins.at(-1)[1]]];
  const widest = Math.max(1, ...data.routers.flatMap((router) => (router.margins ?? []).map(([step]) => step)));
  makeChart(place, {
    x: { min: 0, max: Math.min(widest, 1), title: "Margin between the best two models", format: (value) => digits(value, 3) },
    y: { min: 0, max: 1.02, title: "Queries with at most this margin", format: (value) => percent(value, 0) },
    height: PLOT_HEIGHT(),
    label: "Share of the queries whose best model is at most this far above the second best, in truth and as predicted by each picked router.",
    draw(pen) {
      const threshold = data.margin_threshold;
      pen.line([[threshold, 0], [threshold, 1.02]], { colour: cachedInk("soft"), width: 1, dash: [2, 2] });
      for (const router of curves().reverse()) {
        pen.line(stairs(router), curveLook(router));
      }
    },
    hover({ x, y }) {
      return routerLines(`Margin at most ${digits(Math.max(x, 0), 2)}`, curves(), (router) => shareAt(router, x), y);
    },
  });
  place.append(make("p", { class: "note" },
    `The line in the colour of the text: real margins. Dotted: the threshold of a small margin, ${data.margin_threshold}.`));
}

/** Bars in HTML: a reader can select their numbers. */
function startCollapseIndex(place) {
  const list = make("ol", { class: "bars" });
  place.append(
    make("ul", { class: "legend" },
      make("li", {}, make("span", { class: "box wasteful" }), "wasteful"),
      make("li", {}, make("span", { class: "box wrong" }), "wrong"),
      make("li", {}, make("span", { class: "box whisker" }), "95 % interval")),
    list,
  );
  listen((what) => {
    if (what !== "picked") return;
    const routers = pickedRouters().filter((router) => router.rci).sort((a, b) => a.rci[0] - b.rci[0]);
    list.replaceChildren(...routers.map(({ label, role, rci: [rci, wasteful, wrong, low, high] }) => make(
      "li", { class: role },
      make("span", { class: "name" }, label),
      make("span", { class: "bar", title: `${label}: wasteful ${percent(wasteful)}, wrong ${percent(wrong)}` },
        make("span", { class: "wasteful", style: { width: `${wasteful * 100}%` } }),
        make("span", { class: "wrong", style: { width: `${wrong * 100}%` } }),
        low === undefined ? null : make("span", {
          class: "whisker", style: { left: `${low * 100}%`, width: `${(high - low) * 100}%` },
        })),
      make("span", { class: "value" }, rci.toFixed(3),
        low === undefined ? null : make("small", {}, `${low.toFixed(3)}–${high.toFixed(3)}`)),
    )));
  });
}

/** What every picked router does at the budget: mix, calls to the strongest, cost, quality. */
function startAtBudget(place) {
  const heading = make("h3", { "aria-live": "polite" });
  const body = make("tbody", { role: "rowgroup" });
  const column = (name) => make("th", { role: "columnheader", scope: "col" }, name);
  const calls = `calls to ${data.strongest.map((model) => data.models[model].short).join(", ")}`;
  place.append(
    heading,
    modelLegend(),
    make("table", { class: "mixes", role: "table", "aria-labelledby": "at-budget-heading" },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" },
        ...["router", "who is called", calls, "mean cost", "mean quality"].map(column))),
      body),
  );
  heading.id = "at-budget-heading";
  const cell = (label, value, { low, high }, format) => make(
    "td", { role: "cell", "data-label": label }, make("b", {}, value),
    low === high ? null : make("small", {}, `${format(low)}–${format(high)}`),
  );
  listen(() => {
    heading.textContent = `At a budget of ${moneyInWords(budget())} per query`;
    const at = state.at;
    const part = ({ low, high }) => ({ low: low[at], high: high[at] });
    body.replaceChildren(...pickedRouters().map((router) => {
      const mix = mixOf(router, at);
      const words = mix.map(({ model, rate }) => `${model.short} ${percent(rate)}`).join(", ");
      const bar = make("span", { class: "mix", role: "img", "aria-label": words },
        ...data.models.map((model, index) => make("span", {
          title: `${model.short}: ${percent(router.rates[at][index])}`,
          style: { width: `${router.rates[at][index] * 100}%`, background: modelBackground(model) },
        })));
      const { strongest: called, cost, quality } = router;
      return make("tr", { role: "row", class: router.role },
        make("th", { role: "rowheader", scope: "row" }, swatch(router), make("span", {}, router.label)),
        make("td", { role: "cell", class: "mix-cell" }, bar),
        cell(calls, percent(called.mean[at]), part(called), (value) => (value * 100).toFixed(1)),
        cell("mean cost", money(cost.mean[at]), part(cost), (value) => digits(value, 3)),
        cell("mean quality", quality.mean[at].toFixed(4), part(quality), (value) => value.toFixed(4)));
    }));
  });
}

function startCharts() {
  const starts = {
    call_rate: startCallRate,
    cost_quality: startCostQuality,
    call_mix: startCallMix,
    margins: startMargins,
    rci: startCollapseIndex,
  };
  for (const place of document.querySelectorAll("[data-chart]")) starts[place.dataset.chart](place);
  const atBudget = document.getElementById("at-budget");
  if (atBudget) startAtBudget(atBudget);

  listen((what) => {
    if (what === "theme") inks = {};
    for (const { u, followsBudget, moveLine } of charts) {
      // The line of the budget is not part of the canvas: moving it redraws nothing.
      if (what === "budget" && followsBudget) moveLine();
      else u.redraw(false);
    }
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    for (const { u, place, height } of charts) u.setSize({ width: place.clientWidth, height });
  });
}

if (data.routers.length) startCharts();
