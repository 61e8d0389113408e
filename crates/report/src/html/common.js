
// What the scripts of the page share. Texts of the page are only ever set as text.
"use strict";
const write = (number, digits = 4) => {
  const short = Math.abs(number) >= 10 ** (digits - 1) ? Math.round(number) : Number(number.toPrecision(digits));
  const plain = short === 0 || (Math.abs(short) >= 1e-4 && Math.abs(short) < 1e7);
  return plain
    ? short.toLocaleString("en-US", { maximumSignificantDigits: 17 })
    : Number(number.toPrecision(digits)).toExponential().replace("e+", "e");
};
const make = (tag, properties, ...content) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
};
