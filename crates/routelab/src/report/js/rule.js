// The decision, as routelab-eval makes it: which model answers a query, given predictions and a budget.
"use strict";

/** Models in ascending order of predicted cost; of equal ones the larger predicted quality first, then the smaller index. */
function orderByCost(quality, cost) {
  return [...cost.keys()].sort((a, b) => {
    if (cost[a] !== cost[b]) return cost[a] < cost[b] ? -1 : 1;
    if (quality[a] !== quality[b]) return quality[a] > quality[b] ? -1 : 1;
    return a - b;
  });
}

/** The choice when nothing is affordable. */
function fallback(cost, infeasible) {
  if (infeasible === "first") return 0;
  return cost.indexOf(Math.min(...cost));
}

/** The most that a model may be predicted to cost: a trade-off limits no query by itself, unless it has a cap. */
function limit(decision, budget) {
  if (decision.kind !== "trade-off") return budget;
  return decision.cap === undefined ? Infinity : decision.cap * budget;
}

/** What the steps along the hull gain per unit of cost. */
function slope(quality, cost, from, to) {
  const most = Number.MAX_VALUE;
  return Math.min(quality[to] - quality[from], most) / Math.min(cost[to] - cost[from], most);
}

/** Models that are best at some price, from the cheapest to the best, with falling slopes between them. */
function hull(quality, cost, order) {
  const found = [];
  for (const model of order) {
    if (found.length && quality[model] <= quality[found.at(-1)]) continue;
    while (
      found.length > 1 &&
      slope(quality, cost, found.at(-2), found.at(-1)) <= slope(quality, cost, found.at(-1), model)
    ) {
      found.pop();
    }
    found.push(model);
  }
  return found;
}

/**
 * The choice of a router for one query, and what led to it.
 *
 * `order` is that of `orderByCost`, which does not depend on the budget. `rule` has `infeasible` and `ties`; `price` is the common price of a router that decides by trade-off, null where even
 * the cheapest models are above the budget. Returns `{model, why}`, where `why` is one of "nothing", "best", "tie",
 * "margin" and "price", with what is needed to say it in words.
 */
function choose({ quality, cost, order }, budget, decision, rule, price) {
  const nothing = { model: fallback(cost, rule.infeasible), why: "nothing", infeasible: rule.infeasible };
  const most = limit(decision, budget);
  const affordable = order.filter((model) => cost[model] <= most);
  if (decision.kind === "trade-off") {
    if (price === null || !affordable.length) return nothing;
    const steps = hull(quality, cost, affordable);
    let at = 0;
    while (at + 1 < steps.length && slope(quality, cost, steps[at], steps[at + 1]) > price) at += 1;
    return { model: steps[at], why: "price", price };
  }
  if (!affordable.length) return nothing;
  const best = Math.max(...affordable.map((model) => quality[model]));
  const good = affordable.filter((model) => quality[model] >= best - decision.margin);
  const facts = { affordable: affordable.length, good: good.length, best };
  if (decision.margin > 0) {
    return { model: good[0], why: "margin", margin: decision.margin, ...facts };
  }
  const model = rule.ties === "first" ? Math.min(...good) : good[0];
  return { model, why: good.length > 1 ? "tie" : "best", ties: rule.ties, ...facts };
}

/** Whether a choice is "right", "wasteful" or "wrong", as in the routing collapse index. */
function verdict(quality, model, strongest) {
  const best = Math.max(...quality);
  if (quality[model] !== best) return "wrong";
  const other = quality.some((value, index) => value === best && !strongest.includes(index));
  return strongest.includes(model) && other ? "wasteful" : "right";
}
