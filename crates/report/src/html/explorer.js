
// The explorer: paints its map in the metric of the reader's choice, and shows the tensor, the numbers and the spectrum of
// the cell that is pointed at, walked to with the arrow keys, or kept by a click or Enter.
const channels = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
const mix = (ramp, share) => {
  const place = share * (ramp.length - 1), below = Math.min(Math.floor(place), ramp.length - 2);
  const [from, to] = [channels(ramp[below]), channels(ramp[below + 1])];
  return from.map((channel, index) => Math.round(channel + (place - below) * (to[index] - channel)));
};
const isLight = colour => {
  const [red, green, blue] = colour.map(channel => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
};
// Where a cell lies between the ends of a metric, 0 to 1; null where it has no colour.
const shareOf = ({ low, high, log, values }, at) => {
  if (!drawable(values[at], log)) return null;
  const [from, to, place] = [low, high, values[at]].map(value => log ? Math.log10(value) : value);
  return Math.min(1, Math.max(0, (place - from) / (to - from)));
};
const wordsOf = (metric, at, digits) => metric.values[at] === null ? "–" : write(metric.values[at], digits);

// The panel beside the map. What is returned shows a cell: its tensor, its numbers and their places among all, its spectrum.
const makePanel = ({ rows, columns, labels, metrics, spectra, axes }, frame) => {
  const across = columns.length, nameOf = at => `${rows[Math.floor(at / across)]} · ${columns[at % across]}`;
  const place = make("p", { className: "place" }), tensor = make("code", {}), numbers = make("dl", {});
  const plot = drawn("svg", { viewBox: "0 0 350 218", role: "img" }), legend = make("ul", { className: "legend" });
  const hint = "Arrow keys or the pointer go from cell to cell; Enter or a click keeps one to compare with, Escape lets it go.";
  const panel = make("div", { className: "detail" }, place, make("p", { className: "tensor" }, tensor), numbers, plot, legend,
    make("p", { className: "hint" }, hint));
  panel.setAttribute("role", "region");
  panel.setAttribute("aria-label", "Cell");
  frame.append(panel);
  const meter = (metric, share) => {
    const scale = make("dd", { className: "meter" });
    scale.setAttribute("aria-hidden", "true");
    scale.style.background = `linear-gradient(to right, ${metric.ramp})`;
    if (share !== null) scale.append(make("i", {}));
    for (const mark of scale.children) mark.style.left = `${share * 100}%`;
    return scale;
  };
  const number = (metric, at, isChosen) => make("div", { className: isChosen ? "chosen" : "" },
    make("dt", {}, metric.name), make("dd", {}, wordsOf(metric, at)), meter(metric, shareOf(metric, at)));
  const item = ([kind, name]) => {
    const swatch = drawn("svg", { class: "swatch", viewBox: "0 0 30 12", "aria-hidden": "true" });
    swatch.append(drawn("path", { class: kind, d: "M0 6H30" }));
    return make("li", {}, swatch, name);
  };
  const showSpectra = (at, kept) => {
    const column = spectra.filter((spectrum, index) => spectrum && index % across === at % across);
    const shown = [[at, "line s0"], [kept === at ? null : kept, "line s1"]].filter(([index]) => spectra[index]);
    const isDrawn = plotSpectra(plot, shown.map(([index, kind]) => [spectra[index], kind]), column, axes);
    plot.style.display = isDrawn ? "" : "none";
    const names = [...shown.map(([index, kind]) => [kind, nameOf(index)]), ["others", `all of ${columns[at % across]}`]];
    legend.replaceChildren(...(isDrawn ? names.map(item) : []));
    const own = spectra[at] ? `${spectra[at].length} values, from ${spectra[at][0]} to ${spectra[at].at(-1)}` : "none";
    plot.setAttribute("aria-label", `Spectrum of ${nameOf(at)}: ${own}`);
  };
  return (at, kept, chosen) => {
    place.textContent = nameOf(at);
    tensor.textContent = labels[at] || "no tensor here";
    numbers.replaceChildren(...metrics.map((metric, index) => number(metric, at, index === chosen)));
    showSpectra(at, kept);
  };
};

// The colours, numbers and names of the cells, and the key that explains them. What is returned paints a metric.
const makePainter = (figure, cells, { rows, columns }) => {
  const gap = `url(#${figure.querySelector("pattern").id})`, stops = figure.querySelectorAll(".ramp stop");
  const key = name => figure.querySelector(`.key .${name}`);
  const paintCell = (metric, at) => {
    const share = shareOf(metric, at), colour = share === null ? null : mix(metric.ramp, share);
    const [shape, number] = [cells[at].querySelector("rect"), cells[at].querySelector("text")];
    const words = wordsOf(metric, at, 3);
    shape.setAttribute("fill", colour ? `rgb(${colour})` : gap);
    number.setAttribute("class", colour ? (isLight(colour) ? "on-light" : "on-dark") : "quiet");
    // Letters are 0.58 of their height wide on average; narrow cells have no numbers.
    const width = shape.width.baseVal.value;
    number.textContent = width >= 33 && words.length * 6.96 + 5 <= width ? words : "";
    const name = `${rows[Math.floor(at / columns.length)]}, ${columns[at % columns.length]}`;
    const value = metric.values[at] === null ? "missing" : wordsOf(metric, at);
    cells[at].setAttribute("aria-label", `${name}: ${metric.name} ${value}`);
  };
  return metric => {
    cells.forEach((_, at) => paintCell(metric, at));
    stops.forEach((stop, index) => stop.setAttribute("stop-color", metric.ramp[index]));
    key("metric").textContent = labelOf({ label: metric.name, log: metric.log });
    key("low").textContent = write(metric.low, 3);
    key("high").textContent = write(metric.high, 3);
  };
};

// A frame around a cell, above all cells. What is returned moves it, or takes it away.
const makeFrame = (map, cells, kind) => {
  const ring = drawn("g", { class: `ring ${kind}`, "aria-hidden": "true" });
  ring.append(drawn("rect", { class: "under" }), drawn("rect", { class: "over" }));
  map.append(ring);
  return at => {
    ring.setAttribute("display", at === null ? "none" : "inline");
    for (const shape of at === null ? [] : ring.children) {
      const box = cells[at].querySelector("rect");
      for (const side of ["x", "y", "width", "height"]) shape.setAttribute(side, box.getAttribute(side));
    }
  };
};

// Makes of the drawing what it is for those who hear it: a grid of named cells. The browser's tooltips would cover the map.
const makeGrid = (map, cells) => {
  map.setAttribute("role", "grid");
  map.setAttribute("aria-label", map.querySelector("title").textContent);
  map.setAttribute("aria-describedby", map.querySelector("desc").id);
  map.removeAttribute("aria-labelledby");
  for (const title of map.querySelectorAll("title")) title.remove();
  for (const row of map.querySelectorAll(".row")) {
    row.setAttribute("role", "row");
    row.querySelector(".name").setAttribute("role", "rowheader");
  }
  for (const cell of cells) {
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("tabindex", "-1");
  }
  for (const attribute of ["tabindex", "role", "aria-label"]) map.closest(".scroll").removeAttribute(attribute);
};

// The cell that a key leads to from `at`; undefined for other keys.
const cellBy = (event, at, [height, width]) => {
  const [row, column] = [Math.floor(at / width), at % width], all = event.ctrlKey;
  const place = {
    ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
    PageUp: [row - 10, column], PageDown: [row + 10, column],
    Home: [all ? 0 : row, 0], End: [all ? height - 1 : row, width - 1],
  }[event.key];
  const inside = (value, count) => Math.min(count - 1, Math.max(0, value));
  return place && inside(place[0], height) * width + inside(place[1], width);
};

const explore = figure => {
  const data = JSON.parse(figure.dataset.explorer), { rows, columns, labels, metrics } = data;
  const map = figure.querySelector(".map .scroll > svg"), cells = [...map.querySelectorAll(".cell")];
  if (!cells.length || !metrics.length) return;
  let chosen = 0, current = 0, kept = null;
  const [showCell, paint] = [makePanel(data, figure.querySelector(".panes")), makePainter(figure, cells, data)];
  const [frameKept, frameShown] = [makeFrame(map, cells, "kept"), makeFrame(map, cells, "shown")];
  const status = make("div", { className: "unseen" });
  status.setAttribute("role", "status");
  const show = at => {
    showCell(at, kept, chosen);
    frameShown(at === kept ? null : at);
  };
  const walk = to => {
    cells[current].setAttribute("tabindex", "-1");
    current = to;
    cells[current].setAttribute("tabindex", "0");
    show(current);
  };
  const keep = at => {
    if (kept !== null) cells[kept].removeAttribute("aria-selected");
    kept = at === kept ? null : at;
    if (kept !== null) cells[kept].setAttribute("aria-selected", "true");
    frameKept(kept);
    show(current);
    const name = cells[at].getAttribute("aria-label");
    status.textContent = kept === null ? `Let go ${name}` : `Kept ${name}`;
  };
  const choose = index => {
    chosen = index;
    paint(metrics[chosen]);
    show(kept ?? current);
    const { name, low, high } = metrics[chosen];
    status.textContent = `The map shows ${name}, ${write(low, 3)} to ${write(high, 3)}`;
  };
  const at = event => cells.indexOf(event.target.closest(".cell"));
  map.addEventListener("pointerover", event => { if (at(event) >= 0) show(at(event)); });
  map.addEventListener("pointerleave", () => show(kept ?? current));
  map.addEventListener("focusin", event => { if (at(event) >= 0) walk(at(event)); });
  map.addEventListener("click", event => {
    if (at(event) < 0) return;
    walk(at(event));
    cells[current].focus({ preventScroll: true });
    keep(current);
  });
  map.addEventListener("keydown", event => {
    if (event.altKey || event.metaKey) return;
    const to = cellBy(event, current, [rows.length, columns.length]);
    if (to !== undefined) cells[to].focus();
    else if (event.key === "Enter" || event.key === " ") keep(current);
    else if (event.key === "Escape" && kept !== null) keep(kept);
    else return;
    event.preventDefault();
  });
  makeGrid(map, cells);
  if (metrics.length > 1) {
    const select = make("select", {}, ...metrics.map((metric, index) => make("option", { value: index }, metric.name)));
    select.addEventListener("change", () => choose(Number(select.value)));
    figure.querySelector(".key").prepend(make("label", {}, "Colour ", select));
  }
  figure.append(status);
  figure.classList.add("walked");
  paint(metrics[0]);
  frameKept(null);
  walk(Math.max(0, labels.findIndex(Boolean)));
};
document.querySelectorAll("figure[data-explorer]").forEach(explore);
