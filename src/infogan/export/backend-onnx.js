/* The backend of an exported page: the networks are in the page, and onnxruntime-web computes in this browser.
 *
 * The page contains, each in a script element of type text/plain, base64 of gzip:
 *   data-runtime, data-wasm              onnxruntime-web
 *   data-generator, data-recognition     the networks
 *   data-real                            real images and their codes, if there are any
 * and as JSON in `data-model`: the Model of backend.js, with `inputs` (name and shape of each input of the
 * generator), `crop`, and `real`: {total, names, arrays: {name: [type, offset, length]}} or null.
 */
"use strict";
{
  const BATCH = 25; // pictures at once; between two batches the page reacts to the user
  const STARTS = 150; // random noise that is compared with a picture
  const START_SEED = 4099;

  const text = (id) => document.getElementById(id).textContent;

  /** Return the bytes of a script element. */
  const unpack = async (id) => {
    const packed = atob(text(id));
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at += 1) bytes[at] = packed.charCodeAt(at);
    document.getElementById(id).remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  /** Return onnxruntime-web, which is an ES module. */
  const runtime = async () => {
    const [code, wasm] = await Promise.all([unpack("data-runtime"), unpack("data-wasm")]);
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const ort = await import(url);
    URL.revokeObjectURL(url);
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.numThreads = 1; // threads would need headers, which a file has not
    ort.env.logLevel = "error";
    return ort;
  };

  // --- pictures from files, as Pillow preprocesses them in training

  const lanczos = (x) => {
    if (x === 0) return 1;
    if (Math.abs(x) >= 3) return 0;
    const angle = Math.PI * x;
    return (3 * Math.sin(angle) * Math.sin(angle / 3)) / (angle * angle);
  };

  /** Resize each row of an image [lines, from, channels] to `to` pixels, and exchange lines and rows. */
  const resizeLines = (pixels, lines, from, to, channels) => {
    const result = new Uint8ClampedArray(lines * to * channels);
    const scale = from / to;
    const stretch = Math.max(1, scale);
    for (let target = 0; target < to; target += 1) {
      const centre = (target + 0.5) * scale;
      const first = Math.max(0, Math.floor(centre - 3 * stretch + 0.5));
      const end = Math.min(from, Math.floor(centre + 3 * stretch + 0.5));
      const weights = Array.from({ length: end - first }, (_, at) => lanczos((first + at - centre + 0.5) / stretch));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let line = 0; line < lines; line += 1) {
        for (let channel = 0; channel < channels; channel += 1) {
          let sum = 0;
          for (let at = first; at < end; at += 1) sum += weights[at - first] * pixels[(line * from + at) * channels + channel];
          result[(target * lines + line) * channels + channel] = Math.floor(sum / total + 0.5);
        }
      }
    }
    return result;
  };

  /** Return RGBA pixels as those of a model: transparent parts are white unless it has an alpha channel. */
  const toChannels = (rgba, channels) => {
    if (channels === 4) return rgba;
    const count = rgba.length / 4;
    const result = new Uint8ClampedArray(count * channels);
    for (let at = 0; at < count; at += 1) {
      const alpha = rgba[4 * at + 3] / 255;
      const [red, green, blue] = [0, 1, 2].map((channel) => Math.round(rgba[4 * at + channel] * alpha + 255 * (1 - alpha)));
      if (channels === 1) result[at] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
      else result.set([red, green, blue], 3 * at);
    }
    return result;
  };

  /** Return the pixels of an image file, cropped to its central square and resized. */
  const decode = async (blob, { size, channels, crop }) => {
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
      throw new Error("This browser cannot read the file as a picture.");
    }
    const side = Math.min(bitmap.width, bitmap.height, crop || Infinity);
    const [left, top] = [bitmap.width, bitmap.height].map((length) => Math.floor((length - side) / 2));
    const canvas = document.createElement("canvas");
    canvas.width = side;
    canvas.height = side;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, -left, -top);
    const square = toChannels(context.getImageData(0, 0, side, side).data, channels);
    if (side === size) return new Uint8Array(square);
    const rows = resizeLines(square, side, side, size, channels);
    return new Uint8Array(resizeLines(rows, size, side, size, channels));
  };

  // --- the backend

  class OnnxBackend {
    async load() {
      this.model = JSON.parse(text("data-model"));
      this.features = new Set(["encode", "invert"]);
      const ort = await runtime();
      const open = async (id) => ort.InferenceSession.create(await unpack(id), { executionProviders: ["wasm"] });
      this.ort = ort;
      this.generator = await open("data-generator");
      this.recognition = await open("data-recognition");
      this.last = Promise.resolve();
      if (this.model.real) {
        this.features.add("real").add("map");
        this.images = new StoredImages(this.model, await unpack("data-real"));
      }
      return this;
    }

    /** Run a network when no other run is in progress. */
    run(session, feeds, outputs) {
      const next = this.last.then(() => session.run(feeds, outputs));
      this.last = next.catch(() => {});
      return next;
    }

    async render(rows, count) {
      const { size, channels } = this.model;
      const width = rows.length / count;
      const pixels = new Uint8Array(count * size * size * channels);
      for (let first = 0; first < count; first += BATCH) {
        const part = rows.subarray(first * width, Math.min(count, first + BATCH) * width);
        const found = await this.run(this.generator, this.feeds(part, width), ["image.uint8"]);
        pixels.set(found["image.uint8"].data, first * size * size * channels);
        if (first + BATCH < count) await new Promise((resolve) => { setTimeout(resolve); });
      }
      return pixels;
    }

    /** Return the generator's inputs for rows of latents. */
    feeds(rows, width) {
      const { model, ort } = this;
      const count = rows.length / width;
      const feeds = {};
      let column = 0;
      for (const { name, shape } of model.inputs) {
        const controls = model.controls.filter((control) => control.code === name);
        const categorical = controls.length > 0 && controls[0].kind === "categorical";
        const columns = name === "noise" ? shape[0] : controls.length;
        const length = shape.reduce((product, part) => product * part, 1);
        const values = new Float32Array(count * length);
        for (let row = 0; row < count; row += 1) {
          for (let at = 0; at < columns; at += 1) {
            const value = rows[row * width + column + at];
            if (categorical) values[row * length + at * controls[at].size + Math.round(value)] = 1;
            else values[row * length + at] = value;
          }
        }
        feeds[name] = new ort.Tensor("float32", values, [count, ...shape]);
        column += columns;
      }
      return feeds;
    }

    async recognise(pixels) {
      const { size, channels } = this.model;
      const image = new this.ort.Tensor("uint8", pixels, [1, size, size, channels]);
      return this.run(this.recognition, { image });
    }

    async encodePixels(pixels) {
      const found = await this.recognise(pixels);
      return this.model.controls.map(({ code, index, kind, size, low, high }) => {
        if (kind === "categorical") {
          const probabilities = Array.from(found[`${code}.probabilities`].data).slice(index * size, (index + 1) * size);
          return { value: probabilities.indexOf(Math.max(...probabilities)), probabilities };
        }
        if (kind === "bernoulli") {
          const probability = found[`${code}.probability`].data[index];
          return { value: Math.round(probability), probability };
        }
        const mean = found[`${code}.mean`].data[index];
        return { value: Math.max(low, Math.min(high, mean)), mean, std: found[`${code}.std`].data[index] };
      });
    }

    async encode(blob) {
      const pixels = await decode(blob, this.model);
      return { pixels, codes: await this.encodePixels(pixels) };
    }

    /** Return the best of some random samples of the noise: the page has no gradients to optimise it. */
    async invert(pixels) {
      const { model } = this;
      const { noiseOf, rowsOf } = Explorer.latents;
      const values = (await this.encodePixels(pixels)).map(({ value }) => value);
      const noises = Array.from({ length: STARTS }, (_, number) => noiseOf(model, START_SEED, number));
      const rendered = await this.render(rowsOf(model, noises.map((noise) => ({ noise, values }))), STARTS);
      const errors = noises.map((_, number) => {
        const offset = number * pixels.length;
        return pixels.reduce((sum, level, at) => sum + (level - rendered[offset + at]) ** 2, 0);
      });
      const best = errors.indexOf(Math.min(...errors));
      return {
        noise: noises[best],
        error: Math.sqrt(errors[best] / pixels.length) / 255,
        note: "Its codes are those that the recognition network predicts, and its noise is the best of "
          + `${STARTS} random samples: this page does not optimise it, infogan explore does.`,
      };
    }

    // --- real images

    async real() {
      return { state: "ready", message: "", done: 1, total: this.images.total };
    }

    async category(...asked) { return this.images.category(...asked); }
    async along(...asked) { return this.images.along(...asked); }
    async pictures(ids) { return this.images.pictures(ids); }
    async names(ids) { return Array.from(ids, (id) => this.model.real.names[id]); }
    async codes(id) { return this.images.codes(id); }
    async map() { return this.images.array("positions"); }
    async values(control) { return this.images.values(control); }

    async nearest(pixels, _, count) {
      return this.images.nearest((await this.recognise(pixels)).features.data, count);
    }
  }

  /** Real images inside the page; their codes and features were computed at export. */
  class StoredImages {
    constructor(model, bytes) {
      this.model = model;
      this.bytes = bytes;
      this.total = model.real.total;
    }

    /** Return an array by its name. */
    array(name) {
      const [type, offset, length] = this.model.real.arrays[name];
      return new (type === "uint8" ? Uint8Array : Float32Array)(this.bytes.buffer, offset, length);
    }

    named(control, what) {
      return this.array(`${control.code}.${control.index}.${what}`);
    }

    values(control) {
      return this.named(control, "value");
    }

    probability(control, id, category) {
      return this.named(control, "probabilities")[id * control.size + category];
    }

    /** Return the images whose value of a control is the given one; without a control, all. */
    members(control, value) {
      const ids = Array.from({ length: this.total }, (_, id) => id);
      if (!control) return ids;
      const values = this.values(control);
      return ids.filter((id) => values[id] === value);
    }

    category(control, category, order, offset, count, seed) {
      const ids = this.members(control, category);
      if (order === "random") {
        const keys = Explorer.latents.noiseOf({ noise: { prior: "uniform", size: this.total } }, seed, 0);
        ids.sort((a, b) => keys[a] - keys[b]);
      } else {
        const margins = this.named(control, "margins");
        const margin = (id) => margins[id * control.size + category];
        ids.sort((a, b) => (order === "typical" ? margin(b) - margin(a) : margin(a) - margin(b)));
      }
      const shown = ids.slice(offset, offset + count);
      return { ids: shown, values: shown.map((id) => this.probability(control, id, category)), total: ids.length };
    }

    along(control, count, within) {
      const values = this.values(control);
      const ids = this.members(within && within.control, within && within.category).sort((a, b) => values[a] - values[b]);
      const shown = Math.min(count, ids.length);
      const ranks = Array.from({ length: shown }, (_, at) => Math.round((at * (ids.length - 1)) / Math.max(1, shown - 1)));
      return { ids: ranks.map((rank) => ids[rank]), values: ranks.map((rank) => values[ids[rank]]), total: ids.length };
    }

    /** Return the images with the most similar principal components of features. */
    nearest(features, count) {
      const [mean, components, all] = ["mean", "components", "features"].map((name) => this.array(name));
      const width = components.length / mean.length;
      const own = new Float32Array(width);
      features.forEach((value, row) => {
        for (let column = 0; column < width; column += 1) own[column] += (value - mean[row]) * components[row * width + column];
      });
      const distance = (id) => Math.sqrt(own.reduce((sum, value, column) => sum + (value - all[id * width + column]) ** 2, 0));
      const found = Array.from({ length: this.total }, (_, id) => ({ id, distance: distance(id) }));
      const shown = found.sort((a, b) => a.distance - b.distance).slice(0, count);
      return { ids: shown.map(({ id }) => id), values: shown.map((one) => one.distance), total: this.total };
    }

    pictures(ids) {
      const all = this.array("pixels");
      const length = all.length / this.total;
      const pixels = new Uint8Array(ids.length * length);
      Array.from(ids).forEach((id, at) => pixels.set(all.subarray(id * length, (id + 1) * length), at * length));
      return pixels;
    }

    codes(id) {
      return this.model.controls.map((control) => {
        const value = this.values(control)[id];
        if (control.kind === "categorical") {
          return { value, probabilities: Array.from({ length: control.size }, (_, category) => this.probability(control, id, category)) };
        }
        if (control.kind === "bernoulli") return { value: Math.round(value), probability: value };
        const clipped = Math.max(control.low, Math.min(control.high, value));
        return { value: clipped, mean: value, std: this.named(control, "std")[id] };
      });
    }
  }

  Explorer.connect = () => new OnnxBackend().load();
}
