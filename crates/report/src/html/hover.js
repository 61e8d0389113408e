
// Shows the values of every line at the pointer. Values are read back from the drawing: its data attributes tell
// which range of numbers the drawing area stands for.
for (const svg of document.querySelectorAll("svg[data-area]")) {
  const numbers = name => svg.dataset[name].split(" ").map(Number);
  const [left, right, top, bottom] = numbers("area"), [logX, logY] = numbers("log");
  const value = (share, [low, high], log) =>
    log ? low * Math.pow(high / low, share) : low + share * (high - low);
  const lines = [...svg.querySelectorAll(".line, .dots")].map(path => ({
    name: path.dataset.name,
    points: path.getAttribute("d").slice(1).split(/[ML]/).map(pair => pair.split(" ").map(Number)),
  }));
  if (!lines.length) continue;
  const title = svg.querySelector("title");
  const figure = svg.closest("figure");
  const cursor = document.createElementNS(svg.namespaceURI, "path");
  cursor.setAttribute("class", "axis");
  const reading = document.createElement("div");
  reading.className = "reading";
  reading.hidden = true;
  svg.append(cursor);
  figure.append(reading);
  svg.addEventListener("pointermove", event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    if (at.x < left - 4 || at.x > right + 4 || at.y > bottom + 4) return leave();
    title.remove(); // the browser's own tooltip would cover ours
    svg.setAttribute("aria-label", title.textContent);
    const nearest = lines.map(({ name, points }) => ({
      name, point: points.reduce((best, point) => Math.abs(point[0] - at.x) < Math.abs(best[0] - at.x) ? point : best),
    }));
    const x = nearest.map(line => line.point[0]).reduce((a, b) => Math.abs(b - at.x) < Math.abs(a - at.x) ? b : a);
    cursor.setAttribute("d", `M${x} ${top}V${bottom}`);
    const rows = nearest.filter(line => Math.abs(line.point[0] - x) < 12).map(({ name, point }) =>
      `${name || "value"}: ${write(value((bottom - point[1]) / (bottom - top), numbers("y"), logY))}`);
    reading.textContent = [
      `${svg.dataset.label || "x"}: ${write(value((x - left) / (right - left), numbers("x"), logX))}`, ...rows].join("\n");
    reading.hidden = false;
    const frame = figure.getBoundingClientRect();
    const beside = event.clientX - frame.left + 14;
    const fits = beside + reading.offsetWidth <= frame.width;
    reading.style.left = `${Math.max(0, fits ? beside : beside - 28 - reading.offsetWidth)}px`;
    reading.style.top = `${event.clientY - frame.top + 10}px`;
  });
  const leave = () => { reading.hidden = true; cursor.removeAttribute("d"); };
  svg.addEventListener("pointerleave", leave);
}
