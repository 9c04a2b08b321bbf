/* A grid of samples that moves with the codes; each has its own noise. */
"use strict";
Explorer.views = [];
{
  const { make, draw } = Explorer.elements;
  const COUNT = 25;

  Explorer.views.push({
    name: "generate",
    title: "Samples",

    build(panel, app) {
      this.app = app;
      this.cells = Array.from({ length: COUNT }, (_, number) => {
        const canvas = make("canvas", { "aria-hidden": "true" });
        return make("button", {
          type: "button", class: "thumb", "aria-label": `Sample ${number + 1}: use its noise`,
          onclick: () => { if (number) app.setNoise(app.noiseAt(number)); },
        }, canvas);
      });
      panel.append(
        make("p", { class: "quiet" }, "The codes are the same in all samples; each sample has its own noise. Select one to use its noise."),
        make("div", { class: "grid samples" }, this.cells));
    },

    update() {
      this.app.queue.add("grid", 1, async () => {
        const { app } = this;
        const values = [...app.state.values];
        const pixels = await app.render(Array.from({ length: COUNT }, (_, number) => ({ noise: app.noiseAt(number), values })));
        this.cells.forEach((cell, number) => draw(cell.firstChild, app.model, pixels, number));
        document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "grid", values } }));
      });
    },
  });
}
