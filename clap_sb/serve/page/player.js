// The one player of the page: a sound of the index, or the one that was dropped.

import { clock } from "./wording.js";

const part = (id) => document.getElementById(id);
const AT_END = 0.05;

export class Player extends EventTarget {
  constructor() {
    super();
    this.audio = part("audio");
    this.track = null;
    // the place where it stops; null for the end of the file
    this.until = null;
    this.audio.addEventListener("play", () => this.#changed());
    this.audio.addEventListener("pause", () => this.#changed());
    this.audio.addEventListener("ended", () => this.#changed());
    this.audio.addEventListener("timeupdate", () => this.#moved());
    this.audio.addEventListener("seeked", () => this.#moved());
    this.audio.addEventListener("durationchange", () => this.#moved());
    this.audio.addEventListener("error", () => this.#failed());
    part("play").addEventListener("click", () => this.playOn());
    part("place").addEventListener("input", () => {
      this.until = null;
      this.audio.currentTime = Number(part("place").value);
    });
  }

  get isPlaying() {
    return !this.audio.paused;
  }

  get place() {
    return this.audio.currentTime;
  }

  // A track is {key, url, name}; the same key is the same sound.
  play(track, from = 0, until = null) {
    this.until = until;
    part("player").hidden = false;
    part("playing").textContent = track.name;
    if (this.track?.url !== track.url) {
      this.audio.src = track.url;
      this.audio.addEventListener(
        "loadedmetadata", () => { this.audio.currentTime = from; }, { once: true },
      );
    } else {
      this.audio.currentTime = from;
    }
    this.track = track;
    this.#start();
  }

  // On from where it is if it is this track, else from its beginning.
  toggle(track, from, until) {
    const inside = this.place >= from && (until === null || this.place < until - AT_END);
    if (this.track?.key !== track.key) this.play(track, from, until);
    else if (this.isPlaying) this.audio.pause();
    else if (inside && !this.audio.ended) {
      this.until = until;
      this.#start();
    } else this.play(track, from, until);
  }

  // To the end of the file, wherever the window ends.
  playOn() {
    this.until = null;
    if (this.isPlaying) this.audio.pause();
    else if (this.track) this.#start();
  }

  pause() {
    this.audio.pause();
  }

  seek(seconds) {
    if (!this.track) return;
    this.until = null;
    const end = this.audio.duration || 0;
    this.audio.currentTime = Math.min(Math.max(this.place + seconds, 0), end);
  }

  #start() {
    // another sound that is chosen meanwhile is no mistake
    this.audio.play().catch((error) => {
      if (error.name === "NotAllowedError") this.#told("Press Space to hear it.");
    });
    this.#follow();
  }

  #follow() {
    if (!this.isPlaying) return;
    this.#moved();
    requestAnimationFrame(() => this.#follow());
  }

  #moved() {
    if (this.until !== null && this.isPlaying && this.place >= this.until) this.audio.pause();
    const end = Number.isFinite(this.audio.duration) ? this.audio.duration : 0;
    const slider = part("place");
    slider.max = end || 1;
    slider.value = this.place;
    const told = `${clock(this.place)} of ${clock(end)}`;
    if (part("clock").textContent !== told) {
      part("clock").textContent = told;
      slider.setAttribute("aria-valuetext", told);
    }
    this.dispatchEvent(new Event("move"));
  }

  #changed() {
    const button = part("play");
    button.classList.toggle("on", this.isPlaying);
    button.setAttribute("aria-label", this.isPlaying ? "Pause" : "Play");
    this.dispatchEvent(new Event("change"));
    this.#moved();
  }

  async #failed() {
    if (!this.audio.getAttribute("src")) return;
    const track = this.track;
    const answer = await fetch(this.audio.src).catch(() => null);
    let reason = "the server does not answer";
    if (answer?.ok) reason = "this browser cannot play it";
    else if (answer) reason = (await answer.json()).error;
    if (track === this.track) this.#told(`${track.name} cannot be played: ${reason}`);
  }

  #told(text) {
    this.dispatchEvent(new CustomEvent("told", { detail: text }));
  }
}
