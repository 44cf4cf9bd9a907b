"use strict";

// Charts: each <script data-chart="ID"> holds the Vega-Lite spec for the element with that id.
const style = document.getElementById("chart-style");
for (const spec of document.querySelectorAll("script[data-chart]")) {
  const place = document.getElementById(spec.dataset.chart);
  vegaEmbed(place, JSON.parse(spec.textContent), {
    actions: false,
    ast: true, // expressions are interpreted, for the content security policy forbids eval
    config: JSON.parse(style.textContent),
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true, theme: "report" },
  }).catch((error) => {
    place.textContent = `This chart could not be drawn: ${error.message}. Its data are in the table below.`;
  });
}

// The table of designs: its headers become buttons that sort by the cells' data-value.
function compare(a, b, numeric, sign) {
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // missing ones come last
  return sign * (numeric ? Number(a) - Number(b) || 0 : a.localeCompare(b, "en", { numeric: true }));
}

function sort(header, table, said) {
  const descending = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const numeric = header.dataset.kind === "number";
  const value = (row) => row.cells[header.cellIndex].dataset.value;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(value(a), value(b), numeric, descending ? -1 : 1));
  table.tBodies[0].append(...rows);
  said.textContent = `Sorted by ${header.textContent}, ${descending ? "descending" : "ascending"}.`;
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const said = document.getElementById("sorted");
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header, table, said));
    header.append(button);
  }
}

// Paper cannot be clicked: what is folded away is printed.
const folded = () => document.querySelectorAll("details:not([open])");
let opened = [];
addEventListener("beforeprint", () => (opened = [...folded()]).forEach((part) => (part.open = true)));
addEventListener("afterprint", () => opened.splice(0).forEach((part) => (part.open = false)));
