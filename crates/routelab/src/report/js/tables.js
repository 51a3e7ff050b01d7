// Tables that sort, and that follow the picked routers where the reader wants it.
"use strict";

/** Makes the headings of a table into buttons that sort its rows. */
function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const original = [...body.rows];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (column === 0) return cell.textContent.trim();
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const compare = (a, b, column, sign) => {
    const [x, y] = [key(a, column), key(b, column)];
    // What is not defined stays at the end, whichever way the rest is sorted.
    if (x === null || y === null) return (x === null) - (y === null);
    if (typeof x === "string") return sign * x.localeCompare(y, "en", { numeric: true });
    return x === y ? 0 : sign * (x < y ? -1 : 1);
  };
  headings.forEach((heading, column) => {
    const button = make("button", { type: "button", title: heading.title || null }, ...heading.childNodes);
    heading.removeAttribute("title");
    heading.append(button);
    button.addEventListener("click", () => {
      // Numbers start with the end that the arrow in the heading calls good.
      const first = heading.textContent.includes("↑") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const now = heading.getAttribute("aria-sort");
      const next = now === null ? first : now === first ? second : null;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (next === null) {
        body.append(...original);
        return;
      }
      heading.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      body.append(...[...original].sort((a, b) => compare(a, b, column, sign)));
    });
  });
}

function startTables() {
  const tables = document.querySelectorAll("table.sortable");
  tables.forEach(makeSortable);
  if (!tables.length || !data.routers.length) return;
  const box = make("input", { type: "checkbox", id: "only-picked" });
  tables[0].closest(".scroll").before(
    make("p", { class: "only-picked" }, make("label", {}, box, " only the routers picked for the figures")),
  );
  const show = () => {
    const labels = new Set(pickedRouters().map((router) => router.label));
    for (const row of document.querySelectorAll("tr[data-router]")) {
      row.hidden = box.checked && !labels.has(row.dataset.router);
    }
  };
  box.addEventListener("change", show);
  listen(show);
}

startTables();
