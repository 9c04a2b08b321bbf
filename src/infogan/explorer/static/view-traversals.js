/* Traversals of every code, from the current picture and two other samples of noise. */
"use strict";
{
  const { make, draw, valueText } = Explorer.elements;
  const ROWS = 3;

  Explorer.views.push({
    name: "traversals",
    title: "Traversals",

    build(panel, app) {
      this.app = app;
      this.list = make("div", {});
      panel.append(
        make("p", { class: "quiet" }, "Along a row only one code changes. The first row is the current picture; the others have other noise. Select a picture to set the code."),
        this.list);
      this.renamed();
    },

    renamed() {
      const { app } = this;
      this.strips = app.model.controls.map(() => ({ cells: [], range: null }));
      this.sections = app.model.controls.map((control, position) => {
        const table = make("div", { class: "strip" });
        this.strips[position].table = table;
        return make("section", { "aria-label": `Traversal of ${control.title}` }, make("h2", {}, control.title),
          control.description ? make("p", { class: "quiet" }, control.description) : null, table);
      });
      this.list.replaceChildren(...this.sections);
    },

    fill(position) {
      const { app } = this;
      const strip = this.strips[position];
      if (strip.range === app.state.range) return;
      strip.range = app.state.range;
      const control = app.model.controls[position];
      strip.values = Explorer.traversalValues(control, app.state.range);
      strip.columns = strip.values.map((value) => {
        const canvases = Array.from({ length: ROWS }, () => make("canvas", { "aria-hidden": "true" }));
        const text = valueText(control, value);
        return make("button", {
          type: "button", class: "thumb column", "aria-label": `${control.title} ${text}`,
          onclick: () => app.setValue(position, value),
        }, canvases, make("span", {}, text));
      });
      strip.table.replaceChildren(...strip.columns);
    },

    update() {
      const { app } = this;
      app.model.controls.forEach((control, position) => {
        app.queue.add(`traversal ${position}`, 2, async () => {
          this.fill(position);
          const { values, columns } = this.strips[position];
          const rows = values.flatMap((value) =>
            Array.from({ length: ROWS }, (_, number) => app.varied(position, value, app.noiseAt(number))));
          const pixels = await app.render(rows);
          columns.forEach((column, index) => {
            for (let row = 0; row < ROWS; row += 1) draw(column.children[row], app.model, pixels, index * ROWS + row);
            const near = Math.abs(values[index] - app.state.values[position]) < 1e-6;
            column.classList.toggle("current", near);
            if (near) column.setAttribute("aria-current", "true");
            else column.removeAttribute("aria-current");
          });
          document.dispatchEvent(new CustomEvent("explorer:drawn", { detail: { layer: "traversals" } }));
        });
      });
    },
  });
}
