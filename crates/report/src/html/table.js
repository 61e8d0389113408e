
// Tables: a head sorts by its column (numbers from the largest, words from A, a third time as it was), a long table has a
// box that leaves the rows with all its words. What is missing stands last, equal rows keep their order.
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const keyOf = cell => {
  const key = cell.dataset.value;
  return key === undefined ? cell.textContent || null : key === "" ? null : Number(key);
};
const compare = (a, b) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : collator.compare(a, b);
};
const makeSortable = (table, rows) => {
  const heads = [...table.tHead.rows[0].cells];
  const sort = (column, order) => {
    const keyed = rows.map(row => [order ? keyOf(row.cells[column]) : null, row]);
    const missing = key => Number(key === null);
    keyed.sort(([a], [b]) => a === null || b === null ? missing(a) - missing(b) : order * compare(a, b));
    for (const [, row] of keyed) table.tBodies[0].append(row);
    for (const head of heads) head.removeAttribute("aria-sort");
    if (order) heads[column].setAttribute("aria-sort", order > 0 ? "ascending" : "descending");
  };
  heads.forEach((head, column) => {
    const drawn = rows.some(row => row.cells[column].querySelector("svg"));
    if (drawn || !head.textContent.trim()) return;
    const first = rows.some(row => typeof keyOf(row.cells[column]) === "number") ? -1 : 1;
    const orders = { null: first, [first > 0 ? "ascending" : "descending"]: -first };
    const button = make("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => sort(column, orders[head.getAttribute("aria-sort")] ?? 0));
    head.append(button);
  });
};
const makeFilterable = (table, rows) => {
  const frame = table.closest(".scroll");
  const texts = rows.map(row => [...row.cells].map(cell => cell.textContent).join("\n").toLowerCase());
  const shown = make("span", { role: "status" });
  const box = make("input", { type: "search", autocomplete: "off", spellcheck: false });
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, index) => { row.hidden = !words.every(word => texts[index].includes(word)); });
    const left = rows.filter(row => !row.hidden).length;
    shown.textContent = left < rows.length ? `${left} of ${rows.length} rows` : `${rows.length} rows`;
  };
  box.addEventListener("input", filter);
  filter();
  frame.before(make("div", { className: "filter" }, make("label", {}, "Filter ", box), shown));
};
for (const table of document.querySelectorAll("main table")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 1) makeSortable(table, rows);
  if (table.closest(".tall")) makeFilterable(table, rows);
}
