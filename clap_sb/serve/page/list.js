// The list of sounds: which one is chosen, what is done with it, more as one scrolls.

import { askData } from "./ask.js";
import { forget } from "./pictures.js";
import { Row } from "./row.js";

const part = (id) => document.getElementById(id);
const IN_A_FRAME = 10;
const NEAR_THE_END = "1200px 0px";

// Tells by events: `similar` (a hit), `chosen`, `more` (the end is near), `told` (a text).
export class List extends EventTarget {
  constructor(player, favourites) {
    super();
    this.player = player;
    this.favourites = favourites;
    this.grid = part("hits");
    this.rows = new Map();
    // hits that are listed, and how often others took their place
    this.count = 0;
    this.shown = 0;
    this.chosen = null;
    this.playing = null;
    this.inGrid = false;
    this.best = 1;
    this.#listen();
    this.end = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.#tell("more");
    }, { rootMargin: NEAR_THE_END });
    favourites.addEventListener("change", () => {
      for (const row of this.rows.values()) this.#showFavourite(row);
    });
    player.addEventListener("change", () => this.#showPlaying());
    player.addEventListener("move", () => this.playing?.setPlace(player.place));
  }

  get hasFocus() {
    return this.grid.contains(document.activeElement);
  }

  // Puts other sounds in the place of those that are listed.
  show(hits) {
    forget(this.grid.querySelectorAll("img"));
    this.rows.clear();
    this.shown += 1;
    this.chosen = null;
    this.playing = null;
    this.best = Math.max(0, ...hits.map((hit) => hit.score ?? 0));
    this.grid.replaceChildren();
    this.setStale(false);
    this.count = 0;
    this.#addRanked(hits);
    this.#watchEnd();
    this.grid.hidden = !hits.length;
  }

  // Adds further ones, some in each frame, so that scrolling goes on meanwhile.
  async append(hits) {
    const { shown } = this;
    for (let first = 0; first < hits.length; first += IN_A_FRAME) {
      await new Promise(requestAnimationFrame);
      if (shown !== this.shown) return;
      this.#addRanked(hits.slice(first, first + IN_A_FRAME));
    }
    this.#watchEnd();
  }

  setStale(isStale) {
    this.grid.classList.toggle("stale", isStale);
    this.grid.setAttribute("aria-busy", isStale);
  }

  setView(inGrid) {
    this.inGrid = inGrid;
    this.grid.classList.toggle("rows", !inGrid);
    this.grid.classList.toggle("cards", inGrid);
    for (const row of this.rows.values()) row.setView(inGrid);
  }

  choose(row, { focus = true, play = false } = {}) {
    if (this.chosen !== row) {
      this.chosen?.element.setAttribute("aria-selected", "false");
      this.chosen = row;
      row.element.setAttribute("aria-selected", "true");
      this.#tell("chosen", row);
    }
    if (focus && document.activeElement !== row.element) row.element.focus();
    if (play) this.player.play(row.track, row.hit.start, row.hit.end);
  }

  chooseById(id, options) {
    const row = [...this.rows.values()].find((one) => one.id === id);
    if (row) this.choose(row, options);
    return Boolean(row);
  }

  chooseFirst(options) {
    const first = this.rows.get(this.grid.firstElementChild);
    if (first) this.choose(first, options);
  }

  // The next row, or the one before; of none that is chosen, the first.
  move(step) {
    const from = this.chosen?.element;
    const to = step > 0 ? from?.nextElementSibling : from?.previousElementSibling;
    const row = this.rows.get(from ? to : this.grid.firstElementChild);
    if (row) this.choose(row, { play: true });
  }

  moveWindow(step) {
    if (this.chosen?.moveWindow(step)) {
      this.#showFavourite(this.chosen);
      this.choose(this.chosen, { play: true });
    }
  }

  toggle(row = this.chosen) {
    if (row) this.player.toggle(row.track, row.hit.start, row.hit.end);
  }

  similar(row = this.chosen) {
    if (row) this.#tell("similar", row.hit);
  }

  favour(row = this.chosen) {
    if (!row) return;
    const isOne = this.favourites.toggle(row.hit);
    this.#tell("told", `${isOne ? "In" : "Out of"} the favourites: ${row.hit.name}`);
  }

  save(row = this.chosen) {
    row?.part("save").click();
  }

  async copy(row = this.chosen) {
    if (!row) return;
    const done = await copyText(row.hit.path);
    row.element.focus();
    this.#tell("told", done ? `Copied: ${row.hit.path}` : row.hit.path);
  }

  // What was folded into a row comes below it, as rows, and goes again.
  unfold(row = this.chosen) {
    const { similar = [], copies = [] } = row?.hit ?? {};
    if (!similar.length && !copies.length) return;
    row.part("copies").hidden = !copies.length || !row.part("copies").hidden;
    if (row.folded) {
      for (const one of row.folded) {
        this.rows.delete(one.element);
        one.element.remove();
      }
      row.folded = null;
    } else {
      row.folded = similar.map((hit) => new Row(
        { ...hit, marks: [], copies: [], similar: [] }, { best: this.best, depth: 1 },
      ));
      this.#add(row.folded, row.element.nextSibling);
    }
    row.part("others").setAttribute("aria-expanded", Boolean(row.folded));
  }

  #addRanked(hits) {
    this.#add(hits.map((hit) => {
      this.count += 1;
      return new Row(hit, { rank: hit.score === null ? "" : this.count, best: this.best });
    }), null);
  }

  // It tells again, also if the end is as near as before.
  #watchEnd() {
    this.end.unobserve(part("end"));
    this.end.observe(part("end"));
  }

  #add(rows, before) {
    const group = document.createDocumentFragment();
    for (const row of rows) {
      row.element.setAttribute("aria-selected", "false");
      if (this.inGrid) row.setView(true);
      this.#showFavourite(row);
      this.rows.set(row.element, row);
      group.append(row.element);
    }
    this.grid.insertBefore(group, before);
    this.#readHeaders(rows.filter((row) => !row.hit.header));
  }

  // An index of an older version does not note them.
  async #readHeaders(rows) {
    if (!rows.length) return;
    const sounds = [...new Set(rows.map((row) => row.hit.sound))].join(",");
    // without them, the rows say less, and nothing else is wrong
    const headers = await askData("/api/headers", { sounds }).catch(() => ({}));
    for (const row of rows) row.setHeader(headers[row.hit.sound]);
  }

  #showFavourite(row) {
    row.setFavourite(this.favourites.has(row.hit));
  }

  #showPlaying() {
    const row = this.player.track?.row ?? null;
    if (this.playing && this.playing !== row) {
      this.playing.setPlaying(false);
      this.playing.part("playhead").hidden = true;
    }
    this.playing = row;
    row?.setPlaying(this.player.isPlaying);
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  #rowOf(event) {
    return this.rows.get(event.target.closest(".row"));
  }

  #listen() {
    this.grid.addEventListener("focusin", (event) => {
      const row = this.#rowOf(event);
      if (row) this.choose(row, { focus: false });
    });
    this.grid.addEventListener("click", (event) => {
      const row = this.#rowOf(event);
      if (!row) return;
      // keys go on from here, whatever was clicked
      this.choose(row);
      this.#clicked(row, event);
    });
    this.grid.addEventListener("dragstart", (event) => {
      const row = this.#rowOf(event);
      if (row) offer(row, event);
    });
  }

  #clicked(row, event) {
    const is = (name) => event.target.closest(`.${name}`);
    if (is("play")) this.toggle(row);
    else if (is("picture")) {
      const { start, end } = row.hit;
      const place = row.placeOf(event);
      const inside = place >= start && place < end;
      this.player.play(row.track, place, inside ? end : null);
    } else if (is("similar")) this.similar(row);
    else if (is("favourite")) this.favour(row);
    else if (is("copy")) this.copy(row);
    else if (is("others")) this.unfold(row);
  }
}

// Another program gets the file by its name, and of the picture the window as WAV.
function offer(row, event) {
  const isWindow = event.target.closest(".picture");
  const address = new URL(isWindow ? row.excerpt : `/file/${row.hit.sound}`, location.href).href;
  const name = (isWindow ? row.excerptName : row.hit.name).replaceAll(":", "-");
  const kind = isWindow ? "audio/wav" : "application/octet-stream";
  event.dataTransfer.setData("DownloadURL", `${kind}:${name}:${address}`);
  event.dataTransfer.setData("text/uri-list", address);
  event.dataTransfer.setData("text/plain", row.hit.path);
  event.dataTransfer.effectAllowed = "copy";
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // over plain HTTP from another machine there is no clipboard but the old one's
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
