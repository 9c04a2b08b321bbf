/* The controls of codes: a slider, a dial for an angle, pictures of categories, a switch. */
"use strict";
{
  const { make, draw, valueText, categoryName, categoryText } = Explorer.elements;
  const { limits, isDiscrete } = Explorer.latents;
  const SHOWN_CATEGORIES = 30;

  const heading = (control, id) =>
    make("div", { class: "control-head" },
      make("span", { class: "control-name", id, title: control.description || control.title }, control.title),
      control.verdict === "dead" || control.verdict === "hidden"
        ? make("span", { class: "badge", title: "Evaluation found no effect that can be predicted" }, "no effect found")
        : null);

  /** A slider for a uniform or normal code. */
  class Slider {
    constructor(control, onchange) {
      this.control = control;
      const id = `control-${control.key.replace(/\W/g, "-")}`;
      this.input = make("input", { type: "range", id, step: "any", "aria-describedby": `${id}-about` });
      this.input.addEventListener("input", () => onchange(this.input.valueAsNumber));
      this.input.addEventListener("keydown", (event) => this.step(event, onchange));
      this.output = make("output", { for: id, class: "value" });
      const head = heading(control);
      head.append(this.output);
      const label = make("label", { for: id, class: "hidden-label" }, control.title);
      const about = make("span", { id: `${id}-about`, class: "quiet about" }, control.description);
      this.element = make("div", { class: "control slider" }, label, head, this.input, about);
    }

    /** Move by a fortieth of the range of training with the arrow keys: step="any" has no good step. */
    step(event, onchange) {
      const unit = (this.control.high - this.control.low) / 40;
      const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      onchange(this.input.valueAsNumber + moves[event.key] * unit);
    }

    show(value, range) {
      const [low, high] = limits(this.control, range);
      this.input.min = low;
      this.input.max = high;
      this.input.value = value;
      const text = valueText(this.control, value);
      this.output.textContent = text;
      this.input.setAttribute("aria-valuetext", text);
      this.input.style.setProperty("--inside-from", `${50 - 50 / range}%`);
      this.input.style.setProperty("--inside-to", `${50 + 50 / range}%`);
      this.input.classList.toggle("beyond", value < this.control.low || value > this.control.high);
    }
  }

  /** A dial for a periodic code: an angle without ends. */
  class Dial {
    constructor(control, onchange) {
      this.control = control;
      const id = `control-${control.key.replace(/\W/g, "-")}`;
      this.hand = document.createElementNS("http://www.w3.org/2000/svg", "line");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "-50 -50 100 100");
      svg.setAttribute("aria-hidden", "true");
      const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      circle.setAttribute("r", "44");
      svg.append(circle, this.hand);
      this.dial = make("div", {
        class: "dial", id, role: "slider", tabindex: "0", "aria-labelledby": `${id}-name`,
        "aria-valuemin": "-180", "aria-valuemax": "180",
      }, svg);
      this.dial.addEventListener("pointerdown", (event) => {
        this.dial.setPointerCapture(event.pointerId);
        this.dial.focus();
        this.point(event, onchange);
      });
      this.dial.addEventListener("pointermove", (event) => {
        if (this.dial.hasPointerCapture(event.pointerId)) this.point(event, onchange);
      });
      this.dial.addEventListener("keydown", (event) => {
        const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
        if (event.key in moves) onchange(this.value + moves[event.key] / 36);
        else if (event.key === "Home") onchange(0);
        else return;
        event.preventDefault();
      });
      this.output = make("output", { class: "value" });
      const head = heading(control, `${id}-name`);
      head.append(this.output);
      this.element = make("div", { class: "control" }, head, this.dial,
        control.description ? make("span", { class: "quiet about" }, control.description) : null);
    }

    point(event, onchange) {
      const box = this.dial.getBoundingClientRect();
      const x = event.clientX - box.left - box.width / 2;
      const y = event.clientY - box.top - box.height / 2;
      onchange(Math.atan2(x, -y) / Math.PI);
    }

    show(value) {
      this.value = value;
      const angle = Math.PI * value;
      for (const [name, at] of [["x1", 0], ["y1", 0], ["x2", 40 * Math.sin(angle)], ["y2", -40 * Math.cos(angle)]]) {
        this.hand.setAttribute(name, at);
      }
      const text = valueText(this.control, value);
      this.output.textContent = text;
      this.dial.setAttribute("aria-valuenow", Math.round(value * 180));
      this.dial.setAttribute("aria-valuetext", text);
    }
  }

  /** Pictures of the categories, each with the current noise and other codes. */
  class Picker {
    constructor(control, onchange) {
      this.control = control;
      this.count = Math.min(control.size, SHOWN_CATEGORIES);
      this.onchange = onchange;
      const id = `control-${control.key.replace(/\W/g, "-")}`;
      this.group = make("div", { class: "picker", id, role: "radiogroup", "aria-labelledby": `${id}-name` });
      this.output = make("output", { class: "value" });
      const head = heading(control, `${id}-name`);
      head.append(this.output);
      this.more = control.size > this.count
        ? make("label", { class: "inline" }, `Category 0 to ${control.size - 1} `,
          make("input", { type: "number", min: 0, max: control.size - 1, step: 1, onchange: (event) => onchange(event.target.valueAsNumber) }))
        : null;
      this.element = make("div", { class: "control" }, head, this.group, this.more,
        control.description ? make("span", { class: "quiet about" }, control.description) : null);
      this.buttons = Array.from({ length: this.count }, (_, index) => this.button(index));
      this.group.append(...this.buttons);
    }

    button(index) {
      const name = categoryName(this.control, index);
      return make("button", {
        type: "button", class: "thumb", role: "radio", "aria-label": `${this.control.title} ${name}`, title: name,
        onclick: () => this.onchange(index), onkeydown: (event) => this.move(event, index),
      }, make("canvas", { "aria-hidden": "true" }), make("span", {}, name));
    }

    move(event, index) {
      const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const next = (index + moves[event.key] + this.count) % this.count;
      this.onchange(next);
      this.buttons[next].focus();
    }

    show(value) {
      this.output.textContent = categoryText(this.control, value);
      this.buttons.forEach((button, index) => {
        button.setAttribute("aria-checked", index === value);
        button.tabIndex = index === value || (value >= this.count && index === 0) ? 0 : -1;
      });
      if (this.more) this.more.querySelector("input").value = value;
    }

    draw(model, pixels) {
      this.buttons.forEach((button, index) => draw(button.firstChild, model, pixels, index));
    }
  }

  /** A switch for a Bernoulli code. */
  class Switch {
    constructor(control, onchange) {
      const id = `control-${control.key.replace(/\W/g, "-")}`;
      this.input = make("input", { type: "checkbox", role: "switch", id });
      this.input.addEventListener("change", () => onchange(this.input.checked ? 1 : 0));
      this.element = make("div", { class: "control" },
        make("label", { class: "check", for: id }, this.input, make("span", { class: "control-name" }, control.title)),
        control.description ? make("span", { class: "quiet about" }, control.description) : null);
    }

    show(value) {
      this.input.checked = value === 1;
    }
  }

  const CONTROLS = { uniform: Slider, normal: Slider, periodic: Dial, categorical: Picker, bernoulli: Switch };

  /** Return the control of one code dimension: it has an `element`, and `show(value, range)`. */
  Explorer.control = (control, onchange) => new CONTROLS[control.kind](control, onchange);

  /** Return the values of a traversal of one control. */
  Explorer.traversalValues = (control, range) => {
    if (control.kind === "categorical") return Array.from({ length: Math.min(control.size, 20) }, (_, index) => index);
    if (control.kind === "bernoulli") return [0, 1];
    if (control.kind === "periodic") return Array.from({ length: 8 }, (_, index) => index / 4 - 1);
    const [low, high] = limits(control, range);
    return Array.from({ length: 9 }, (_, index) => Number((low + ((high - low) * index) / 8).toPrecision(6)));
  };
  Explorer.isDiscrete = isDiscrete;
}
