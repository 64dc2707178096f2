// Sounds that were noted: kept by the browser, by what is in them.

import { ask } from "./ask.js";

export class Favourites extends EventTarget {
  // Windows are those of one model.
  open(fingerprint) {
    this.stored = `clap-sb favourites ${fingerprint}`;
    this.#read();
    // another tab has changed them
    window.addEventListener("storage", ({ key }) => { if (key === this.stored) this.#read(); });
  }

  get size() {
    return this.kept?.size ?? 0;
  }

  get windows() {
    return [...this.kept.values()];
  }

  has(hit) {
    return this.kept?.has(keyOf(hit)) ?? false;
  }

  // Gives whether it is one now.
  toggle(hit) {
    this.#read();
    const isOne = !this.kept.delete(keyOf(hit));
    if (isOne) this.kept.set(keyOf(hit), [hit.digest, hit.window]);
    localStorage.setItem(this.stored, JSON.stringify([...this.kept]));
    this.dispatchEvent(new Event("change"));
    return isOne;
  }

  #read() {
    this.kept = new Map(JSON.parse(localStorage.getItem(this.stored) ?? "[]"));
    this.dispatchEvent(new Event("change"));
  }

  async download() {
    const answer = await ask("/api/playlist", {}, JSON.stringify(this.windows));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "favourites.m3u";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

function keyOf(hit) {
  return `${hit.digest}.${hit.window}`;
}
