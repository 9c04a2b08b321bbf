/* The interface between the page and whatever computes: the server of `infogan explore` (backend-http.js), or
 * the networks inside an exported page. Everything else in this folder knows only this interface.
 *
 * The files are classic scripts that share the object `Explorer`. The page loads them in the order of
 * index.html, and app.js calls `Explorer.connect()`, which the file of the backend defines:
 *
 *   Explorer.connect() -> Promise<Backend>      rejects with an Error whose message is shown to the user
 *
 * Pixels are a Uint8Array [n, size, size, channels], channels 1 (gray), 3 (RGB) or 4 (RGBA).
 * A row of latents is a Float32Array: the noise, then one number for each control, in their order: the index
 * of a category, 0 or 1 of a Bernoulli code, or the value of a continuous code (of a periodic one in half
 * turns). latents.js makes noise from a seed, so that one link gives one picture with every backend.
 *
 * Backend:
 *   model                       the Model below
 *   features                    Set of names of what this backend can do beyond `render`; the page hides the
 *                               rest: "encode", "invert", "name", "real", "map"
 *   render(rows, count)         Promise<pixels> of `count` rows in one Float32Array
 *   encode(blob)                Promise<{pixels, codes: [Predicted]}> of an image file; pixels of one image
 *                               "encode"
 *   encodePixels(pixels, generated)   Promise<[Predicted]> of one image; generated: it is the generator's
 *                               "encode"
 *   invert(pixels)              Promise<{noise: Float32Array, error: 0..1, note}>: the noise with which the
 *                               generator comes closest to an image with its predicted codes; note: a text
 *                               about how it was found, or undefined                                "invert"
 *   name(note)                  Promise<Model> after saving {code, name, description, categories}    "name"
 *   real                        Promise<RealStatus> as a function: real()                            "real"
 *   category(control, category, order, offset, count, seed)
 *                               Promise<{ids, values, total}>; order: typical, doubtful or random; values
 *                               are probabilities                                                    "real"
 *   along(control, count, within)     Promise<{ids, values, total}>: images ordered along a continuous code;
 *                               within: null or {control, category}                                  "real"
 *   nearest(pixels, generated, count) Promise<{ids, values, total}>: values are distances            "real"
 *   pictures(ids)               Promise<pixels> of real images                                       "real"
 *   names(ids)                  Promise<[string]>: file names of real images                         "real"
 *   codes(id)                   Promise<[Predicted]> of a real image                                 "real"
 *   map()                       Promise<Float32Array> [total, 2], each coordinate in -1..1            "map"
 *   values(control)             Promise<Float32Array> [total]: category or mean of every image        "map"
 *
 * Model: {title, size, channels, steps, reach, noise: {size, prior: "uniform"|"normal"}, controls: [Control]}
 *   reach: how far a continuous code can be moved, in half ranges.
 * Control, one code dimension: {key (in links), code, index, title, configured, description, kind, size, low,
 *   high, categories: {index: name}, verdict} with kind one of categorical, uniform, normal, periodic and
 *   bernoulli; `low` and `high` limit the range of training.
 * Predicted, one for each control: {value, probabilities} of a categorical code, {value, probability} of a
 *   Bernoulli code, {value, mean, std} of a continuous one. `value` is the number for a row.
 * RealStatus: {state: "absent"|"computing"|"ready", message, done: 0..1, total}
 */
"use strict";
const Explorer = {};
