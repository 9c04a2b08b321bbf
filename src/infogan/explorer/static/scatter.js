/* A scatter plot of many points on a canvas: pan, zoom, a lasso, and the point below the cursor.
 *
 * Points are written into the pixels of the canvas directly: 60,000 points take a few milliseconds a frame
 * without WebGL, which phones and remote desktops may lack. */
"use strict";
{
  const CELLS = 64; // of the grid in which the point below the cursor is looked up, on each side
  const MOST_ZOOM = 200;

  class Scatter {
    /** `events`: onhover(index or -1, x, y), onselect(indices), onpick(index). */
    constructor(canvas, overlay, events) {
      this.canvas = canvas;
      this.overlay = overlay;
      this.events = events;
      this.positions = new Float32Array(0);
      this.colours = new Uint32Array(0);
      this.selected = null;
      this.tool = "pan";
      this.reset();
      this.listen();
      new ResizeObserver(() => this.resize()).observe(canvas);
    }

    setPoints(positions) {
      this.positions = positions;
      this.cells = Array.from({ length: CELLS * CELLS }, () => []);
      for (let index = 0; index < positions.length / 2; index += 1) this.cells[this.cell(positions[2 * index], positions[2 * index + 1])].push(index);
      this.draw();
    }

    /** `colours`: 0xAABBGGRR of every point. */
    setColours(colours) {
      this.colours = colours;
      this.draw();
    }

    /** `selected`: Uint8Array of every point, or null. */
    setSelected(selected) {
      this.selected = selected;
      this.draw();
    }

    cell(x, y) {
      const at = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor(((value + 1) / 2) * CELLS)));
      return at(y) * CELLS + at(x);
    }

    reset() {
      this.zoom = 1;
      this.centre = [0, 0];
      this.draw();
    }

    resize() {
      const ratio = Math.min(2, devicePixelRatio || 1);
      const width = Math.round(this.canvas.clientWidth * ratio);
      const height = Math.round(this.canvas.clientHeight * ratio);
      if (!width || !height) return;
      for (const canvas of [this.canvas, this.overlay]) {
        canvas.width = width;
        canvas.height = height;
      }
      this.ratio = ratio;
      this.buffer = null;
      this.draw();
    }

    /** Pixels of the canvas for one unit of the map. */
    get scale() {
      return (Math.min(this.canvas.width, this.canvas.height) / 2) * 0.95 * this.zoom;
    }

    toCanvas(x, y) {
      return [this.canvas.width / 2 + (x - this.centre[0]) * this.scale, this.canvas.height / 2 - (y - this.centre[1]) * this.scale];
    }

    toMap(x, y) {
      return [this.centre[0] + (x - this.canvas.width / 2) / this.scale, this.centre[1] - (y - this.canvas.height / 2) / this.scale];
    }

    fromEvent(event) {
      const box = this.canvas.getBoundingClientRect();
      return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
    }

    draw() {
      if (this.frame) return;
      this.frame = requestAnimationFrame(() => {
        this.frame = null;
        this.paint();
      });
    }

    paint() {
      const { width, height } = this.canvas;
      if (!this.ratio || !width || this.colours.length * 2 !== this.positions.length) return;
      const context = this.canvas.getContext("2d");
      if (!this.buffer) {
        this.buffer = context.createImageData(width, height);
        this.words = new Uint32Array(this.buffer.data.buffer);
      }
      this.words.fill(0);
      const side = Math.max(1, Math.round(this.ratio * Math.min(6, 1.2 * Math.sqrt(this.zoom) + 900 / (300 + Math.sqrt(this.colours.length) * 3))));
      if (this.selected) this.points(side, 0); // unselected ones below
      this.points(this.selected ? side + 1 : side, 1);
      context.putImageData(this.buffer, 0, 0);
    }

    points(side, pass) {
      const { words, positions, colours, selected } = this;
      const { width, height } = this.canvas;
      const { scale } = this;
      const left = width / 2 - this.centre[0] * scale - side / 2;
      const top = height / 2 + this.centre[1] * scale - side / 2;
      for (let index = 0; index < colours.length; index += 1) {
        if (selected && selected[index] !== pass) continue;
        const x = Math.round(left + positions[2 * index] * scale);
        const y = Math.round(top - positions[2 * index + 1] * scale);
        if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
        const colour = pass ? colours[index] : (colours[index] & 0xffffff) | 0x30000000;
        for (let row = 0; row < side; row += 1) words.fill(colour, (y + row) * width + x, (y + row) * width + x + side);
      }
    }

    // --- interaction

    listen() {
      const { canvas } = this;
      const pointers = new Map();
      canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        this.zoomAt(Math.exp(-event.deltaY * 0.0015), ...this.fromEvent(event));
      }, { passive: false });
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, this.fromEvent(event));
        this.moved = 0;
        this.path = this.tool === "lasso" && pointers.size === 1 ? [this.fromEvent(event)] : null;
      });
      canvas.addEventListener("pointermove", (event) => {
        const now = this.fromEvent(event);
        const before = pointers.get(event.pointerId);
        if (!before) {
          this.events.onhover(this.pick(...now), event.clientX, event.clientY);
          return;
        }
        this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
        if (pointers.size === 2) this.pinch(pointers, event.pointerId, now);
        else if (this.path) this.extend(now);
        else this.pan(now[0] - before[0], now[1] - before[1]);
        pointers.set(event.pointerId, now);
      });
      const end = (event) => {
        if (!pointers.delete(event.pointerId)) return;
        if (this.path && this.path.length > 2) this.close();
        else if (event.type === "pointerup" && this.moved < 5 * this.ratio && !pointers.size) {
          const index = this.pick(...this.fromEvent(event));
          if (index >= 0) this.events.onpick(index);
        }
        this.path = null;
        this.outline();
      };
      canvas.addEventListener("pointerup", end);
      canvas.addEventListener("pointercancel", end);
      canvas.addEventListener("pointerleave", () => this.events.onhover(-1, 0, 0));
      canvas.addEventListener("keydown", (event) => {
        const step = 40 * this.ratio;
        const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
        if (event.key in moves) this.pan(...moves[event.key]);
        else if (event.key === "+" || event.key === "=") this.zoomBy(1.4);
        else if (event.key === "-") this.zoomBy(1 / 1.4);
        else if (event.key === "0") this.reset();
        else return;
        event.preventDefault();
      });
    }

    pan(x, y) {
      this.centre = [this.centre[0] - x / this.scale, this.centre[1] + y / this.scale];
      this.draw();
    }

    zoomBy(factor) {
      this.zoomAt(factor, this.canvas.width / 2, this.canvas.height / 2);
    }

    zoomAt(factor, x, y) {
      const [before0, before1] = this.toMap(x, y);
      this.zoom = Math.max(0.5, Math.min(MOST_ZOOM, this.zoom * factor));
      const [after0, after1] = this.toMap(x, y);
      this.centre = [this.centre[0] + before0 - after0, this.centre[1] + before1 - after1];
      this.draw();
    }

    pinch(pointers, moving, now) {
      const [other] = [...pointers].filter(([id]) => id !== moving).map(([, at]) => at);
      const before = pointers.get(moving);
      const old = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const factor = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, old);
      this.zoomAt(factor, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }

    /** Return the index of the point within a few pixels of a place on the canvas, or -1. */
    pick(x, y) {
      if (!this.cells || !this.ratio) return -1;
      const [mapX, mapY] = this.toMap(x, y);
      const reach = (8 * this.ratio) / this.scale;
      let best = -1;
      let least = reach * reach;
      const [low, high] = [this.cell(mapX - reach, mapY - reach), this.cell(mapX + reach, mapY + reach)];
      for (let row = Math.floor(low / CELLS); row <= Math.floor(high / CELLS); row += 1) {
        for (let column = low % CELLS; column <= high % CELLS; column += 1) {
          for (const index of this.cells[row * CELLS + column]) {
            const distance = (this.positions[2 * index] - mapX) ** 2 + (this.positions[2 * index + 1] - mapY) ** 2;
            if (distance < least) [best, least] = [index, distance];
          }
        }
      }
      return best;
    }

    extend(at) {
      const last = this.path[this.path.length - 1];
      if (Math.hypot(at[0] - last[0], at[1] - last[1]) > 3) this.path.push(at);
      this.outline();
    }

    outline() {
      const context = this.overlay.getContext("2d");
      context.clearRect(0, 0, this.overlay.width, this.overlay.height);
      if (!this.path) return;
      context.beginPath();
      this.path.forEach(([x, y], number) => (number ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      const colour = getComputedStyle(this.canvas).getPropertyValue("--accent");
      context.strokeStyle = colour;
      context.lineWidth = 2 * this.ratio;
      context.setLineDash([6 * this.ratio, 4 * this.ratio]);
      context.stroke();
      context.globalAlpha = 0.12;
      context.fillStyle = colour;
      context.fill();
      context.globalAlpha = 1;
    }

    /** Select the points inside the lasso. */
    close() {
      const polygon = this.path.map(([x, y]) => this.toMap(x, y));
      this.events.onselect(this.inside(polygon));
    }

    inside(polygon) {
      const [xs, ys] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)];
      const box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      const found = [];
      for (let index = 0; index < this.positions.length / 2; index += 1) {
        const x = this.positions[2 * index];
        const y = this.positions[2 * index + 1];
        if (x < box[0] || x > box[1] || y < box[2] || y > box[3]) continue;
        let odd = false;
        for (let at = 0, last = polygon.length - 1; at < polygon.length; last = at, at += 1) {
          const crosses = ys[at] > y !== ys[last] > y;
          if (crosses && x < ((xs[last] - xs[at]) * (y - ys[at])) / (ys[last] - ys[at]) + xs[at]) odd = !odd;
        }
        if (odd) found.push(index);
      }
      return found;
    }

    /** Return the indices of the points that are visible. */
    visible() {
      const { width, height } = this.canvas;
      const corners = [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => this.toMap(x, y));
      return this.inside(corners);
    }
  }
  Explorer.Scatter = Scatter;
}
