/* Real images by code: of each category, along a continuous code, and nearest to the shown picture. */
"use strict";
{
  const { make, number, percent, categoryName, valueText } = Explorer.elements;
  const SHOWN = 14;
  const ALONG = 42;
  const SECTIONS = [
    ["typical", "Most typical", "The images that the recognition network is most certain of."],
    ["doubtful", "Least certain", "The images of this category with the lowest probability."],
    ["random", "Random", "A random selection."],
  ];

  Explorer.views.push({
    name: "real",
    title: "Real images",
    feature: "real",

    build(panel, app) {
      this.app = app;
      this.code = make("select", { onchange: () => { this.position = Number(this.code.value); this.build_choice(); this.load(); } });
      this.choice = make("div", {});
      this.results = make("div", { "aria-live": "polite" });
      this.near = make("div", {});
      this.body = make("div", { hidden: true },
        make("label", { class: "inline" }, "Code ", this.code), this.choice, this.results,
        make("h2", {}, "Nearest to the generated picture"),
        make("p", { class: "quiet" }, "Real images whose features in the recognition network are most similar to those of the picture on the left. The number is the distance of the features."),
        this.near);
      panel.append(app.real.bar(), this.body);
      this.position = Math.max(0, app.model.controls.findIndex((control) => control.kind === "categorical"));
      this.renamed();
      app.real.ready.then(() => {
        this.body.hidden = false;
        if (app.view === this) this.open();
      });
    },

    renamed() {
      this.code.replaceChildren(...this.app.model.controls.map((control, position) => make("option", { value: position }, control.title)));
      this.code.value = String(this.position);
      this.build_choice();
      this.loaded = null;
    },

    get control() {
      return this.app.model.controls[this.position];
    },

    build_choice() {
      const { control, app } = this;
      const categorical = control.kind === "categorical";
      const other = app.model.controls.find((one) => one.kind === "categorical" && one !== control);
      this.select = null;
      if (categorical) this.select = this.categories(control, null);
      else if (other) this.select = this.categories(other, "all images");
      this.other = other;
      const label = categorical ? "Category " : `Only of ${other ? other.title : ""} `;
      this.choice.className = "row";
      this.choice.replaceChildren(...(this.select ? [make("label", { class: "inline" }, label, this.select)] : []),
        ...(categorical ? [make("button", { type: "button", onclick: () => { this.seed = (this.seed || 0) + 1; this.load(); } }, "Other random images")] : []));
    },

    categories(control, all) {
      const options = Array.from({ length: control.size }, (_, index) => make("option", { value: index }, categoryName(control, index)));
      if (all) options.unshift(make("option", { value: "" }, all));
      return make("select", { onchange: () => this.load() }, options);
    },

    open() {
      if (this.body.hidden) return;
      this.load();
      this.idle();
    },

    /** The category follows the control of the same code; the nearest images follow the picture. */
    idle() {
      const { app, control } = this;
      if (this.body.hidden || !app.pixels) return;
      const value = app.state.values[this.position];
      if (control.kind === "categorical" && this.followed !== value) {
        this.followed = value;
        this.select.value = String(value);
        this.load();
      }
      app.queue.add("nearest", 4, async () => {
        const found = await app.backend.nearest(app.pixels, true, SHOWN);
        this.near.replaceChildren(await app.real.grid(found.ids, found.values.map((value) => number(value)), "Nearest image"));
      });
    },

    load() {
      const { app, control } = this;
      if (this.body.hidden) return;
      app.queue.add("real", 3, () => (control.kind === "categorical" ? this.showCategory() : this.showAlong()));
    },

    async showCategory() {
      const { app, control } = this;
      const category = Number(this.select.value);
      const parts = [];
      let total = 0;
      for (const [order, title, about] of SECTIONS) {
        const found = await app.backend.category(control, category, order, 0, SHOWN, this.seed || 0);
        total = found.total;
        parts.push(make("h2", {}, title), make("p", { class: "quiet" }, about),
          await app.real.grid(found.ids, found.values.map(percent), `${title} image`));
      }
      const name = control.categories[category]
        ? `of ${control.title} ${control.categories[category]}` : `in category ${category} of ${control.title}`;
      this.results.replaceChildren(
        make("p", {}, `${total.toLocaleString("en")} of ${app.real.status.total.toLocaleString("en")} images are ${name}. The number below an image is the probability of this category.`),
        ...parts);
      document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "real" } }));
    },

    async showAlong() {
      const { app, control } = this;
      const within = this.select && this.select.value !== "" ? { control: this.other, category: Number(this.select.value) } : null;
      const found = await app.backend.along(control, ALONG, within);
      this.results.replaceChildren(
        make("h2", {}, `Ordered along ${control.title}`),
        make("p", { class: "quiet" }, `${found.ids.length} of ${found.total.toLocaleString("en")} images at equal ranks, from the lowest to the highest predicted value.`),
        await app.real.grid(found.ids, found.values.map((value) => valueText(control, value)), "Image"));
      document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "real" } }));
    },
  });
}
