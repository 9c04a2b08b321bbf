/* One request at a time: the grid before the traversals, and so on; only the newest of each. */
"use strict";
{
  class RequestQueue {
    constructor(onerror) {
      this.waiting = new Map();
      this.running = false;
      this.onerror = onerror;
    }

    /** Run `task` when no task of higher priority waits; it replaces a waiting task of the same name. */
    add(name, priority, task) {
      this.waiting.set(name, { priority, task });
      if (!this.running) this.run();
    }

    async run() {
      this.running = true;
      while (this.waiting.size) {
        const [name, { task }] = [...this.waiting].reduce((best, entry) =>
          (entry[1].priority < best[1].priority ? entry : best));
        this.waiting.delete(name);
        try {
          await task();
        } catch (error) {
          this.onerror(error);
        }
      }
      this.running = false;
    }
  }
  Explorer.RequestQueue = RequestQueue;
}
