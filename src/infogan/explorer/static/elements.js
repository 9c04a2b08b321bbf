/* Elements of the page: one function to make them, one to draw pixels, buttons with pictures. */
"use strict";
{
  /** Return a new element with attributes, properties that start with "on", and children. */
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === null || value === undefined) continue;
      else if (name.startsWith("aria-")) element.setAttribute(name, String(value)); // false is a value there
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  };

  /** Draw one of several images into a canvas at its own size; CSS scales it. */
  const draw = (canvas, model, pixels, number = 0) => {
    const { size, channels } = model;
    if (canvas.width !== size || canvas.height !== size) {
      canvas.width = size;
      canvas.height = size;
      canvas.classList.toggle("coarse", size <= 28);
    }
    const image = new ImageData(size, size);
    const offset = number * size * size * channels;
    for (let at = 0; at < size * size; at += 1) {
      const from = offset + at * channels;
      const gray = channels === 1;
      image.data[4 * at] = pixels[from];
      image.data[4 * at + 1] = pixels[gray ? from : from + 1];
      image.data[4 * at + 2] = pixels[gray ? from : from + 2];
      image.data[4 * at + 3] = channels === 4 ? pixels[from + 3] : 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  const picture = (model, pixels, number, label) => {
    const canvas = make("canvas", label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" });
    draw(canvas, model, pixels, number);
    return canvas;
  };

  /** Return a button with a picture and a caption below it. */
  const pictureButton = (model, pixels, number, { label, caption, onclick, pressed }) =>
    make("button", { type: "button", class: "thumb", "aria-label": label, title: label, onclick, "aria-pressed": pressed },
      picture(model, pixels, number), caption ? make("span", {}, caption) : null);

  const number = (value, digits = 2) => {
    const text = value.toFixed(digits);
    return Number(text) === 0 ? (0).toFixed(digits) : text;
  };

  const percent = (share) => {
    if (share > 0.999) return ">99.9%";
    return share < 0.1 ? `${(100 * share).toFixed(1)}%` : `${Math.min(99, Math.round(100 * share))}%`;
  };

  /** Return a category as text: its name, or its index. */
  const categoryName = (control, index) => control.categories[index] || String(index);

  /** Return a category as text in a sentence: an index alone could be taken for the digit that it shows. */
  const categoryText = (control, index) => control.categories[index] || `category ${index}`;

  /** Return the value of a control as text. */
  const valueText = (control, value) => {
    if (control.kind === "categorical") return categoryName(control, value);
    if (control.kind === "bernoulli") return value ? "on" : "off";
    if (control.kind === "periodic") return `${Math.round(value * 180)}°`;
    return number(value);
  };

  /** Return a table of predicted codes with their certainty. */
  const predictions = (model, codes) => {
    const rows = model.controls.map((control, position) => {
      const found = codes[position];
      let certainty, share;
      if (control.kind === "categorical") {
        share = found.probabilities[found.value];
        const second = found.probabilities
          .map((probability, index) => ({ probability, index }))
          .filter(({ index }) => index !== found.value)
          .sort((a, b) => b.probability - a.probability)[0];
        certainty = `${percent(share)} certain`;
        if (second && second.probability >= 0.01) {
          certainty += `; next ${categoryText(control, second.index)} with ${percent(second.probability)}`;
        }
      } else if (control.kind === "bernoulli") {
        share = Math.max(found.probability, 1 - found.probability);
        certainty = `${percent(share)} certain`;
      } else {
        const unit = (control.high - control.low) / 2;
        share = Math.max(0, 1 - found.std / unit);
        certainty = `± ${control.kind === "periodic" ? `${Math.round(found.std * 180)}°` : number(found.std)}`;
      }
      const bar = make("meter", { min: 0, max: 1, value: share, "aria-label": `certainty of ${control.title}` });
      const exact = found.mean === undefined ? found.value : found.mean;
      const text = control.kind === "categorical" ? categoryText(control, exact) : valueText(control, exact);
      return make("tr", {}, make("th", { scope: "row" }, control.title), make("td", {}, text),
        make("td", {}, bar, make("span", { class: "quiet" }, certainty)));
    });
    return make("table", { class: "codes" },
      make("thead", {}, make("tr", {}, ["Code", "Value", "Certainty"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, rows));
  };

  /** Copy a text; without permission for the clipboard, select it in a dialog's text field. */
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const field = make("textarea", { class: "offscreen", "aria-hidden": "true" });
      field.value = text;
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  };

  Explorer.elements = { make, draw, picture, pictureButton, number, percent, categoryName, categoryText, valueText, predictions, copy };
}
