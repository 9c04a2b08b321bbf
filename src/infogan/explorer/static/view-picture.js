/* The user's own picture: its codes with certainty, its nearest generated picture, and edits along the codes. */
"use strict";
{
  const { make, draw, number, predictions, valueText } = Explorer.elements;
  const { rounded, clamp } = Explorer.latents;
  const MOST_BYTES = 20_000_000;

  Explorer.views.push({
    name: "picture",
    title: "Your picture",
    feature: "encode",

    build(panel, app) {
      this.app = app;
      this.file = make("input", { type: "file", accept: "image/*", id: "own-file", onchange: () => this.read(this.file.files[0]) });
      this.drop = make("div", { class: "drop" },
        make("label", { for: "own-file" }, "Drop a picture here, paste one, or choose a file: "), this.file,
        make("p", { class: "quiet" }, "It is cropped to its central square and resized, as in training. It is not stored."));
      this.result = make("div", { "aria-live": "polite" });
      panel.append(this.drop, this.result);
      const over = (on) => this.drop.classList.toggle("over", on);
      addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
      addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
      addEventListener("drop", (event) => {
        event.preventDefault();
        over(false);
        if (event.dataTransfer.files.length) this.read(event.dataTransfer.files[0]);
      });
      addEventListener("paste", (event) => {
        const [found] = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
        if (found) this.read(found);
      });
      app.openPicture = (pixels, codes, name) => {
        app.open(this.name);
        this.show(pixels, codes, name);
      };
    },

    async read(file) {
      if (!file) return;
      const { app } = this;
      if (file.size > MOST_BYTES) {
        app.say(`The file has ${Math.round(file.size / 1e6)} MB; at most ${MOST_BYTES / 1e6} MB are possible.`);
        return;
      }
      app.open(this.name);
      try {
        const { pixels, codes } = await app.backend.encode(file);
        await this.show(pixels, codes, file.name || "pasted picture");
      } catch (error) {
        app.say(error.message);
      }
    },

    /** Show a picture with its codes, then what the generator makes of it. */
    async show(pixels, codes, name) {
      const { app } = this;
      const { model, backend } = app;
      this.own = { pixels, codes };
      const figure = (label, found) => make("figure", {}, make("canvas", { role: "img", "aria-label": label }), make("figcaption", {}, label, found));
      const original = figure("As the model sees it", null);
      draw(original.firstChild, model, pixels);
      this.near = make("figcaption", {}, backend.features.has("invert") ? "Nearest generated picture: searching…" : "");
      this.generated = make("canvas", { role: "img", "aria-label": "Nearest generated picture" });
      this.edits = make("div", {});
      this.neighbours = make("div", {});
      this.result.replaceChildren(
        make("h2", {}, name),
        make("div", { class: "row" },
          make("button", { type: "button", onclick: () => this.invertBrightness(name) }, "Swap dark and light"),
          make("span", { class: "quiet" }, "if the background is light here but dark in training, or the reverse")),
        make("div", { class: "pair" }, original, backend.features.has("invert") ? make("figure", {}, this.generated, this.near) : ""),
        predictions(model, codes), this.edits, this.neighbours);
      document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "encoded" } }));
      if (backend.features.has("invert")) await this.invert();
      if (backend.features.has("real") && app.real.status.state === "ready") await this.showNearest();
    },

    /** Show the picture with dark and light swapped: ink on paper is dark, but the strokes of MNIST are light. */
    async invertBrightness(name) {
      const { app, own } = this;
      const { channels } = app.model;
      const pixels = own.pixels.map((level, at) => (channels === 4 && at % 4 === 3 ? level : 255 - level));
      try {
        await this.show(pixels, await app.backend.encodePixels(pixels, false), name);
      } catch (error) {
        app.say(error.message);
      }
    },

    async invert() {
      const { app, own } = this;
      const { model } = app;
      const { noise, error, note } = await app.backend.invert(own.pixels);
      if (this.own !== own) return;
      own.noise = rounded(model, noise);
      own.values = model.controls.map((control, position) => clamp(control, own.codes[position].value, model.reach));
      draw(this.generated, model, await app.render([{ noise: own.noise, values: own.values }]));
      this.near.textContent = `Nearest generated picture (pixels differ by ${number(100 * error, 1)}%, root mean square).${note ? ` ${note}` : ""}`;
      const use = make("button", { type: "button", class: "primary", onclick: () => this.edit() }, "Edit with the sliders");
      this.edits.replaceChildren(make("h2", {}, "The same picture, edited along each code"),
        make("p", { class: "quiet" }, "These pictures are generated: the noise is that of the nearest generated picture, and one code changes."),
        use, ...await this.strips());
      document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "edited" } }));
    },

    /** Return a traversal of each code from the nearest generated picture. */
    async strips() {
      const { app, own } = this;
      const parts = [];
      for (const [position, control] of app.model.controls.entries()) {
        const line = Explorer.traversalValues(control, app.state.range);
        const rows = line.map((value) => ({ noise: own.noise, values: own.values.map((old, at) => (at === position ? value : old)) }));
        const pixels = await app.render(rows);
        parts.push(make("h3", {}, control.title), make("div", { class: "strip" }, line.map((value, index) => {
          const canvas = make("canvas", { "aria-hidden": "true" });
          draw(canvas, app.model, pixels, index);
          const text = valueText(control, value);
          return make("button", {
            type: "button", class: "thumb", "aria-label": `Edit with ${control.title} ${text}`,
            onclick: () => this.edit(position, value),
          }, canvas, make("span", {}, text));
        })));
      }
      return parts;
    },

    /** Make the picture the current one, so that all sliders edit it. */
    edit(position, value) {
      const { app, own } = this;
      app.state.values = own.values.map((old, at) => (at === position ? value : old));
      app.setNoise(own.noise);
      app.say("The sliders now edit this picture.");
    },

    async showNearest() {
      const { app, own } = this;
      const found = await app.backend.nearest(own.pixels, false, 14);
      if (this.own !== own) return;
      this.neighbours.replaceChildren(make("h2", {}, "Nearest real images"),
        await app.real.grid(found.ids, found.values.map((value) => number(value)), "Nearest image"));
    },
  });
}
