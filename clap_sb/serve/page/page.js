// The page: what is asked for, and what of it is shown.

import * as address from "./address.js";
import { askData, ServerGone } from "./ask.js";
import { Example } from "./example.js";
import { Favourites } from "./favourites.js";
import { Filters } from "./filters.js";
import { listenToKeys } from "./keys.js";
import { List } from "./list.js";
import { Player } from "./player.js";
import { find, findFrom, isSearch, statusOf, titleOf } from "./search.js";
import { Start } from "./start.js";

const part = (id) => document.getElementById(id);
const AT_ONCE = 30;
const SOON = 300; // milliseconds
const READ_AGAIN = 1500;
const TOLD_FOR = 8000;

const player = new Player();
const favourites = new Favourites();
const list = new List(player, favourites);
const filters = new Filters();
const example = new Example(player);
const start = new Start((text) => {
  part("text").value = text;
  look({ text }, { focusList: true });
});
// files that were sent, by the server's names for them
const sent = new Map();

let about = { sounds: 0 };
// what the list shows, or is about to, and what came of it
let asked = {};
let found = null;
let latest = 0;
let isLoadingMore = false;

// Asks for something new, by the filters that are set.
function look(what, options = {}) {
  return run({ ...filters.values, ...what }, { push: true, ...options });
}

async function run(wanted, { push = false, rows = AT_ONCE, focusList = false, isOpening = false } = {}) {
  const number = ++latest;
  const before = found && titleOf(asked, found);
  // what comes takes the place of a row that has the focus
  const takesFocus = () => focusList || list.hasFocus;
  working("Searching…");
  try {
    const answer = await find(withFile(wanted), Math.max(rows, AT_ONCE));
    // an answer that took longer than a later one is of no use
    if (number !== latest) return;
    asked = remember(wanted, answer);
    found = answer;
    const { file, windows, ...kept } = asked;
    address.write(kept, { push, rows: answer.hits.length });
    display(takesFocus(), isOpening);
  } catch (error) {
    if (number === latest) failed(error, before, () => run(wanted, { push, rows, focusList: true }));
  }
}

function withFile(wanted) {
  if (wanted.show === "favourites") return { ...wanted, windows: favourites.windows };
  const file = wanted.file ?? sent.get(wanted.example);
  return file ? { ...wanted, file } : wanted;
}

function remember(wanted, answer) {
  const all = withFile(wanted);
  if (!answer.example) return all;
  if (all.file) sent.set(answer.example, all.file);
  return { ...all, example: answer.example };
}

function display(takesFocus, isOpening) {
  const selected = asked.selected;
  list.show(found.hits);
  part("status").textContent = statusOf(asked, found, about.sounds);
  part("end").textContent = "";
  part("note").textContent = "";
  document.title = isSearch(asked) ? `${titleOf(asked, found)} – Sound search` : "Sound search";
  start.show(!isSearch(asked) && !asked.show);
  if (asked.text) start.note(asked.text);
  part("favourites").setAttribute("aria-pressed", asked.show === "favourites");
  part("filters").hidden = asked.show === "favourites";
  part("download").hidden = asked.show !== "favourites" || !found.hits.length;
  // one that cannot be used is not searched by any more
  if (example.file && example.file !== asked.file) example.show(null);
  example.showBalance(Boolean(asked.file && asked.text));
  if (found.unread) readAgain();
  if (selected && list.chooseById(selected, { focus: takesFocus || isOpening })) return;
  if (takesFocus && found.hits.length) list.chooseFirst();
  else if (takesFocus) part("text").focus();
  else window.scrollTo({ top: 0 });
}

// Headers are read meanwhile, and the list grows by them.
function readAgain() {
  const number = latest;
  setTimeout(() => { if (number === latest) run(asked, { rows: list.count }); }, READ_AGAIN);
}

async function more() {
  if (!found?.more || isLoadingMore) return;
  isLoadingMore = true;
  const number = latest;
  part("end").textContent = "Searching for more…";
  try {
    const answer = await findFrom(asked, list.count, AT_ONCE);
    if (number !== latest) return;
    await list.append(answer.hits);
    if (number !== latest) return;
    found.more = answer.more;
    part("end").textContent = "";
    saveSoon();
  } catch (error) {
    if (number === latest) failed(error, titleOf(asked, found), more);
  } finally {
    isLoadingMore = false;
  }
}

function working(doing) {
  part("error").replaceChildren();
  part("status").textContent = doing;
  list.setStale(true);
}

