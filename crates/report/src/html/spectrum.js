
// The spectra of an explorer's panel: one line, the one it is compared with, and faint behind them all of its column.
const drawable = (value, log) => typeof value === "number" && (!log || value > 0);
const drawn = (tag, attributes, ...content) => {
  // The namespace of every drawing on the page.
  const element = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
};
const labelOf = axis => axis.log && axis.label ? `${axis.label} (log scale)` : axis.label;
const ticksBetween = (low, high, log) => {
  const ticks = [];
  if (log) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const stride = Math.ceil((last - first + 1) / 6);
    for (let exponent = first; exponent <= last; exponent += stride) ticks.push(Number(`1e${exponent}`));
    return ticks.length > 1 ? ticks : [low, high];
  }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) ticks.push(index * step);
  return ticks;
};
// From the values of all spectra to the smallest and the largest end of the axis, which differ.
const endsOf = (values, log) => {
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  if (low < high) return [low, high];
  return log ? [low / 2, high * 2] : [low - 1, high + 1];
};
// `lines`: pairs of spectrum and class, the first on top; `behind`: spectra. Says whether there was anything to draw.
const plotSpectra = (plot, lines, behind, [along, up]) => {
  const values = [...lines.map(([spectrum]) => spectrum), ...behind].flat().filter(value => drawable(value, up.log));
  plot.replaceChildren();
  if (!values.length) return false;
  const [low, high] = endsOf(values, up.log), [left, right, top, bottom] = [52, 346, 22, 190];
  const position = value => up.log ? Math.log10(value) : value;
  const down = value => bottom - (position(value) - position(low)) / (position(high) - position(low)) * (bottom - top);
  const beside = (index, count) => {
    const share = count < 2 ? 0 : along.log ? Math.log(index + 1) / Math.log(count) : index / (count - 1);
    return left + share * (right - left);
  };
  const runsOf = spectrum => {
    const runs = [[]];
    spectrum.forEach((value, index) => {
      if (!drawable(value, up.log)) runs.push([]);
      else runs.at(-1).push(`${beside(index, spectrum.length).toFixed(1)} ${down(value).toFixed(1)}`);
    });
    return runs.filter(run => run.length);
  };
  const shape = spectrum => runsOf(spectrum).map(run => `M${run.join("L")}`).join("");
  const area = spectrum => runsOf(spectrum).map(run => `M${run.join("L")}V${bottom}H${run[0].split(" ")[0]}Z`).join("");
  const letters = (x, y, anchor, kind, words) => plot.append(drawn("text", { x, y, "text-anchor": anchor, class: kind }, words));
  const path = (kind, d) => plot.append(drawn("path", { class: kind, d }));
  for (const tick of ticksBetween(low, high, up.log)) {
    path("grid", `M${left} ${down(tick)}H${right}`);
    letters(left - 7, down(tick) + 4, "end", "tick", write(tick, 3));
  }
  path("axis", `M${left} ${bottom}H${right}`);
  letters(0, 11, "start", "quiet", labelOf(up));
  letters((left + right) / 2, bottom + 20, "middle", "quiet", labelOf(along));
  path("others", behind.map(shape).join(""));
  if (lines.length) path(lines[0][1].replace("line", "below"), area(lines[0][0]));
  for (const [spectrum, kind] of [...lines].reverse()) path(kind, shape(spectrum));
  return true;
};
