// Single queries: what every model scored and cost, what every router predicted, chose, and why.
"use strict";

const sample = data.queries;

/** The routers of the sample by label: their decision, predictions and choices to check against. */
const predictions = new Map((sample?.routers ?? []).map((router) => [router.router, router]));

for (const router of predictions.values()) {
  router.rows = router.quality.map((quality, query) => {
    const cost = router.cost[query];
    return { quality, cost, order: orderByCost(quality, cost) };
  });
}

/** What a router chooses for a query of the sample at a position in `data.budgets`. */
function chooseFor(router, query, at) {
  return choose(router.rows[query], sample.budgets[at], router.decision, sample, router.prices?.[at]);
}

/** How often the choices made here differ from those of the evaluation, of how many: the browser test asks. */
function checkChoices() {
  let [differ, checked] = [0, 0];
  for (const router of predictions.values()) {
    for (const { budget, choices } of router.checks) {
      const at = sample.budgets.indexOf(budget);
      choices.forEach((expected, query) => {
        checked += 1;
        if (chooseFor(router, query, at).model !== expected) differ += 1;
      });
    }
  }
  return { differ, checked };
}

const MARKS = {
  right: ["✓", "right: one of the best models, and not the strongest unless only it is best"],
  wasteful: ["○", "wasteful: the strongest model, although another was as good"],
  wrong: ["✕", "wrong: not one of the best models"],
};

const mark = (kind) => make("span", { class: `mark ${kind}`, title: MARKS[kind][1] }, MARKS[kind][0]);

/** Why a router chose what it chose. */
function inWords(choice) {
  const name = data.models[choice.model].short;
  const count = (number) => (number === 1 ? "1 model" : `${number} models`);
  switch (choice.why) {
    case "nothing":
      return choice.infeasible === "first"
        ? "Nothing is within the budget: the first model."
        : "Nothing is within the budget: the model with the lowest predicted cost.";
    case "price":
      return choice.price === 0
        ? "The budget is enough for every query's best predicted score (price 0)."
        : `Best score after costs, at a price of ${digits(choice.price, 3)} per unit of cost for all queries.`;
    case "margin":
      return choice.good === 1
        ? `${count(choice.affordable)} within the budget; none other within ${choice.margin} of the best score ${digits(choice.best, 4)}.`
        : `${count(choice.affordable)} within the budget, ${choice.good} of them within ${choice.margin} of the best score `
          + `${digits(choice.best, 4)}: ${name} is the cheapest of these by predicted cost.`;
    case "tie":
      return `${count(choice.affordable)} within the budget; ${choice.good} share the best score ${digits(choice.best, 4)}: `
        + (choice.ties === "first" ? "the first of them." : "the one with the lowest predicted cost.");
    default:
      return choice.affordable === 1
        ? "The only model within the budget."
        : `Best score, ${digits(choice.best, 4)}, of ${count(choice.affordable)} within the budget.`;
  }
}

/** What the picked routers and the reference choose for a query now. */
function outcomes(index) {
  const query = sample.queries[index];
  return data.routers.flatMap((router, number) => {
    const predicted = predictions.get(router.label);
    if (!predicted || !(state.picked.has(number) || router.label === data.reference)) return [];
    const choice = chooseFor(predicted, index, state.at);
    return [{
      router, predicted, choice,
      picked: state.picked.has(number),
      verdict: verdict(query.quality, choice.model, data.strongest),
    }];
  });
}

const isLearned = ({ router }) => ["router", "highlight"].includes(router.role);
const pickedLearned = (all) => all.filter((outcome) => outcome.picked && isLearned(outcome));

const best = (query) => Math.max(...query.quality);

/** The filters by what happened; each takes a query and its outcomes. */
const FILTERS = [
  ["all queries", () => true],
  ["picked learned routers disagree", (_, all) => new Set(pickedLearned(all).map(({ choice }) => choice.model)).size > 1],
  ["a picked learned router wastes the strongest model", (_, all) =>
    pickedLearned(all).some((outcome) => outcome.verdict === "wasteful")],
  ["a picked learned router is wrong", (_, all) => pickedLearned(all).some((outcome) => outcome.verdict === "wrong")],
  ...(data.reference
    ? [[`${data.reference} is wrong`, (_, all) =>
      all.some(({ router, verdict: said }) => router.label === data.reference && said === "wrong")]]
    : []),
  ["only the strongest model is best", (query) =>
    best(query) > 0 && query.quality.every((value, model) => value < best(query) || data.strongest.includes(model))],
  ["no model scores above 0", (query) => best(query) === 0],
];

