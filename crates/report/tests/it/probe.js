// Does what a reader does, and writes what it finds into an element of its own. Runs in a block behind the page's script.
const findings = [];
const say = (what, value) => findings.push(`${what}: ${value}`);

const table = document.querySelector("table");
const shownRows = () => [...table.tBodies[0].rows].filter(row => row.getClientRects().length);
const ends = at => [shownRows()[0], shownRows().at(-1)].map(row => row.cells[at].textContent).join(" to ");
const sort = at => {
  const head = table.tHead.rows[0].cells[at];
  head.querySelector("button").click();
  say(`sorted by ${head.textContent}, ${head.getAttribute("aria-sort")}`, ends(at));
};
[0, 1, 1, 1].forEach(sort);
say("names as they were", ends(0));
say("heads that sort", table.tHead.querySelectorAll("button").length);
const box = document.querySelector(".filter input");
const filter = words => {
  box.value = words;
  box.dispatchEvent(new Event("input"));
  say(`filtered by '${words}'`, `${shownRows().length}, ${document.querySelector(".filter [role=status]").textContent}`);
};
["layers.3. Q_PROJ", "nowhere", ""].forEach(filter);
const frame = table.closest(".scroll");
frame.scrollTop = 4000;
const head = table.tHead.rows[0].cells[0];
say("the head stays", Math.abs(head.getBoundingClientRect().top - frame.getBoundingClientRect().top) < 2);

const figure = document.querySelector("figure.explorer");
const cells = [...figure.querySelectorAll(".cell")];
const text = selector => figure.querySelector(selector).textContent;
const panel = () => `${text(".place")}, ${text(".tensor")}, ${figure.querySelectorAll(".detail .line:not(.swatch *)").length} lines`;
const selected = () => figure.querySelectorAll("[aria-selected=true]").length;
const press = key => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const fill = at => cells[at].querySelector("rect").getAttribute("fill");
say("cells", `${cells.length}, ${figure.querySelectorAll("[role=row] > [role=gridcell]").length} in rows`);
say("at the start", panel());
cells[0].focus();
press("ArrowRight");
press("ArrowDown");
say("walked to", document.activeElement.getAttribute("aria-label"));
say("one cell can be tabbed to", figure.querySelectorAll("[tabindex='0']").length);
press("Enter");
say("kept", `${selected()}, ${text("[role=status]")}`);
press("End");
say("beside it", panel());
press("Escape");
say("let go", selected());
cells[35].dispatchEvent(new MouseEvent("click", { bubbles: true }));
say("clicked", `${selected()}, ${panel()}`);
cells[23].querySelector("rect").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
say("a gap under the pointer", `${panel()}, ${fill(23).startsWith("url(#")}`);
const before = fill(10);
const select = figure.querySelector("select");
select.value = "1";
select.dispatchEvent(new Event("change"));
say("another metric", `${fill(10) !== before}, ${cells[0].getAttribute("aria-label")}, ${text("[role=status]")}`);
say("numbers", [...figure.querySelectorAll(".detail dl > div")].map(row => row.textContent).join(", "));

say("faults", faults.length ? faults.join(", ") : "none");
document.body.append(Object.assign(document.createElement("pre"), { id: "findings", textContent: findings.join("\n") }));
