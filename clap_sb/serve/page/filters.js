// The filters beside the list: what there is to choose from, with counts.

import { askData } from "./ask.js";
import { FILTERS } from "./address.js";
import { channels, counted, kilohertz } from "./wording.js";

const part = (id) => document.getElementById(id);
const WIDE = matchMedia("(min-width: 60rem)");
const AGAIN = 1000; // milliseconds, while the server reads headers
const CHOICES = {
  folder: ["folders", (name) => name],
  format: ["formats", (name) => name.toUpperCase()],
  rate: ["rates", kilohertz],
  channels: ["channels", channels],
};

export class Filters extends EventTarget {
  constructor() {
    super();
    this.form = part("filter");
    part("filters").open = WIDE.matches;
    WIDE.addEventListener("change", () => { part("filters").open = WIDE.matches; });
    this.form.addEventListener("change", () => this.#changed());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#changed();
    });
    this.form.addEventListener("reset", () => setTimeout(() => this.#changed()));
    // headers that the index does not note are read for those who may filter by them
    const reads = () => this.load(true);
    this.form.addEventListener("focusin", reads, { once: true });
    this.form.addEventListener("pointerenter", reads, { once: true });
  }

  get values() {
    const values = {};
    for (const name of FILTERS) {
      const field = this.form.elements[name];
      const value = field.type === "checkbox" ? field.checked : field.value.trim();
      if (value) values[name] = value;
    }
    return values;
  }

  set values(values) {
    for (const name of FILTERS) {
      const field = this.form.elements[name];
      const value = values[name] ?? "";
      if (field.type === "checkbox") field.checked = Boolean(value);
      else {
        if (field.matches("select")) this.#addOption(field, String(value));
        field.value = value;
      }
    }
    this.#showCount();
  }

  async load(read = false) {
    const found = await askData("/api/choices", { read }).catch(() => null);
    if (!found) return;
    for (const [name, [list, told]] of Object.entries(CHOICES)) {
      this.#fill(this.form.elements[name], found[list], told);
    }
    const isReading = read && found.read < found.of;
    part("reading").textContent = isReading
      ? `Rates and channels of ${counted(found.read, "file")} of ${found.of.toLocaleString("en")} are read.`
      : "";
    if (isReading) setTimeout(() => this.load(true), AGAIN);
  }

  #fill(select, choices, told) {
    const { value } = select;
    const options = choices.map(({ name, count }) => new Option(
      `${told(name) || "(none)"} (${count.toLocaleString("en")})`, name,
    ));
    select.replaceChildren(new Option("all", ""), ...options);
    this.#addOption(select, value);
    select.value = value;
  }

  // What the address asks for may not be known yet.
  #addOption(select, value) {
    if (![...select.options].some((option) => option.value === value)) {
      select.add(new Option(CHOICES[select.name][1](value), value));
    }
  }

  #changed() {
    if (!this.form.reportValidity()) return;
    this.#showCount();
    this.dispatchEvent(new Event("change"));
  }

  #showCount() {
    const count = Object.keys(this.values).length;
    part("filter_count").textContent = count ? `(${count} on)` : "";
  }
}