function startExplorer(place) {
  const tasks = [...new Set(sample.queries.map((query) => query.task))].sort();
  const option = (value, text) => make("option", { value }, text);
  const text = make("input", { type: "search", id: "query-text", placeholder: "words in the prompt or id" });
  const task = make("select", { id: "query-task" }, option("", "all tasks"), ...tasks.map((name) => option(name, name)));
  const what = make("select", { id: "query-filter" }, ...FILTERS.map(([name], index) => option(index, name)));
  const count = make("output", { class: "soft", id: "query-count" });
  const list = make("ul", { class: "query-list", "aria-label": "Queries" });
  const detail = make("article", { class: "query", "aria-label": "The query", tabindex: "-1" });
  const label = (name, control) => make("label", {}, make("span", {}, name), control);
  place.append(
    make("form", { class: "filters", role: "search" }, label("Search", text), label("Task", task), label("Show", what)),
    make("p", { class: "results" }, count),
    make("div", { class: "panes" }, list, detail),
  );
  place.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

  const view = { open: 0, predictionsOf: null };
  const row = (index, all) => {
    const query = sample.queries[index];
    const shown = all.filter((outcome) => outcome.picked);
    const sum = (kind) => shown.filter((outcome) => outcome.verdict === kind).length;
    const button = make("button", {
      type: "button", "data-query": index, "aria-current": index === view.open ? "true" : null,
    },
    make("span", { class: "task" }, query.task),
    make("span", { class: "excerpt" }, excerpt(query)),
    make("span", { class: "marks", role: "img", "aria-label": `${sum("right")} right, ${sum("wasteful")} wasteful, ${sum("wrong")} wrong` },
      ...shown.map((outcome) => {
        const sign = mark(outcome.verdict);
        sign.title = `${outcome.router.label}: ${outcome.verdict}`;
        return sign;
      })));
    return make("li", {}, button);
  };
  // Two hundred queries take a while: nobody waits for them who looks at something else.
  const isNear = () => {
    const { top, bottom } = place.getBoundingClientRect();
    return top < innerHeight + 600 && bottom > -600;
  };
  let stale = true;
  const showIfNear = () => {
    if (stale && isNear()) show();
  };
  const show = () => {
    stale = false;
    const words = text.value.trim().toLowerCase();
    const found = [];
    sample.queries.forEach((query, index) => {
      const whole = `${query.id} ${query.prompt} ${query.prompt_end ?? ""}`.toLowerCase();
      if ((task.value && query.task !== task.value) || !whole.includes(words)) return;
      const all = outcomes(index);
      if (FILTERS[what.value][1](query, all)) found.push([index, all]);
    });
    count.textContent = `${found.length} of ${sample.queries.length} queries`;
    if (!found.some(([index]) => index === view.open)) view.open = found[0]?.[0] ?? null;
    const focused = document.activeElement?.dataset?.query;
    const scrolled = list.scrollTop;
    list.replaceChildren(...found.map(([index, all]) => row(index, all)));
    list.scrollTop = scrolled;
    list.querySelector(`[data-query="${focused}"]`)?.focus({ preventScroll: true });
    detail.replaceChildren(...(view.open === null
      ? [make("p", { class: "soft" }, "No query is like this. Loosen the filters above.")]
      : describe(view.open, view, show)));
  };
  const open = (index, byPointer) => {
    view.open = index;
    show();
    if (byPointer && !matchMedia("(min-width: 48rem)").matches) detail.scrollIntoView({ block: "start" });
  };
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) open(Number(button.dataset.query), true);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    next.focus();
    open(Number(next.dataset.query), false);
  });
  for (const control of [text, task, what]) control.addEventListener("input", show);
  addEventListener("scroll", showIfNear, { passive: true });
  addEventListener("resize", showIfNear);
  listen(() => {
    stale = true;
    showIfNear();
  });
  // At first always, so that the page has its height.
  if (stale) show();
}

/** The end of a long prompt says more than its beginning, which few-shot prompts share. */
function excerpt(query) {
  const whole = (query.prompt_end ?? query.prompt).replace(/\s+/g, " ").trim();
  if (!whole) return "(image only)";
  return whole.length > 300 ? whole.slice(-180).replace(/^\S*/, "…") : whole;
}

