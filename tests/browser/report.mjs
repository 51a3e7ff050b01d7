// Drives reports in Chromium and says what it checked; the exit status is 1 if anything was not as it should be.
//
//   node report.mjs full REPORT [SCREENSHOTS]    everything that a reader can do with a report of a whole run
//   node report.mjs opens REPORT…                the pages open without complaint and choose as the evaluation did
//   node report.mjs images REPORT…               the pages show images
//
// CHROMIUM names the browser, otherwise `chromium` on the PATH.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
const profile = mkdtempSync(join(tmpdir(), "routelab-browser-"));
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/** Opens a page, hands it to `work`, and asserts that it neither complained nor asked for anything but itself. */
async function visit(report, options, work) {
  const folder = mkdtempSync(join(profile, "profile-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath,
    headless: true,
    acceptDownloads: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
    ...options,
  });
  // Only what never comes is given up; a slow machine is no failure.
  context.setDefaultTimeout(300_000);
  const complaints = [];
  const page = context.pages()[0];
  page.on("console", (message) => complaints.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack}`));
  page.on("dialog", (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const url = pathToFileURL(resolve(report)).href;
  context.on("request", (request) => {
    if (!request.url().startsWith("data:") && !request.url().startsWith("blob:") && request.url().split("#")[0] !== url) {
      complaints.push(`asks for ${request.url()}`);
    }
  });
  try {
    await page.goto(url);
    if (options.javaScriptEnabled !== false) await settle(page);
    await work(page);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

/** Waits until what was announced is drawn. */
async function settle(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

const checks = [];
async function check(name, work) {
  try {
    await work();
    console.log(`ok    ${name}`);
    checks.push(true);
  } catch (error) {
    console.log(`FAIL  ${name}\n${error.stack}`);
    checks.push(false);
  }
}

/** The queries are up to date where they can be seen. */
async function toQueries(page) {
  await page.locator("#explorer").evaluate((explorer) => explorer.scrollIntoView());
  await settle(page);
}

const text = (page, selector) => page.locator(selector).innerText();
/** The middle of a share of the plot's width. */
async function inPlot(page, chart, share) {
  const over = page.locator(`[data-chart="${chart}"] .u-over`).first();
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  return [box.x + box.width * share, box.y + box.height / 2];
}

async function opens(report) {
  await check(`${report} opens and chooses as the evaluation did`, () => visit(report, DESKTOP, async (page) => {
    assert.ok((await text(page, "h1")).length > 0);
    const { differ } = await page.evaluate(() => checkChoices());
    assert.equal(differ, 0);
  }));
}

async function images(report) {
  await check(`${report} shows the images of its queries`, () => visit(report, DESKTOP, async (page) => {
    await toQueries(page);
    const index = await page.evaluate(() => data.queries.queries.findIndex(({ image }) => image));
    await page.locator(`[data-query="${index}"]`).click();
    const image = page.locator(".query img");
    await image.scrollIntoViewIfNeeded();
    const [width, height] = await image.evaluate((element) => [element.naturalWidth, element.naturalHeight]);
    assert.ok(width > 0 && height > 0 && Math.max(width, height) <= 320, `${width} × ${height}`);
  }));
}

async function full(report, screenshots) {
  const run = dirname(resolve(report));
  const file = (name) => readFileSync(join(run, name), "utf8");
  const metrics = JSON.parse(file("metrics.json"));
  const queries = JSON.parse(file("queries.json"));
  const on = (name, options, work) => check(name, () => visit(report, options, work));

  await on("the page chooses as the evaluation did", DESKTOP, async (page) => {
    const { differ, checked } = await page.evaluate(() => checkChoices());
    assert.equal(checked, queries.routers.length * queries.queries.length * queries.routers[0].checks.length);
    assert.equal(differ, 0);
    // The comparison can tell choices apart: with another rule some differ.
    const other = await page.evaluate(() => {
      for (const router of predictions.values()) router.decision = { kind: "within-budget", margin: 1e9 };
      return checkChoices().differ;
    });
    assert.ok(other > 0);
  });

  await on("dragging the line moves the budget, and everything follows", DESKTOP, async (page) => {
    const before = await text(page, "#budget-value");
    await page.mouse.move(...await inPlot(page, "call_rate", 0.9));
    await page.mouse.down();
    await page.mouse.move(...await inPlot(page, "call_rate", 0.5), { steps: 6 });
    await page.mouse.up();
    await settle(page);
    const now = await page.evaluate(() => ({ at: state.at, budget: data.budgets[state.at], first: pickedRouters()[0] }));
    assert.ok(now.at > 0 && now.at < queries.budgets.length - 1, `position ${now.at}`);
    assert.equal(Number(await page.locator("#budget").inputValue()), now.at);
    const shown = await text(page, "#budget-value");
    assert.notEqual(shown, before);
    assert.ok((await text(page, "#at-budget h3")).includes(shown));
    const row = (await page.locator("#at-budget tbody tr").first().innerText()).replace(/\s+/g, " ");
    assert.ok(row.includes(now.first.quality.mean[now.at].toFixed(4)), row);
    // The numbers are those of the run: the mean over the seeds of grid_points.csv.
    const points = file("grid_points.csv").trim().split("\n").slice(1).map((line) => line.split(","))
      .filter(([router, , budget]) => router === now.first.label && Number(budget) === now.budget);
    assert.equal(points.length, metrics.routers[0].seeds.length);
    const mean = points.reduce((sum, point) => sum + Number(point[4]), 0) / points.length;
    assert.ok(Math.abs(mean - now.first.quality.mean[now.at]) < 1e-5);
    const line = await page.locator('[data-chart="call_rate"] .budget-line').boundingBox();
    const [x] = await inPlot(page, "call_rate", 0.5);
    assert.ok(Math.abs(line.x + 1 - x) < 60, `the line is at ${line.x}, the pointer at ${x}`);
    await toQueries(page);
    assert.ok((await text(page, "#queries")).includes(`What the routers do at ${shown}`));
  });

  await on("the keyboard moves the budget", DESKTOP, async (page) => {
    await page.locator("#budget").focus();
    const last = queries.budgets.length - 1;
    const at = () => page.evaluate(() => state.at);
    assert.equal(await at(), last);
    await page.keyboard.press("ArrowLeft");
    assert.equal(await at(), last - 1);
    await page.keyboard.press("Home");
    assert.equal(await at(), 0);
    await page.keyboard.press("End");
    assert.equal(await at(), last);
  });

  await on("the routers that are picked are those that are shown", DESKTOP, async (page) => {
    const count = (selector) => page.locator(selector).count();
    const shown = async () => {
      await toQueries(page);
      return [
        await count("#at-budget tbody tr"), await count(".panel"), await count(".bars li"), await count("#queries .choices tbody tr"),
      ];
    };
    const routers = queries.routers.length;
    await page.click('[data-pick="all"]');
    await settle(page);
    assert.deepEqual(await shown(), [routers, routers, routers, routers]);
    await page.click('[data-pick="none"]');
    await settle(page);
    assert.deepEqual(await shown(), [0, 0, 0, 0]);
    await page.click('[data-pick="highlighted"]');
    await settle(page);
    const names = (await page.locator(".bars .name").allInnerTexts()).sort();
    const expected = [metrics.reference, ...metrics.routers.filter(({ kind }) => kind === "oracle").map(({ router }) => router)];
    assert.deepEqual(names, expected.sort());
    await page.locator("#routers input:not(:checked)").first().focus();
    await page.keyboard.press("Space");
    await settle(page);
    assert.equal(await count(".bars li"), expected.length + 1);
    await page.check("#only-picked");
    assert.equal(await page.locator("#table tbody tr:visible").count(), expected.length + 1);
  });

  await on("hovering shows the values", DESKTOP, async (page) => {
    for (const chart of ["call_rate", "margins"]) {
      await page.mouse.move(...await inPlot(page, chart, 0.6));
      const tip = page.locator(`[data-chart="${chart}"] .tip`);
      assert.ok(await tip.isVisible(), chart);
      const lines = await tip.locator(".tip-line").count();
      assert.ok(lines >= 2, `${chart}: ${lines} lines`);
    }
    await page.mouse.move(...await inPlot(page, "call_mix", 0.6));
    const mix = await page.locator('[data-chart="call_mix"] .tip').first().locator(".tip-line b").allInnerTexts();
    const total = mix.reduce((sum, share) => sum + parseFloat(share), 0);
    assert.ok(Math.abs(total - 100) < 1, `call rates add up to ${total} %`);
    // A model's point in the chart of cost and quality.
    const point = await page.evaluate(() => {
      const { u } = charts.find(({ place }) => place.dataset.chart === "cost_quality");
      u.over.scrollIntoView({ block: "center" });
      const { cost, quality, short } = data.models[0];
      const box = u.over.getBoundingClientRect();
      return { x: box.x + u.valToPos(cost, "x"), y: box.y + u.valToPos(quality, "y"), short };
    });
    await page.mouse.move(point.x, point.y);
    const tip = page.locator('[data-chart="cost_quality"] .tip');
    assert.ok(await tip.isVisible());
    assert.match(await tip.innerText(), /mean cost[\s\S]*mean quality/);
  });

  await on("the table sorts by mouse and by keyboard", DESKTOP, async (page) => {
    const heading = page.locator("#table th", { hasText: "RCI" });
    const column = await heading.evaluate((cell) => cell.cellIndex);
    const values = () => page.locator("#table tbody tr").evaluateAll(
      (rows, at) => rows.map((row) => row.cells[at].dataset.value ?? null).map((value) => value === null ? null : Number(value)),
      column,
    );
    const original = await values();
    const number = original.filter((value) => value !== null);
    const ascending = [...number].sort((a, b) => a - b);
    await heading.locator("button").click();
    assert.equal(await heading.getAttribute("aria-sort"), "ascending");
    assert.deepEqual(await values(), [...ascending, ...original.filter((value) => value === null)]);
    await heading.locator("button").focus();
    await page.keyboard.press("Enter");
    assert.equal(await heading.getAttribute("aria-sort"), "descending");
    assert.deepEqual((await values()).slice(0, number.length), [...ascending].reverse());
    await page.keyboard.press("Enter");
    assert.equal(await heading.getAttribute("aria-sort"), null);
    assert.deepEqual(await values(), original);
    const router = page.locator("#table th", { hasText: "router" }).first();
    await router.locator("button").click();
    const names = await page.locator("#table tbody th").allInnerTexts();
    assert.deepEqual(names, [...names].sort((a, b) => a.localeCompare(b, "en", { numeric: true })));
    // Marked is what is best among the learned routers.
    const learned = metrics.routers.filter(({ kind }) => !["oracle", "random", "cheapest", "strongest", "best-single"].includes(kind));
    const best = Math.min(...learned.map(({ summary }) => summary.rci.mean));
    const marked = await page.locator(`#table td:nth-child(${column + 1}).best`).evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));
    assert.ok(marked.length > 0 && marked.every((value) => value === best));
  });

  await on("queries can be found, read and understood", DESKTOP, async (page) => {
    const found = () => page.locator(".query-list button").count();
    const { queries: sample } = queries;
    await toQueries(page);
    assert.equal(await found(), sample.length);
    const wanted = sample[sample.length >> 1];
    await page.fill("#query-text", wanted.id);
    const ids = sample.filter((query) => `${query.id} ${query.prompt} ${query.prompt_end ?? ""}`.toLowerCase().includes(wanted.id.toLowerCase()));
    assert.equal(await found(), ids.length);
    await page.fill("#query-text", "no prompt says this");
    assert.equal(await found(), 0);
    assert.match(await text(page, ".query"), /Loosen the filters/);
    await page.fill("#query-text", "");
    await page.selectOption("#query-task", wanted.task);
    assert.equal(await found(), sample.filter(({ task }) => task === wanted.task).length);
    await page.selectOption("#query-task", "");

    // At the smallest budget with a check, every router's row shows the evaluation's choice.
    await page.click('[data-pick="all"]');
    const { budget } = queries.routers[0].checks[1];
    await page.evaluate((budget) => setBudget(data.budgets.indexOf(budget)), budget);
    await toQueries(page);
    for (const index of [0, sample.length - 1]) {
      await page.locator(`[data-query="${index}"]`).click();
      const rows = await page.locator(".choices tbody tr").allInnerTexts();
      const shorts = await page.evaluate(() => data.models.map(({ short }) => short));
      queries.routers.forEach(({ router, checks }, at) => {
        const chosen = shorts[checks.find((one) => one.budget === budget).choices[index]];
        assert.ok(rows[at].includes(router) && rows[at].includes(chosen), `${rows[at]} has no ${chosen}`);
      });
      assert.equal(await text(page, ".query header p"), sample[index].id);
      assert.ok((await page.locator(".prompt").textContent()).startsWith(sample[index].prompt));
    }

    // The filters keep what they say.
    await page.selectOption("#query-filter", "1");
    const disputed = await found();
    const expected = await page.evaluate(() => data.queries.queries.filter((_, index) => {
      const learned = outcomes(index).filter(({ router }) => ["router", "highlight"].includes(router.role));
      return learned.some(({ choice }) => choice.model !== learned[0].choice.model);
    }).length);
    assert.equal(disputed, expected);
    await page.selectOption("#query-filter", "0");

    const open = () => page.locator(".query-list [aria-current]").getAttribute("data-query");
    await page.locator('[data-query="0"]').focus();
    await page.keyboard.press("ArrowDown");
    assert.equal(await open(), "1");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    assert.equal(await open(), "1");
    const other = queries.routers.at(-1).router;
    await page.selectOption("#predictions-of", other);
    const predicted = await page.locator(".models tbody tr td:nth-child(4)").allInnerTexts();
    const digits = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
    assert.deepEqual(predicted, queries.routers.at(-1).quality[1].map(digits));
  });

  await on("every figure can be saved as SVG and CSV", DESKTOP, async (page) => {
    const links = await page.locator("a[download]").all();
    const figures = await page.locator("main figure").count();
    assert.ok(figures >= 5);
    assert.equal(links.length, 2 * figures);
    for (const link of links) {
      // Of many downloads in a row Chromium drops one now and then; then a reader clicks again.
      let download;
      for (let clicks = 0; !download; clicks += 1) {
        assert.ok(clicks < 5, `${await link.getAttribute("download")} never comes`);
        const waiting = page.waitForEvent("download", { timeout: 30_000 }).catch(() => undefined);
        await link.click();
        download = await waiting;
      }
      const saved = readFileSync(await download.path(), "utf8");
      assert.ok(saved === file(`figures/${download.suggestedFilename()}`), download.suggestedFilename());
    }
  });

  for (const scheme of ["light", "dark"]) {
    await on(`in ${scheme} mode text and lines stand out`, { ...DESKTOP, colorScheme: scheme }, async (page) => {
      await page.click('[data-pick="all"]');
      await settle(page);
      const { words, weak, lines } = await page.evaluate(contrasts);
      assert.ok(words > 200, `${words} texts`);
      assert.deepEqual(weak, []);
      // The light colours are those of the printed figures.
      if (scheme === "dark") assert.deepEqual(lines.filter(([, contrast]) => contrast < 3), []);
      if (screenshots) {
        await page.click('[data-pick="usual"]');
        await settle(page);
        await page.screenshot({ path: join(screenshots, `desktop-${scheme}.png`), fullPage: true });
      }
    });
  }

  await on("the theme can be chosen", { ...DESKTOP, colorScheme: "light" }, async (page) => {
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const canvas = () => page.evaluate(() => document.querySelector('[data-chart="call_rate"] canvas').toDataURL());
    const [system, drawn] = [await paper(), await canvas()];
    await page.click("#theme");
    assert.equal(await paper(), system);
    await page.click("#theme");
    await settle(page);
    assert.notEqual(await paper(), system);
    assert.notEqual(await canvas(), drawn);
    await page.reload();
    await settle(page);
    assert.equal(await text(page, "#theme"), "Theme: dark");
    assert.notEqual(await paper(), system);
  });

  await on("a phone shows everything, and a finger moves the budget", PHONE, async (page) => {
    const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= screen, `${wide} pixels wide on a screen of ${screen}`);
    assert.equal(await page.locator("#picker").getAttribute("open"), null);
    if (screenshots) await page.screenshot({ path: join(screenshots, "phone.png"), fullPage: true });
    await page.locator('[data-chart="call_rate"]').evaluate((chart) => chart.scrollIntoView({ block: "center" }));
    const [x, y] = await inPlot(page, "call_rate", 0.4);
    await page.touchscreen.tap(x, y);
    await settle(page);
    const at = await page.evaluate(() => state.at);
    assert.ok(at > 0 && at < queries.budgets.length - 1, `position ${at}`);
  });

  await on("names and headings serve those who do not see the page", DESKTOP, async (page) => {
    const { unnamed, repeated, levels } = await page.evaluate(() => {
      const controls = [...document.querySelectorAll("button, input, select, a[href], summary")];
      const name = (element) => element.getAttribute("aria-label") || element.textContent.trim()
        || [...element.labels ?? []].map((label) => label.textContent.trim()).join("");
      const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
      return {
        unnamed: controls.filter((element) => !name(element)).map((element) => element.outerHTML.slice(0, 120)),
        repeated: ids.filter((id, index) => ids.indexOf(id) !== index && !document.getElementById(id).closest("svg")),
        levels: [...document.querySelectorAll("main h2, main h3, main h4")].map(({ tagName }) => Number(tagName[1])),
      };
    });
    assert.deepEqual(unnamed, []);
    assert.deepEqual(repeated, []);
    levels.forEach((level, index) => assert.ok(level <= (levels[index - 1] ?? 2) + 1, `h${level} after h${levels[index - 1]}`));
  });

  await on("without scripts figures and tables are there", { ...DESKTOP, javaScriptEnabled: false }, async (page) => {
    assert.equal(await page.locator("figure svg:visible").count(), await page.locator(".downloads").count());
    assert.equal(await page.locator("#table tbody tr:visible").count(), metrics.routers.length);
    assert.equal(await page.locator(".controls:visible, .chart:visible").count(), 0);
    assert.ok(await page.locator(".without-js").isVisible());
  });

  await on("on paper the printed figures stand, without controls", DESKTOP, async (page) => {
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator("figure svg:visible").count(), await page.locator(".downloads").count());
    assert.equal(await page.locator(".controls:visible, .chart:visible, #explorer:visible").count(), 0);
  });
}

/** Runs in the page: texts whose contrast is below WCAG's 4.5 (3 for large ones), and the contrast of every router's line. */
function contrasts() {
  const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  let words = 0;
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || element.closest("svg, script, style, .unseen") || !element.checkVisibility() || element.tagName === "OPTION") continue;
    words += 1;
    const style = getComputedStyle(element);
    const found = contrast(rgba(style.color), ground(element));
    const needed = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (found < needed) weak.push(`${found.toFixed(2)}: ${element.className} ${element.textContent.trim().slice(0, 40)}`);
  }
  const card = ground(document.querySelector(".chart"));
  return { words, weak, lines: data.routers.map((router) => [router.label, contrast(rgba(shade(router.colour)), card)]) };
}

const [mode, ...rest] = process.argv.slice(2);
try {
  if (mode === "full") await full(...rest);
  else if (mode === "opens") for (const report of rest) await opens(report);
  else if (mode === "images") for (const report of rest) await images(report);
  else throw new Error("usage: node report.mjs full REPORT [SCREENSHOTS] | opens REPORT… | images REPORT…");
} finally {
  rmSync(profile, { recursive: true, force: true });
}
assert.ok(checks.length > 0);
process.exitCode = checks.every(Boolean) ? 0 : 1;
