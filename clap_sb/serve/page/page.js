"use strict";
// The page: what is asked for, and what comes back.

const part = (id) => document.getElementById(id);
const TAGS_SHOWN = 6;

// a sound that was dropped, or a hit whose like is wanted
let sound = null;
let like = null;
let latest = 0;

async function ask(path, words, body) {
  const answer = await fetch(`${path}?${new URLSearchParams(words)}`, {
    method: body ? "POST" : "GET",
    body,
  });
  const found = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}

async function shown(task, doing) {
  part("error").textContent = "";
  part("status").textContent = doing;
  try {
    await task();
  } catch (error) {
    part("status").textContent = "";
    part("error").textContent =
      error instanceof TypeError ? "The server does not answer." : error.message;
  }
}

function searchFor() {
  const text = part("text").value.trim();
  if (!text && !sound && !like) return;
  const words = { text, words: 1 - part("words").value / 100 };
  for (const name of ["fold", "every_window"]) words[name] = part(name).checked;
  if (like) words.like = like.row;
  const number = ++latest;
  shown(async () => {
    const { hits } = await ask("/api/search", words, sound);
    // an answer that took longer than a later one is of no use
    if (number !== latest) return;
    const more = (hit) => {
      part("text").value = "";
      removeSound();
      like = hit;
      searchFor();
      window.scrollTo({ top: 0 });
    };
    part("hits").replaceChildren(...hits.map((hit, i) => cardOf(hit, i + 1, more)));
    const names = [text && `“${text}”`, sound && `“${sound.name}”`];
    if (like) names.push(`more like “${like.name}”`);
    const found = hits.length ? `The ${hits.length} nearest to` : "Nothing found for";
    part("status").textContent = `${found} ${names.filter(Boolean).join(" with ")}`;
  }, "Searching…");
}

function takeSound(file) {
  removeSound();
  sound = file;
  part("sound").hidden = false;
  part("sound_name").textContent = file.name;
  part("sound_player").src = URL.createObjectURL(file);
  showBalance();
  searchFor();
}

function removeSound() {
  if (sound) URL.revokeObjectURL(part("sound_player").src);
  sound = null;
  like = null;
  part("sound").hidden = true;
  part("sound_player").removeAttribute("src");
  part("tags").replaceChildren();
  part("file").value = "";
}

function showBalance() {
  part("balance").hidden = !(sound && part("text").value.trim());
}

part("search").addEventListener("submit", (event) => {
  event.preventDefault();
  like = null;
  searchFor();
});
part("text").addEventListener("input", showBalance);
for (const id of ["fold", "every_window", "words"]) {
  part(id).addEventListener("change", searchFor);
}
part("file").addEventListener("change", () => {
  if (part("file").files.length) takeSound(part("file").files[0]);
});
part("drop_sound").addEventListener("click", () => {
  removeSound();
  searchFor();
});
part("tag").addEventListener("submit", (event) => {
  event.preventDefault();
  shown(async () => {
    const { tags } = await ask("/api/tags", { labels: part("labels").value }, sound);
    part("tags").replaceChildren(...tags.slice(0, TAGS_SHOWN).map(rowOfTag));
    part("status").textContent = `It is most like: ${tags[0].label}`;
  }, "Listening…");
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (event.dataTransfer.files.length) takeSound(event.dataTransfer.files[0]);
});

ask("/api/about", {}).then((about) => {
  const number = (count) => count.toLocaleString("en");
  part("about").textContent =
    `${number(about.sounds)} sounds in ${about.folders.join(", ")} · ${about.model}`;
});
