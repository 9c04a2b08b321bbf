/* Latents as numbers: noise from a seed, rows for the backend, and the state in the link. */
"use strict";
{
  /** Return a function that yields numbers in [0, 1): Mulberry32, the same on every machine. */
  const random = (seed) => {
    let state = Math.imul(seed >>> 0, 0x9e3779b1) ^ 0x85ebca6b;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  };

  /** Return the noise of one picture; `number` counts the pictures that share a seed. */
  const noiseOf = (model, seed, number) => {
    const next = random(Math.imul(seed, 1009) + number);
    next(); // the first numbers of neighbouring seeds resemble each other
    const uniform = model.noise.prior === "uniform";
    return Float32Array.from({ length: model.noise.size }, () =>
      uniform ? 2 * next() - 1 : Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
  };

  const scaleOf = (model) => (model.noise.prior === "uniform" ? 1 : 4);

  /** Return noise rounded to what a link can hold: 8 bits a number. */
  const rounded = (model, noise) => {
    const scale = scaleOf(model);
    return noise.map((value) => (Math.round(Math.max(-1, Math.min(1, value / scale)) * 127) / 127) * scale);
  };

  const toText = (model, noise) => {
    const scale = scaleOf(model);
    const bytes = Array.from(noise, (value) => Math.round((value / scale) * 127) + 128);
    return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const fromText = (model, text) => {
    try {
      const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
      if (bytes.length !== model.noise.size) return null;
      const scale = scaleOf(model);
      return Float32Array.from(bytes, (letter) =>
        Math.max(-1, Math.min(1, (letter.charCodeAt(0) - 128) / 127)) * scale);
    } catch {
      return null;
    }
  };

  /** Return the limits of a control at a factor of its range of training, such as 1 or 2. */
  const limits = (control, factor) => {
    if (control.kind !== "uniform" && control.kind !== "normal") return [control.low, control.high];
    const centre = (control.low + control.high) / 2;
    const unit = (control.high - control.low) / 2;
    return [centre - factor * unit, centre + factor * unit];
  };

  const isDiscrete = (control) => control.kind === "categorical" || control.kind === "bernoulli";

  /** Return a number as a link holds it, so that a link restores exactly what was shown. */
  const rounding = (value) => Number(value.toPrecision(6));

  /** Return the nearest allowed value of a control. */
  const clamp = (control, value, reach) => {
    if (!Number.isFinite(value)) return start(control);
    if (control.kind === "periodic") return rounding(value - 2 * Math.floor((value + 1) / 2));
    const [low, high] = limits(control, reach);
    const near = Math.max(low, Math.min(high, value));
    return isDiscrete(control) ? Math.round(near) : rounding(near);
  };

  const start = (control) => (isDiscrete(control) ? 0 : (control.low + control.high) / 2);

  /** Return several rows as one array. */
  const rowsOf = (model, rows) => {
    const width = model.noise.size + model.controls.length;
    const all = new Float32Array(rows.length * width);
    rows.forEach(({ noise, values }, number) => {
      all.set(noise, number * width);
      all.set(values, number * width + model.noise.size);
    });
    return all;
  };

  /** Return the state of a link; anything missing or wrong has its default. */
  const readLink = (model, search) => {
    const given = new URLSearchParams(search);
    const seed = Number(given.get("seed"));
    const range = Number(given.get("range"));
    return {
      seed: Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31 ? seed : 0,
      noise: given.has("noise") ? fromText(model, given.get("noise")) : null,
      range: range >= 1 && range <= model.reach ? range : 1,
      view: given.get("view") || "generate",
      values: model.controls.map((control) =>
        given.has(control.key) ? clamp(control, Number(given.get(control.key)), model.reach) : start(control)),
    };
  };

  const writeLink = (model, state) => {
    const parts = [];
    if (state.noise) parts.push(["noise", toText(model, state.noise)]);
    else parts.push(["seed", String(state.seed)]);
    model.controls.forEach((control, position) => {
      const value = state.values[position];
      parts.push([control.key, String(value)]);
    });
    if (state.range !== 1) parts.push(["range", String(state.range)]);
    if (state.view !== "generate") parts.push(["view", state.view]);
    return `?${new URLSearchParams(parts)}`;
  };

  Explorer.latents = { noiseOf, rounded, limits, clamp, start, isDiscrete, rowsOf, readLink, writeLink };
}
