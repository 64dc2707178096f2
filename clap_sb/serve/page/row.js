// A sound that was found, as a row of the list.

import { show } from "./pictures.js";
import { channels, clock, cosine, kilohertz, span } from "./wording.js";

const NOT_PLAYED = "not played: in no folder that you have had indexed";

const template = document.getElementById("row");

export class Row {
  // `best` is the score that fills the bar; `depth` is 1 for what was folded.
  constructor(hit, { rank = "", best = 1, depth = 0 } = {}) {
    this.hit = hit;
    this.rank = rank;
    this.best = best;
    this.folded = null;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.classList.toggle("folded", depth > 0);
    this.#fill();
  }

  part(name) {
    return this.element.querySelector(`.${name}`);
  }

  get id() {
    return `${this.hit.sound}.${this.hit.window}`;
  }

  get track() {
    const { sound, name } = this.hit;
    return { key: this.id, url: `/audio/${sound}`, name, row: this };
  }

  get excerpt() {
    return `/excerpt/${this.hit.sound}/${this.hit.window}`;
  }

  get excerptName() {
    const { name, start, end } = this.hit;
    return `${name.replace(/\.[^.]*$/, "")} ${start.toFixed(1)}-${end.toFixed(1)} s.wav`;
  }

  // What the picture shows, in seconds.
  get shown() {
    return this.inGrid ? [this.hit.start, this.hit.end] : [0, this.hit.duration];
  }

  setView(inGrid) {
    this.inGrid = inGrid;
    this.#fillWindow();
  }

  // The window of the same file that is `step` on among those that were found.
  moveWindow(step) {
    const { marks, window } = this.hit;
    const next = marks[marks.findIndex((mark) => mark.window === window) + step];
    if (!next) return false;
    this.hit = { ...this.hit, ...next };
    this.#fillWindow();
    return true;
  }

  setHeader(header) {
    this.part("header").textContent = [
      header && kilohertz(header.rate), header && channels(header.channels), this.hit.format,
    ].filter(Boolean).join(" · ");
  }

  setFavourite(isOne) {
    const button = this.part("favourite");
    button.setAttribute("aria-pressed", isOne);
  }

  setPlaying(isPlaying) {
    this.element.classList.toggle("playing", isPlaying);
    const what = isPlaying ? "Pause" : "Play";
    this.part("play").setAttribute("aria-label", `${what} ${this.hit.name}`);
  }

  setPlace(seconds) {
    const [start, end] = this.shown;
    const share = (seconds - start) / (end - start);
    const playhead = this.part("playhead");
    playhead.hidden = !(share >= 0 && share <= 1);
    playhead.style.left = `${100 * share}%`;
  }

  // Where in the sound a click into the picture points.
  placeOf(event) {
    const [start, end] = this.shown;
    const box = this.part("picture").getBoundingClientRect();
    // a key press has no place in the picture
    const share = event.detail ? (event.clientX - box.left) / box.width : null;
    return share === null ? this.hit.start : start + share * (end - start);
  }

  #fill() {
    const { hit } = this;
    this.part("rank").textContent = this.rank;
    this.part("name").textContent = hit.name;
    this.part("name").title = `${hit.path}\nDrag it to take the file`;
    const where = [hit.folder, !hit.plays && NOT_PLAYED];
    this.part("folder").textContent = where.filter(Boolean).join(" – ");
    this.part("save").hidden = !hit.plays;
    this.setHeader(hit.header);
    this.setFavourite(false);
    this.setPlaying(false);
    this.#fillOthers();
    for (const [name, what] of [
      ["similar", "Similar to"], ["favourite", "Favourite:"], ["copy", "Copy the path of"],
    ]) {
      this.part(name).setAttribute("aria-label", `${what} ${hit.name}`);
    }
    this.setView(false);
  }

  #fillOthers() {
    const { similar = [], copies = [] } = this.hit;
    const told = [
      similar.length && `${similar.length} near-duplicate${similar.length > 1 ? "s" : ""}`,
      copies.length && `${copies.length} cop${copies.length > 1 ? "ies" : "y"}`,
    ].filter(Boolean).join(", ");
    this.part("others").hidden = !told;
    this.part("others").textContent = told;
    this.part("copies").textContent = copies.map((path) => `The same bytes: ${path}`).join("\n");
  }

  #fillWindow() {
    const { hit } = this;
    const [start, end] = this.shown;
    const length = end - start;
    const place = (element, from, to) => {
      element.style.left = `${(100 * (from - start)) / length}%`;
      element.style.width = `${(100 * (to - from)) / length}%`;
    };
    const whole = hit.end - hit.start >= hit.duration;
    const window = this.part("window");
    window.hidden = this.inGrid || whole;
    place(window, hit.start, hit.end);
    this.part("marks").replaceChildren(...(this.inGrid || whole ? [] : this.#marks(place)));
    this.part("when").textContent = span(hit);
    this.part("save").href = this.excerpt;
    this.part("save").download = this.excerptName;
    this.part("save").setAttribute("aria-label", `Save as WAV: ${hit.name}, ${span(hit)}`);
    this.part("picture").setAttribute("aria-label", `${hit.name}: play from a place in it`);
    this.part("picture").title = "Play from here; drag to take the window as WAV";
    this.#fillScore();
    const version = `d=${hit.digest.slice(0, 12)}`;
    const address = this.inGrid
      ? `/picture/${hit.sound}/${hit.window}?${version}`
      : `/picture/${hit.sound}?${version}`;
    if (hit.plays) show(this.part("picture").querySelector("img"), address);
    this.element.setAttribute("aria-label", this.#told());
  }

  #marks(place) {
    const scores = this.hit.marks.map((mark) => mark.score);
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    return this.hit.marks.map((mark) => {
      const element = document.createElement("span");
      place(element, mark.start, mark.end);
      // the nearest is as high as the strip, the farthest a quarter of it
      const share = high > low ? (mark.score - low) / (high - low) : 1;
      element.style.height = `${25 + 75 * share}%`;
      element.title = `${clock(mark.start)} to ${clock(mark.end)}: ${cosine(mark.score)}`;
      return element;
    });
  }

  #fillScore() {
    const { score } = this.hit;
    this.part("score").classList.toggle("none", score === null);
    if (score === null) return;
    this.part("number").textContent = cosine(score);
    this.part("score").title = `Cosine with the query: ${cosine(score, 4)}`;
    const share = this.best > 0 ? Math.max(0, score) / this.best : 0;
    this.part("bar").firstElementChild.style.width = `${100 * Math.min(1, share)}%`;
  }

  #told() {
    const { hit } = this;
    const score = hit.score === null ? null : `score ${cosine(hit.score)}`;
    return [this.rank && `${this.rank}`, hit.name, score, span(hit), hit.folder]
      .filter(Boolean).join(", ");
  }
}
