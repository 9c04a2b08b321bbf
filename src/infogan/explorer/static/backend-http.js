/* The backend of `infogan explore`: its server answers. */
"use strict";
{
  /** Return the token of the address (#token=...), kept for this tab and removed from the address. */
  const token = () => {
    const found = /^#token=([\w-]+)$/.exec(location.hash);
    if (found) {
      sessionStorage.setItem("infogan-token", found[1]);
      history.replaceState(null, "", location.pathname + location.search);
    }
    return sessionStorage.getItem("infogan-token");
  };

  class HttpBackend {
    constructor(key) {
      this.key = key;
      this.features = new Set(["encode", "invert", "name", "real", "map"]);
    }

    async ask(path, body, type) {
      const headers = {};
      if (this.key) headers["X-Infogan-Token"] = this.key;
      if (body !== undefined) headers["Content-Type"] = type || "application/octet-stream";
      let answer;
      try {
        answer = await fetch(path, { method: body === undefined ? "GET" : "POST", body, headers });
      } catch {
        throw new Error("The server does not answer. Is infogan explore still running?");
      }
      if (answer.ok) return answer;
      let reason = {};
      try {
        reason = await answer.json();
      } catch { /* not JSON: the status alone is shown */ }
      throw new Error(reason.error ? reason.error : `The server answered with status ${answer.status}.`);
    }

    async json(path, body, type) {
      return (await this.ask(path, body, type)).json();
    }

    async bytes(path, body) {
      return new Uint8Array(await (await this.ask(path, body)).arrayBuffer());
    }

    async floats(path) {
      return new Float32Array(await (await this.ask(path)).arrayBuffer());
    }

    static query(values) {
      return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null)).toString();
    }

    async load() {
      this.model = await this.json("api/model");
      return this;
    }

    render(rows) {
      return this.bytes("api/render", rows);
    }

    async encode(blob) {
      const found = await this.json("api/encode", blob);
      const text = atob(found.pixels);
      return { pixels: Uint8Array.from(text, (letter) => letter.charCodeAt(0)), codes: found.codes };
    }

    async encodePixels(pixels, generated) {
      return this.json(`api/predict?generated=${generated ? 1 : 0}`, pixels);
    }

    async invert(pixels) {
      const found = await this.json("api/invert", pixels);
      return { noise: Float32Array.from(found.noise), error: found.error };
    }

    async name(note) {
      this.model = await this.json("api/name", JSON.stringify(note), "application/json");
      return this.model;
    }

    real() {
      return this.json("api/real");
    }

    category(control, category, order, offset, count, seed) {
      const { code, index } = control;
      const asked = { code, index, category, order, offset, count, seed };
      return this.json(`api/real/category?${HttpBackend.query(asked)}`);
    }

    along(control, count, within) {
      const { code, index } = control;
      const filter = within ? { of: within.control.code, dimension: within.control.index, category: within.category } : {};
      return this.json(`api/real/along?${HttpBackend.query({ code, index, count, ...filter })}`);
    }

    nearest(pixels, generated, count) {
      return this.json(`api/real/nearest?generated=${generated ? 1 : 0}&count=${count}`, pixels);
    }

    pictures(ids) {
      return this.bytes("api/real/pictures", Uint32Array.from(ids));
    }

    names(ids) {
      return this.json("api/real/names", Uint32Array.from(ids));
    }

    codes(id) {
      return this.json(`api/real/codes?id=${id}`);
    }

    map() {
      return this.floats("api/real/map");
    }

    values(control) {
      return this.floats(`api/real/values?${HttpBackend.query({ code: control.code, index: control.index })}`);
    }
  }

  Explorer.connect = () => new HttpBackend(token()).load();
}
