// A sound or a picture that is dropped, or chosen: heard, seen, tagged.

import { askData } from "./ask.js";

const part = (id) => document.getElementById(id);
const TAGS_SHOWN = 6;

// Tells `change` when there is another one, or none.
export class Example extends EventTarget {
  constructor(player) {
    super();
    this.player = player;
    this.file = null;
    this.address = null;
    part("file").addEventListener("change", () => {
      if (part("file").files.length) this.take(part("file").files[0]);
    });
    part("remove").addEventListener("click", () => {
      part("text").focus();
      this.take(null);
    });
    part("hear").addEventListener("click", () => this.player.toggle(this.track, 0, null));
    player.addEventListener("change", () => {
      const isHeard = player.isPlaying && player.track.url === this.address;
      part("hear").classList.toggle("on", isHeard);
      part("hear").setAttribute("aria-label", `${isHeard ? "Pause" : "Play"} your example`);
    });
    this.#listenToDrops();
  }

  get track() {
    return { key: "example", url: this.address, name: this.file.name };
  }

  take(file) {
    this.show(file);
    this.#changed();
  }

  // Shows one, or none, and tells nobody.
  show(file) {
    if (this.address) {
      if (this.player.track?.url === this.address) this.player.pause();
      URL.revokeObjectURL(this.address);
    }
    this.file = file;
    this.address = file && URL.createObjectURL(file);
    const isPicture = Boolean(file?.type.startsWith("image/"));
    part("seen").hidden = !isPicture;
    part("hear").hidden = isPicture;
    if (isPicture) part("seen").src = this.address;
    else part("seen").removeAttribute("src");
    part("example").hidden = !file;
    part("example_name").textContent = file?.name ?? "";
    part("tagging").open = false;
    part("tags").replaceChildren();
    part("tag_status").textContent = "";
    part("file").value = "";
  }

  showBalance(isShown) {
    part("balance").hidden = !isShown;
  }

  async tag() {
    const words = { labels: part("labels").value, name: this.file.name };
    const { tags } = await askData("/api/tags", words, this.file);
    part("tags").replaceChildren(...tags.slice(0, TAGS_SHOWN).map(rowOfTag));
    part("tag_status").textContent = `Of these, it is most like: ${tags[0].label}`;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #listenToDrops() {
    const isFile = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dropping");
      if (event.dataTransfer.files.length) this.take(event.dataTransfer.files[0]);
    });
  }
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
