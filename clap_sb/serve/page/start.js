// The page before anything is asked: what to try, what was looked for, what index it is.

import { counted } from "./wording.js";

const part = (id) => document.getElementById(id);
const STORED = "clap-sb recent";
const MOST = 8;
const TRIES = [
  "a dog barking", "rain on a roof", "footsteps on gravel", "a crowd laughing",
  "a train passing by", "birds singing in the morning",
];

// Calls back with the words that were clicked.
export class Start {
  constructor(onWords) {
    this.onWords = onWords;
    part("tries").replaceChildren(...TRIES.map((words) => this.#button(words)));
  }

  show(isShown) {
    part("start").hidden = !isShown;
    const recent = this.#recent();
    part("recents").hidden = !recent.length;
    part("recent").replaceChildren(...recent.map((words) => this.#button(words)));
  }

  note(words) {
    if (!words) return;
    const others = this.#recent().filter((one) => one !== words);
    localStorage.setItem(STORED, JSON.stringify([words, ...others].slice(0, MOST)));
  }

  tell(about) {
    const facts = {
      Sounds: `${counted(about.sounds, "sound")}, ${counted(about.windows, "window")}`,
      Folders: about.folders.join("\n"),
      Index: about.index,
      Model: about.model,
      Search: about.exact ? "exact: every window is compared" : "approximate: a hit may be missed",
    };
    part("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => {
      const term = document.createElement("dt");
      term.textContent = name;
      const told = document.createElement("dd");
      told.textContent = value;
      return [term, told];
    }));
  }

  #recent() {
    return JSON.parse(localStorage.getItem(STORED) ?? "[]");
  }

  #button(words) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "chip";
    button.textContent = words;
    button.addEventListener("click", () => this.onWords(words));
    return button;
  }
}
