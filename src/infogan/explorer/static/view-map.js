/* The map of all real images: coloured by a code, with a lasso whose images can be listed and copied. */
"use strict";
{
  const { make, draw, categoryName, valueText, copy } = Explorer.elements;
  const LISTED = 60;
  // Ten colours that people with colour-vision deficiency can mostly tell apart, for a light and a dark page.
  const CATEGORIES = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#8899aa", "#55aa99", "#9a6b3f"];
  const SCALE = ["#3b0f70", "#3e4a89", "#26828e", "#35b779", "#a5db36", "#fde725"];
  const CIRCLE = ["#b13a6e", "#e0863f", "#c9c257", "#4fae80", "#3f86c9", "#7a55b8", "#b13a6e"];

  const rgb = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const packed = ([red, green, blue]) => ((0xff << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  const css = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;

  const along = (stops, share) => {
    const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
    const first = Math.min(stops.length - 2, Math.floor(at));
    const [from, to] = [rgb(stops[first]), rgb(stops[first + 1])];
    return from.map((value, index) => Math.round(value + (to[index] - value) * (at - first)));
  };

  /** Return the colour of one of many categories: the ten colours first, then hues by the golden ratio. */
  const ofCategory = (index) => {
    if (index < CATEGORIES.length) return rgb(CATEGORIES[index]);
    const hue = (index * 0.618034) % 1;
    return [0, 2 / 3, 1 / 3].map((offset) => Math.round(140 + 85 * Math.cos(2 * Math.PI * (hue + offset))));
  };

  Explorer.views.push({
    name: "map",
    title: "Map",
    feature: "map",

    build(panel, app) {
      this.app = app;
      this.colour = make("select", { onchange: () => this.paint() });
      this.canvas = make("canvas", {
        class: "points", tabindex: "0", role: "application",
        "aria-label": "Map of all real images. Arrow keys move the map, plus and minus zoom, 0 shows everything. Select all visible images with the button above.",
      });
      this.overlay = make("canvas", { class: "overlay", "aria-hidden": "true" });
      this.tip = make("div", { class: "tip", hidden: true }, make("canvas", {}), make("span", {}));
      this.legend = make("div", { class: "legend" });
      this.selection = make("div", { "aria-live": "polite" });
      this.tools = ["pan", "lasso"].map((tool) =>
        make("button", { type: "button", "aria-pressed": tool === "pan", onclick: () => this.use(tool) }, tool === "pan" ? "Move" : "Lasso"));
      const button = (text, label, onclick) => make("button", { type: "button", "aria-label": label, onclick }, text);
      this.body = make("div", { hidden: true },
        make("p", { class: "quiet" }, "Every point is a real image; images with similar features in the recognition network are close to each other. Select a point to see its image, or draw a lasso around points to list their files."),
        make("div", { class: "row" },
          make("label", { class: "inline" }, "Colour ", this.colour), make("div", { class: "row tight", role: "group", "aria-label": "Tool" }, this.tools),
          button("+", "Zoom in", () => this.scatter.zoomBy(1.6)), button("−", "Zoom out", () => this.scatter.zoomBy(1 / 1.6)),
          button("All", "Show all points", () => this.scatter.reset()),
          button("Select visible", "Select all visible images", () => this.select(this.scatter.visible()))),
        make("div", { class: "plot" }, this.canvas, this.overlay, this.tip),
        this.legend, this.selection);
      panel.append(app.real.bar(), this.body);
      this.scatter = new Explorer.Scatter(this.canvas, this.overlay, {
        onhover: (index, x, y) => this.hover(index, x, y),
        onselect: (indices) => this.select(indices),
        onpick: (index) => app.real.detail(index),
      });
      this.renamed();
      app.real.ready.then(() => {
        this.body.hidden = false;
        if (app.view === this) this.open();
      });
    },

    renamed() {
      const before = this.colour.value || "0";
      this.colour.replaceChildren(...this.app.model.controls.map((control, position) => make("option", { value: position }, control.title)));
      this.colour.value = before;
      if (this.loaded) this.paint();
    },

    open() {
      if (this.body.hidden || this.loaded) return;
      this.loaded = true;
      this.app.queue.add("map", 5, async () => {
        this.scatter.setPoints(await this.app.backend.map());
        this.paint();
      });
    },

    /** Colour the points by the chosen code. */
    paint() {
      this.app.queue.add("map colours", 5, async () => {
        const control = this.app.model.controls[Number(this.colour.value)];
        const values = await this.app.backend.values(control);
        this.scatter.setColours(Uint32Array.from(values, (value) => packed(this.colourOf(control, value))));
        this.legend.replaceChildren(...this.legendOf(control, values));
        document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "map" } }));
      });
    },

    colourOf(control, value) {
      if (control.kind === "categorical") return ofCategory(Math.round(value));
      if (control.kind === "bernoulli") return ofCategory(value >= 0.5 ? 1 : 0);
      const share = (value - control.low) / (control.high - control.low);
      return along(control.kind === "periodic" ? CIRCLE : SCALE, share);
    },

    legendOf(control, values) {
      const swatch = (colour, text) => {
        const box = make("span", { class: "swatch" });
        box.style.background = css(colour);
        return make("span", { class: "entry" }, box, text);
      };
      if (control.kind === "categorical") {
        const counts = new Map();
        values.forEach((value) => counts.set(value, (counts.get(value) || 0) + 1));
        return [...counts.keys()].sort((a, b) => a - b).slice(0, 40).map((category) => {
          const name = categoryName(control, category);
          return make("button", {
            type: "button", class: "entry", "aria-label": `Select all images of ${control.title} ${name}`,
            onclick: () => this.select(Array.from(values.keys()).filter((index) => values[index] === category)),
          }, swatch(ofCategory(category), `${name} (${counts.get(category).toLocaleString("en")})`));
        });
      }
      if (control.kind === "bernoulli") return [swatch(ofCategory(0), "off"), swatch(ofCategory(1), "on")];
      const bar = make("span", { class: "gradient", "aria-hidden": "true" });
      const stops = control.kind === "periodic" ? CIRCLE : SCALE;
      bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
      return [valueText(control, control.low), bar, valueText(control, control.high)];
    },

    use(tool) {
      this.scatter.tool = tool;
      this.tools.forEach((button, number) => button.setAttribute("aria-pressed", ["pan", "lasso"][number] === tool));
      this.canvas.classList.toggle("lasso", tool === "lasso");
    },

    hover(index, x, y) {
      if (index === this.hovered) return;
      this.hovered = index;
      this.tip.hidden = true;
      if (index < 0) return;
      this.app.queue.add("hover", 2, async () => {
        const [pixels, [name]] = await Promise.all([this.app.backend.pictures([index]), this.app.backend.names([index])]);
        if (this.hovered !== index) return;
        draw(this.tip.firstChild, this.app.model, pixels);
        this.tip.lastChild.textContent = name;
        const box = this.canvas.getBoundingClientRect();
        this.tip.hidden = false;
        this.tip.style.left = `${Math.max(0, Math.min(box.width - 130, x - box.left + 14))}px`;
        this.tip.style.top = `${Math.max(0, Math.min(box.height - 130, y - box.top + 14))}px`;
      });
    },

    /** Mark images, show some of them, and offer their names. */
    async select(indices) {
      const { app } = this;
      this.chosen = indices;
      if (!indices.length) {
        this.scatter.setSelected(null);
        this.selection.replaceChildren(make("p", {}, "No image is selected."));
        return;
      }
      const selected = new Uint8Array(this.scatter.colours.length);
      indices.forEach((index) => { selected[index] = 1; });
      this.scatter.setSelected(selected);
      const shown = indices.slice(0, LISTED);
      const heading = make("h2", {}, indices.length === 1 ? "1 selected image" : `${indices.length.toLocaleString("en")} selected images`);
      try {
        this.selection.replaceChildren(heading,
          make("div", { class: "row" },
            make("button", { type: "button", class: "primary", onclick: () => this.copyNames() }, "Copy file names"),
            make("button", { type: "button", onclick: () => this.saveNames() }, "Save file names"),
            make("button", { type: "button", onclick: () => this.select([]) }, "Clear selection")),
          await app.real.grid(shown, null, "Selected image"),
          indices.length > LISTED ? make("p", { class: "quiet" }, `The first ${LISTED} are shown.`) : "");
      } catch (error) {
        app.say(error.message);
      }
    },

    async copyNames() {
      const names = await this.app.backend.names(this.chosen);
      const done = await copy(names.join("\n"));
      this.app.say(done ? `${names.length.toLocaleString("en")} names copied, one a line.` : "The browser did not allow copying: use Save file names.");
    },

    async saveNames() {
      const names = await this.app.backend.names(this.chosen);
      const url = URL.createObjectURL(new Blob([names.join("\n"), "\n"], { type: "text/plain" }));
      make("a", { href: url, download: "images.txt" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    },
  });
}
