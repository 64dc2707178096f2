"use strict";
// The page: what is asked for, and what comes back.

const part = (id) => document.getElementById(id);
const TAGS_SHOWN = 6;

// a sound or a picture that was dropped, or a hit whose like is wanted
let example = null;
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

async function shown(task, status, doing) {
  part("error").textContent = "";
  status.textContent = doing;
  try {
    await task();
  } catch (error) {
    status.textContent = "";
    part("error").textContent =
      error instanceof TypeError ? "The server does not answer." : error.message;
  }
}

function searchFor() {
  const text = part("text").value.trim();
  if (!text && !example && !like) return;
  const words = { text, words: 1 - part("words").value / 100 };
  for (const name of ["fold", "every_window"]) words[name] = part(name).checked;
  if (like) Object.assign(words, { like: like.sound, window: like.window });
  const number = ++latest;
  shown(async () => {
    const { hits } = await ask("/api/search", words, example);
    // an answer that took longer than a later one is of no use
    if (number !== latest) return;
    const more = (hit) => {
      part("text").value = "";
      removeExample();
      like = hit;
      searchFor();
      window.scrollTo({ top: 0 });
    };
    part("hits").replaceChildren(...hits.map((hit, i) => cardOf(hit, i + 1, more)));
    const names = [text && `“${text}”`, example && `“${example.name}”`];
    if (like) names.push(`more like “${like.name}”`);
    const found = hits.length ? `The ${hits.length} nearest to` : "Nothing found for";
    part("status").textContent = `${found} ${names.filter(Boolean).join(" with ")}`;
  }, part("status"), "Searching…");
}

function takeExample(file) {
  removeExample();
  example = file;
  const isPicture = file.type.startsWith("image/");
  part("seen").hidden = !isPicture;
  part("heard").hidden = isPicture;
  part(isPicture ? "seen" : "heard").src = URL.createObjectURL(file);
  part("example").hidden = false;
  part("example_name").textContent = file.name;
  showBalance();
  searchFor();
}

function removeExample() {
  for (const id of ["seen", "heard"]) {
    URL.revokeObjectURL(part(id).src);
    part(id).removeAttribute("src");
  }
  example = null;
  like = null;
  part("example").hidden = true;
  part("tags").replaceChildren();
  part("tag_status").textContent = "";
  part("file").value = "";
}

function showBalance() {
  part("balance").hidden = !(example && part("text").value.trim());
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
  if (part("file").files.length) takeExample(part("file").files[0]);
});
part("remove").addEventListener("click", () => {
  removeExample();
  searchFor();
});
part("tag").addEventListener("submit", (event) => {
  event.preventDefault();
  shown(async () => {
    const { tags } = await ask("/api/tags", { labels: part("labels").value }, example);
    part("tags").replaceChildren(...tags.slice(0, TAGS_SHOWN).map(rowOfTag));
    part("tag_status").textContent = `Of these, it is most like: ${tags[0].label}`;
  }, part("tag_status"), "Listening…");
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
  if (event.dataTransfer.files.length) takeExample(event.dataTransfer.files[0]);
});

ask("/api/about", {}).then((about) => {
  const number = (count) => count.toLocaleString("en");
  if (about.pictures) {
    part("kinds").textContent = "Drop a sound or a picture here";
    part("file").accept = "audio/*,image/*";
  }
  part("about").textContent =
    `${number(about.sounds)} sounds in ${about.folders.join(", ")} · ${about.model}`;
});