function failed(error, before, again) {
  part("end").textContent = "";
  part("status").textContent = before ? `Still listed, from before: ${before}` : "";
  list.setStale(true);
  const parts = [error.message];
  if (error instanceof ServerGone) {
    const button = document.createElement("button");
    button.textContent = "Try again";
    button.addEventListener("click", again);
    parts.push(" ", button);
  }
  part("error").replaceChildren(...parts);
}

// What goes on from what is shown, by other words, filters or weights.
function again(changes) {
  const { selected, show, ...rest } = asked;
  for (const name of address.FILTERS) delete rest[name];
  const next = { ...rest, ...changes };
  if (next.file || next.example) next.words = next.text ? 1 - part("words").value / 100 : undefined;
  return look(next);
}

function submit() {
  const text = part("text").value.trim();
  const { example: name, file } = asked;
  if (!text && !name && !file) {
    look({});
    return;
  }
  again({ text, like: undefined, window: undefined });
}

// The address follows what is chosen, but not at every key.
let saving = null;
function saveSoon() {
  clearTimeout(saving);
  saving = setTimeout(() => {
    const { file, windows, ...kept } = asked;
    address.write(kept, { push: false, rows: list.count });
  }, SOON);
}

// Puts what the address has into the fields, and asks for it.
function open() {
  clearTimeout(saving);
  const wanted = address.read();
  part("text").value = wanted.text ?? "";
  filters.values = address.filtersOf(wanted);
  if (wanted.words !== undefined) part("words").value = 100 * (1 - wanted.words);
  const file = sent.get(wanted.example);
  if (file !== example.file) example.show(file ?? null);
  return run(wanted, { rows: history.state?.rows, isOpening: true });
}

part("search").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
part("text").addEventListener("input", () => {
  if (!found || !isSearch(asked)) return;
  const isNew = part("text").value.trim() !== (asked.text ?? "");
  list.setStale(isNew);
  part("status").textContent = isNew
    ? `Press Enter for the new words. Still listed: ${titleOf(asked, found)}`
    : statusOf(asked, found, about.sounds);
});
part("words").addEventListener("change", () => again({}));
filters.addEventListener("change", () => {
  if (asked.show !== "favourites") again({});
});
example.addEventListener("change", () => {
  const text = part("text").value.trim();
  if (!example.file) look(text ? { text } : {});
  else {
    const words = text ? 1 - part("words").value / 100 : undefined;
    look({ text, file: example.file, words });
  }
});
part("tag").addEventListener("submit", async (event) => {
  event.preventDefault();
  part("tag_status").textContent = "Listening…";
  await example.tag().catch((error) => { part("tag_status").textContent = error.message; });
});

list.addEventListener("similar", ({ detail: hit }) => {
  part("text").value = "";
  example.show(null);
  look({ like: hit.sound, window: hit.window }, { focusList: true });
});
list.addEventListener("chosen", ({ detail: row }) => {
  asked.selected = row.id;
  saveSoon();
});
list.addEventListener("more", more);
let silence = null;
function tell(text) {
  clearTimeout(silence);
  part("note").textContent = text;
  silence = setTimeout(() => { part("note").textContent = ""; }, TOLD_FOR);
}
for (const source of [list, player]) {
  source.addEventListener("told", ({ detail }) => tell(detail));
}

favourites.addEventListener("change", () => {
  part("favourites").textContent = `★ Favourites (${favourites.size})`;
});
let beforeFavourites = {};
part("favourites").addEventListener("click", () => {
  const { windows, selected, ...rest } = asked;
  if (asked.show === "favourites") {
    run(beforeFavourites, { push: true });
    return;
  }
  beforeFavourites = rest;
  run({ show: "favourites" }, { push: true });
});
part("download").addEventListener("click", () => {
  favourites.download().catch((error) => tell(error.message));
});

for (const [id, inGrid] of [["as_rows", false], ["as_grid", true]]) {
  part(id).addEventListener("click", () => {
    list.setView(inGrid);
    part("as_rows").setAttribute("aria-pressed", !inGrid);
    part("as_grid").setAttribute("aria-pressed", inGrid);
  });
}
window.addEventListener("popstate", () => open());
listenToKeys(list, player);

async function begin() {
  try {
    about = await askData("/api/about");
  } catch (error) {
    failed(error, null, begin);
    return;
  }
  favourites.open(about.fingerprint);
  start.tell(about);
  if (about.pictures) {
    for (const kinds of document.querySelectorAll(".kinds")) kinds.textContent = "sound or picture";
    part("file").accept = "audio/*,image/*";
  }
  part("about").textContent =
    `${about.sounds.toLocaleString("en")} sounds in ${about.folders.join(", ")}`;
  await open();
  const { rate, channels } = filters.values;
  filters.load(Boolean(rate || channels));
}
begin();
