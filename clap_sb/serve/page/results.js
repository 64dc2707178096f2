"use strict";
// Sounds found: pictures, players that start at the hit, tags.

function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
  return parts.map((part, i) => (i ? String(part).padStart(2, "0") : part)).join(":");
}

// One sound at a time.
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) {
    if (audio !== event.target) audio.pause();
  }
}, true);

function connectPlayer(card, hit) {
  const audio = card.querySelector("audio");
  const picture = card.querySelector(".picture");
  const playhead = card.querySelector(".playhead");
  const length = hit.end - hit.start;
  // the picture's button plays the window; the player's own goes on to the end
  let stopAt = null;

  audio.src = `/audio/${hit.sound}`;
  audio.addEventListener("loadedmetadata", () => {
    if (audio.currentTime < hit.start) audio.currentTime = hit.start;
  }, { once: true });
  audio.addEventListener("timeupdate", () => {
    const share = (audio.currentTime - hit.start) / length;
    playhead.hidden = share <= 0 || share > 1;
    playhead.style.left = `${100 * share}%`;
    if (stopAt !== null && audio.currentTime >= stopAt) audio.pause();
  });
  audio.addEventListener("play", () => card.classList.add("playing"));
  audio.addEventListener("pause", () => {
    card.classList.remove("playing");
    stopAt = null;
  });
  audio.addEventListener("error", async () => {
    const answer = await fetch(audio.src);
    const reason = answer.ok ? "this browser cannot play it" : (await answer.json()).error;
    card.querySelector(".when").textContent = reason;
  });
  picture.addEventListener("click", (event) => {
    if (!audio.paused) {
      audio.pause();
      return;
    }
    // a key press has no place in the picture
    const box = picture.getBoundingClientRect();
    const share = event.detail ? (event.clientX - box.left) / box.width : 0;
    audio.currentTime = hit.start + share * length;
    stopAt = hit.end;
    audio.play();
  });
}

function cardOf(hit, rank, onMore) {
  const card = document.getElementById("hit").content.firstElementChild.cloneNode(true);
  const span = `${clock(hit.start)} to ${clock(hit.end)}`;
  const picture = card.querySelector(".picture");
  picture.setAttribute("aria-label", `Play ${hit.name} from ${clock(hit.start)}`);
  picture.title = "Play from here";
  const image = card.querySelector("img");
  image.src = `/picture/${hit.sound}/${hit.window}`;
  image.alt = `Spectrogram, ${span}`;
  card.querySelector(".rank").textContent = rank;
  card.querySelector(".name").textContent = hit.name;
  const score = card.querySelector(".score");
  score.textContent = hit.score.toFixed(2);
  score.title = `Cosine with the query: ${hit.score.toFixed(4)}`;
  card.querySelector(".where").textContent = hit.folder;
  const whole = hit.end - hit.start >= hit.duration;
  card.querySelector(".when").textContent =
    whole ? `the whole file, ${clock(hit.duration)}` : `${span} of ${clock(hit.duration)}`;
  const more = card.querySelector(".more");
  more.setAttribute("aria-label", `More like ${hit.name}`);
  more.addEventListener("click", () => onMore(hit));
  const others = [...hit.copies, ...hit.similar];
  const details = card.querySelector("details");
  details.hidden = !others.length;
  details.querySelector("summary").textContent =
    `${hit.copies.length} copies, ${hit.similar.length} near-duplicates`;
  for (const path of others) {
    const item = document.createElement("li");
    item.textContent = path;
    details.querySelector("ul").append(item);
  }
  connectPlayer(card, hit);
  return card;
}

function rowOfTag(tag) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = tag.label;
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.append(document.createElement("span"));
  bar.firstChild.style.width = `${100 * tag.probability}%`;
  const share = document.createElement("span");
  share.className = "share";
  share.textContent = `${(100 * tag.probability).toFixed(0)} %`;
  row.append(name, bar, share);
  return row;
}
