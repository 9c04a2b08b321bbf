/* The page: its state, its link, the picture and the controls. The views are in files of their own. */
"use strict";
{
  const { make, draw, copy, valueText } = Explorer.elements;
  const { noiseOf, rounded, clamp, start, rowsOf, readLink, writeLink, isDiscrete } = Explorer.latents;
  const at = (id) => document.getElementById(id);
  const RANGES = [1, 1.5, 2, 3];
  const IDLE = 120; // milliseconds without a change, before the pictures of categories follow

  class App {
    constructor(backend) {
      this.backend = backend;
      const onerror = (error) => this.say(error.message);
      this.queue = new Explorer.RequestQueue(onerror);
      this.first = new Explorer.RequestQueue(onerror); // the picture alone: it never waits for the others
      this.state = readLink(this.model, location.search);
      this.hold = true;
      this.views = Explorer.views.filter((view) => !view.feature || backend.features.has(view.feature));
      if (!this.views.some((view) => view.name === this.state.view)) this.state.view = "generate";
      this.pixels = null;
      if (backend.features.has("real")) this.real = new Explorer.RealImages(this);
    }

    get model() {
      return this.backend.model;
    }

    /** The noise of the picture. */
    get noise() {
      return this.state.noise || noiseOf(this.model, this.state.seed, 0);
    }

    /** Return the noise of a picture of the grid; the first is that of the picture itself. */
    noiseAt(number) {
      return number === 0 ? this.noise : noiseOf(this.model, this.state.seed, number);
    }

    /** Return pixels of rows {noise, values}. */
    render(rows) {
      return this.backend.render(rowsOf(this.model, rows), rows.length);
    }

    say(text) {
      at("status").textContent = text;
      at("status").classList.add("shown");
      clearTimeout(this.quiet);
      this.quiet = setTimeout(() => at("status").classList.remove("shown"), 6000);
    }

    // --- changes of the state

    setValue(position, value) {
      this.state.values[position] = clamp(this.model.controls[position], value, this.state.range);
      if (!this.hold) this.newNoise();
      else this.changed();
    }

    setValues(values) {
      this.state.values = this.model.controls.map((control, position) => clamp(control, values[position], this.model.reach));
      this.changed();
    }

    setNoise(noise) {
      this.state.noise = rounded(this.model, noise);
      this.changed();
    }

    newNoise() {
      this.state.noise = null;
      this.state.seed = Math.floor(Math.random() * 1e6);
      this.changed();
    }

    randomCodes() {
      this.setValues(this.model.controls.map((control) => {
        if (isDiscrete(control)) return Math.floor(Math.random() * (control.high - control.low + 1));
        return control.low + Math.random() * (control.high - control.low);
      }));
    }

    /** Update the picture, the controls, the link and the visible view after a change. */
    changed() {
      this.showControls();
      this.first.add("picture", 0, () => this.drawPicture());
      this.view.update?.();
      clearTimeout(this.idle);
      this.idle = setTimeout(() => {
        history.replaceState(null, "", location.pathname + writeLink(this.model, this.state));
        this.drawPickers();
        this.view.idle?.();
      }, IDLE);
    }

    async drawPicture() {
      const values = [...this.state.values];
      const pixels = await this.render([{ noise: this.noise, values }]);
      this.pixels = pixels;
      draw(at("picture"), this.model, pixels);
      at("picture").setAttribute("aria-label", `Generated picture: ${this.summary(values)}`);
      document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "picture", values } }));
    }

    summary(values) {
      return this.model.controls.map((control, position) => `${control.title} ${valueText(control, values[position])}`).join(", ");
    }

    // --- controls

    buildControls() {
      this.controls = this.model.controls.map((control, position) =>
        Explorer.control(control, (value) => this.setValue(position, value)));
      at("controls").replaceChildren(...this.controls.map((control) => control.element));
    }

    showControls() {
      this.controls.forEach((control, position) => control.show(this.state.values[position], this.state.range));
      at("range").value = String(this.state.range);
      at("noise-source").textContent = this.state.noise ? "Noise from a picture" : `Noise: seed ${this.state.seed}`;
    }

    drawPickers() {
      this.controls.forEach((picker, position) => {
        if (!picker.draw) return;
        this.queue.add(`picker ${position}`, 3, async () => {
          const rows = Array.from({ length: picker.count }, (_, index) => this.varied(position, index));
          picker.draw(this.model, await this.render(rows));
        });
      });
    }

    /** Return the latents of the picture with another value of one control. */
    varied(position, value, noise = this.noise) {
      const values = [...this.state.values];
      values[position] = value;
      return { noise, values };
    }

    // --- the page around it

    get view() {
      return this.views.find((view) => view.name === this.state.view);
    }

    buildTabs() {
      for (const view of this.views) {
        view.tab = make("button", {
          type: "button", role: "tab", id: `tab-${view.name}`, "aria-controls": `panel-${view.name}`,
          onclick: () => this.open(view.name), onkeydown: (event) => this.moveTab(event, view),
        }, view.title);
        view.panel = make("section", { role: "tabpanel", id: `panel-${view.name}`, "aria-labelledby": `tab-${view.name}` });
        at("tabs").append(view.tab);
        at("panels").append(view.panel);
        view.build(view.panel, this);
      }
    }

    open(name) {
      this.state.view = name;
      for (const view of this.views) {
        const chosen = view.name === name;
        view.tab.setAttribute("aria-selected", chosen);
        view.tab.tabIndex = chosen ? 0 : -1;
        view.panel.hidden = !chosen;
      }
      this.view.open?.();
      this.changed();
    }

    moveTab(event, view) {
      const moves = { ArrowRight: 1, ArrowLeft: -1 };
      if (!(event.key in moves)) return;
      const next = this.views[(this.views.indexOf(view) + moves[event.key] + this.views.length) % this.views.length];
      this.open(next.name);
      next.tab.focus();
    }

    showTitle() {
      const { title, size, channels, steps } = this.model;
      at("title").textContent = title;
      document.title = `${title} - infogan explore`;
      const colours = { 1: "gray", 3: "colour", 4: "colour with transparency" }[channels];
      at("about").textContent = `${size} × ${size} pixels, ${colours}, trained for ${steps.toLocaleString("en")} steps`;
    }

    /** Show new names of codes everywhere. */
    renamed() {
      this.buildControls();
      this.changed();
      for (const view of this.views) view.renamed?.();
    }

    listen() {
      at("new-noise").addEventListener("click", () => this.newNoise());
      at("hold-noise").addEventListener("change", (event) => { this.hold = event.target.checked; });
      at("random-codes").addEventListener("click", () => this.randomCodes());
      at("reset-codes").addEventListener("click", () => this.setValues(this.model.controls.map(start)));
      at("range").append(...RANGES.filter((range) => range <= this.model.reach).map((range) =>
        make("option", { value: range }, range === 1 ? "as trained" : `${range} × trained`)));
      at("range").addEventListener("change", (event) => {
        this.state.range = Number(event.target.value);
        this.state.values = this.model.controls.map((control, position) => clamp(control, this.state.values[position], this.state.range));
        this.changed();
      });
      at("copy-link").addEventListener("click", async () => {
        const link = location.origin === "null" || location.protocol === "file:" ? location.href.split("?")[0] : location.origin + location.pathname;
        const done = await copy(link + writeLink(this.model, this.state));
        this.say(done ? "Link copied: it restores this picture." : "The browser did not allow copying; the link is in the address bar.");
      });
      at("save-picture").addEventListener("click", () => {
        const name = `${this.model.title}-${this.summary(this.state.values)}`.replace(/[^\w.-]+/g, "-");
        make("a", { href: at("picture").toDataURL("image/png"), download: `${name}.png` }).click();
      });
      addEventListener("popstate", () => {
        this.state = readLink(this.model, location.search);
        this.open(this.state.view);
      });
    }

    start() {
      this.showTitle();
      this.buildControls();
      this.listen();
      at("layout").hidden = false;
      this.buildTabs();
      this.open(this.state.view);
      if (!this.model.controls.length) this.say("This model has no codes: only its noise can change.");
    }
  }

  Explorer.connect().then((backend) => {
    Explorer.app = new App(backend);
    Explorer.app.start();
  }).catch((error) => {
    at("about").textContent = "";
    at("failure").textContent = error.message;
    at("failure").hidden = false;
  });
}
