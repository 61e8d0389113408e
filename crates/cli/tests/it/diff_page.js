// Does what a reader of a fine-tune's page does, and writes what it finds into an element of its own. Runs in a block behind the
// page's script.
const findings = [];
const say = (what, value) => findings.push(`${what}: ${value}`);

const figure = document.querySelector("figure.explorer"), tables = [...document.querySelectorAll("table")];
const text = selector => figure.querySelector(selector).textContent;
const isBehind = table => figure.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING;
say("the map stands before all tables", tables.every(isBehind));
say("tables without a caption", tables.filter(table => !table.caption).length);

const cells = [...figure.querySelectorAll(".cell")];
say("cells", cells.length);
say("metrics", [...figure.querySelectorAll("option")].map(option => option.textContent).join(", "));
const cell = cells.find(cell => cell.getAttribute("aria-label").startsWith("1, mlp.up_proj:"));
cell.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const lines = () => figure.querySelectorAll(".detail .line:not(.swatch *)").length;
const selected = figure.querySelectorAll("[aria-selected=true]").length;
say("clicked", `${selected}, ${text(".place")}, ${text(".tensor")}, ${lines()} lines`);
const norm = cells.find(cell => cell.getAttribute("aria-label").startsWith("0, input_layernorm:"));
norm.querySelector("rect").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
say("under the pointer", `${text(".place")}, ${text(".tensor")}`);
const select = figure.querySelector("select");
select.value = "3";
select.dispatchEvent(new Event("change"));
say("another metric", text("[role=status]").split(",")[0]);
say("what did not change has none", norm.querySelector("rect").getAttribute("fill").startsWith("url(#"));

const table = tables.find(table => table.caption.textContent.startsWith("Every changed tensor"));
const heads = [...table.tHead.rows[0].cells];
say("columns", heads.map(head => head.textContent).join(", "));
const column = heads.findIndex(head => head.textContent === "norm of the change");
for (const order of [-1, 1]) {
  heads[column].querySelector("button").click();
  const numbers = [...table.tBodies[0].rows].map(row => Number(row.cells[column].dataset.value));
  const isSorted = numbers.every((number, index) => !index || order * (number - numbers[index - 1]) >= 0);
  say(heads[column].getAttribute("aria-sort"), `${numbers.length} rows, ${isSorted}`);
}

say("faults", faults.length ? faults.join(", ") : "none");
document.body.append(Object.assign(document.createElement("pre"), { id: "findings", textContent: findings.join("\n") }));