function describe(index, view, show) {
  const query = sample.queries[index];
  const all = outcomes(index);
  const shown = all.filter((outcome) => outcome.picked);
  const parts = [
    make("header", {}, make("h3", {}, query.task), make("p", { class: "soft" }, query.id)),
    query.image ? make("img", { src: query.image, alt: "The image of the query" }) : null,
    query.image_missing ? make("p", { class: "warning" }, `The image could not be read: ${query.image_missing}`) : null,
    prompt(query),
  ];
  if (shown.length) parts.push(make("h4", {}, `What the routers do at ${moneyInWords(budget())}`), choicesTable(query, shown));
  else parts.push(make("p", { class: "soft" }, "Pick a router to see what it chooses."));
  parts.push(make("h4", {}, "What the models did"), ...modelsTable(index, query, shown, view, show));
  return parts.filter(Boolean);
}

function prompt(query) {
  return make("div", { class: "prompt", tabindex: "0", role: "region", "aria-label": "Prompt" },
    query.prompt,
    query.left_out ? make("span", { class: "left-out" }, `${digits(query.left_out, 6)} characters left out`) : null,
    query.prompt_end ?? null);
}

const quality = (value) => digits(value, 4);

function choicesTable(query, shown) {
  const rows = shown.map(({ router, choice, verdict: said }) => make("tr", {},
    make("th", { scope: "row" }, swatch(router), " ", router.label),
    make("td", { class: "words" }, modelSwatch(data.models[choice.model]), " ", data.models[choice.model].short,
      make("small", {}, inWords(choice))),
    make("td", { class: "verdict" }, mark(said), " ", said),
    make("td", {}, quality(query.quality[choice.model])),
    make("td", {}, money(query.cost[choice.model]))));
  return scrolling("Choices of the routers", ["router", "chose, and why", "verdict", "quality", "cost"], rows, "choices");
}

function modelsTable(index, query, shown, view, show) {
  const of = shown.find(({ router }) => router.label === view.predictionsOf)
    ?? shown.find(({ router }) => router.label === data.reference) ?? shown.find(isLearned) ?? shown[0];
  const headings = ["model", "quality", "cost"];
  if (of) headings.push("predicted score", "predicted cost", "chosen by");
  const rows = data.models.map((model, number) => {
    const isBest = query.quality[number] === best(query) && best(query) > 0;
    const cells = [
      make("th", { scope: "row" }, modelSwatch(model), " ", model.short),
      make("td", { class: isBest ? "best" : null }, make(isBest ? "strong" : "span", {}, quality(query.quality[number])),
        isBest ? make("span", { class: "unseen" }, " (best)") : null),
      make("td", {}, money(query.cost[number])),
    ];
    if (of) {
      const cost = of.predicted.cost[index][number];
      const over = cost > limit(of.predicted.decision, budget());
      cells.push(
        make("td", { class: over ? "over" : null }, digits(of.predicted.quality[index][number], 4)),
        make("td", { class: over ? "over" : null }, money(cost), over ? make("small", {}, of.predicted.decision.cap ? "over the cap" : "over budget") : null),
        make("td", { class: "chosen-by" }, ...shown.filter(({ choice }) => choice.model === number)
          .map(({ router }) => make("span", { title: router.label, role: "img", "aria-label": router.label }, swatch(router)))),
      );
    }
    return make("tr", { class: of?.choice.model === number ? "chosen" : null }, ...cells);
  });
  const table = scrolling("The models on this query", headings, rows, "models");
  if (!of) return [table];
  const select = make("select", { id: "predictions-of" }, ...shown.map(({ router }) =>
    make("option", { selected: router === of.router }, router.label)));
  select.addEventListener("input", () => {
    view.predictionsOf = select.value;
    show();
    document.getElementById("predictions-of")?.focus();
  });
  return [make("p", { class: "predictions-of" }, make("label", {}, "Predictions of ", select)), table];
}

function scrolling(name, headings, rows, kind) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
    make("table", { class: kind },
      make("thead", {}, make("tr", {}, ...headings.map((heading) => make("th", { scope: "col" }, heading)))),
      make("tbody", {}, ...rows)));
}

const explorer = document.getElementById("explorer");
if (explorer && data.routers.length) startExplorer(explorer);
