/* Real images as thumbnails: a grid of buttons, and a dialog with one image, its name and its codes. */
"use strict";
{
  const { make, picture, pictureButton, predictions, copy } = Explorer.elements;
  const POLL = 700; // milliseconds between questions for the state of the real images

  /** Waits until the real images are ready; shows the progress in the elements of `bar()`. */
  class RealImages {
    constructor(app) {
      this.app = app;
      this.status = { state: "computing", message: "loading real images", done: 0, total: 0 };
      this.bars = [];
      this.ready = new Promise((resolve) => { this.resolve = resolve; });
      this.poll();
    }

    async poll() {
      try {
        this.status = await this.app.backend.real();
      } catch (error) {
        this.status = { state: "absent", message: error.message, done: 0, total: 0 };
      }
      this.bars.forEach((bar) => this.show(bar));
      if (this.status.state === "ready") this.resolve();
      else if (this.status.state === "computing") setTimeout(() => this.poll(), POLL);
    }

    /** Return an element with the progress, or the reason why there are no real images. */
    bar() {
      const bar = make("div", { class: "notice" }, make("p", {}), make("progress", { max: 1, "aria-label": "real images" }));
      this.bars.push(bar);
      this.show(bar);
      return bar;
    }

    show(bar) {
      const { state, message, done } = this.status;
      bar.hidden = state === "ready";
      bar.lastChild.hidden = state !== "computing";
      bar.lastChild.value = done;
      bar.firstChild.textContent = state === "absent"
        ? `Real images are not available: ${message}. Everything else works.`
        : `${message.slice(0, 1).toUpperCase()}${message.slice(1)}…`;
    }

    /** Return a grid of thumbnails. */
    async grid(ids, captions, label) {
      const { app } = this;
      if (!ids.length) return make("p", { class: "quiet" }, "No images.");
      const pixels = await app.backend.pictures(ids);
      return make("div", { class: "grid" }, ids.map((id, number) => {
        const caption = captions ? captions[number] : "";
        return pictureButton(app.model, pixels, number, {
          label: `${label} ${number + 1}${caption ? `, ${caption}` : ""}`, caption, onclick: () => this.detail(id),
        });
      }));
    }

    /** Open the dialog with one real image. */
    async detail(id) {
      const { app } = this;
      const { backend, model } = app;
      try {
        const [pixels, [name], codes] = await Promise.all([backend.pictures([id]), backend.names([id]), backend.codes(id)]);
        const dialog = document.getElementById("detail");
        const close = () => dialog.close();
        dialog.replaceChildren(
          make("h2", { id: "detail-title" }, /^\d+$/.test(name) ? `Image ${name}` : name),
          picture(model, pixels, 0, `Real image ${name}`),
          predictions(model, codes),
          make("div", { class: "row" },
            make("button", { type: "button", class: "primary", onclick: () => { app.setValues(codes.map((code) => code.value)); close(); } }, "Use its codes"),
            backend.features.has("invert")
              ? make("button", { type: "button", onclick: () => { close(); app.openPicture(pixels, codes, name); } }, "Edit this image") : null,
            make("button", { type: "button", onclick: async () => app.say((await copy(name)) ? "Name copied." : name) }, "Copy name"),
            make("button", { type: "button", onclick: close }, "Close")));
        dialog.showModal();
      } catch (error) {
        app.say(error.message);
      }
    }
  }
  Explorer.RealImages = RealImages;
}
