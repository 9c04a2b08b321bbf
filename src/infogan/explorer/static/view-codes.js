/* Names and descriptions of the codes, saved in the run. */
"use strict";
{
  const { make, draw } = Explorer.elements;
  const MOST_NAMED = 100; // categories with a field for a name
  const MOST_PICTURES = 30; // categories with a picture next to the field

  Explorer.views.push({
    name: "codes",
    title: "Names",
    feature: "name",

    build(panel, app) {
      this.app = app;
      this.forms = make("div", { class: "forms" });
      panel.append(
        make("p", { class: "quiet" }, "Name what each code controls. The names are saved in codes.json of the run; other commands and the report use them, too."),
        this.forms);
      this.renamed();
    },

    renamed() {
      const { controls } = this.app.model;
      const first = controls.filter((control, position) => controls.findIndex((other) => other.code === control.code) === position);
      this.pictures = []; // of the categories of a control
      this.forms.replaceChildren(...first.map((control) => this.form(control)));
    },

    /** Draw the categories with the noise and the other codes of the current picture. */
    idle() {
      const { app } = this;
      for (const { position, canvases } of this.pictures) {
        app.queue.add(`named ${position}`, 3, async () => {
          const pixels = await app.render(canvases.map((_, index) => app.varied(position, index)));
          canvases.forEach((canvas, index) => draw(canvas, app.model, pixels, index));
        });
      }
    },

    form(control) {
      const id = `name-${control.code}`;
      const given = control.title.replace(/\[\d+\]$/, "");
      const name = make("input", { type: "text", id, maxlength: 40, autocomplete: "off", value: given === control.code ? "" : given, placeholder: control.code });
      const about = make("textarea", { id: `${id}-about`, rows: 2, maxlength: 500 });
      about.value = control.description;
      const categories = control.kind === "categorical"
        ? Array.from({ length: Math.min(control.size, MOST_NAMED) }, (_, index) =>
          make("label", { class: "named" }, index < MOST_PICTURES ? make("canvas", { "aria-hidden": "true" }) : null, `${index} `, make("input", { type: "text", maxlength: 40, autocomplete: "off", value: control.categories[index] || "", "aria-label": `Name of category ${index} of ${control.code}` })))
        : [];
      const canvases = categories.map((label) => label.querySelector("canvas")).filter(Boolean);
      if (canvases.length) this.pictures.push({ position: this.app.model.controls.indexOf(control), canvases });
      const save = async (event) => {
        event.preventDefault();
        const texts = categories.map((label) => label.lastChild.value);
        const note = {
          code: control.code, name: name.value, description: about.value,
          categories: Object.fromEntries(texts.map((text, index) => [index, text]).filter(([, text]) => text.trim())),
        };
        try {
          await this.app.backend.name(note);
          this.app.renamed();
          this.app.say(`Saved the names of ${control.code}.`);
          document.getElementById(id).focus();
        } catch (error) {
          this.app.say(error.message);
        }
      };
      return make("form", { class: "card", onsubmit: save },
        make("h2", {}, control.code),
        make("label", { for: id }, "Name"), name,
        make("label", { for: `${id}-about` }, "Description"), about,
        categories.length ? make("fieldset", {}, make("legend", {}, "Categories"), make("div", { class: "named-list" }, categories)) : null,
        make("button", { type: "submit", class: "primary" }, "Save"));
    },
  });
}
