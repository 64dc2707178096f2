// What the page shows, as its address has it: the names are those of the server's search.

const TEXTS = ["text", "without", "folder", "format", "example", "show", "selected"];
const NUMBERS = ["like", "window", "words", "rate", "channels", "shortest", "longest", "lowest"];
export const FILTERS = [
  "folder", "format", "rate", "channels", "shortest", "longest", "lowest", "without", "fold",
];

export function read() {
  const given = new URLSearchParams(location.search);
  const asked = {};
  for (const name of TEXTS) if (given.get(name)) asked[name] = given.get(name);
  for (const name of NUMBERS) {
    const value = given.get(name);
    if (value && Number.isFinite(Number(value))) asked[name] = Number(value);
  }
  if (given.get("fold") === "true") asked.fold = true;
  return asked;
}

// `rows` is how many were listed, so that going back finds the one that was chosen.
export function write(asked, { push, rows = 0 }) {
  const given = Object.entries(asked).filter(
    ([, value]) => value !== undefined && value !== null && value !== "" && value !== false,
  );
  const words = new URLSearchParams(given).toString();
  const address = words ? `/?${words}` : "/";
  if (push && address !== location.pathname + location.search) {
    history.pushState({ rows }, "", address);
  } else {
    history.replaceState({ rows }, "", address);
  }
}

export function filtersOf(asked) {
  return Object.fromEntries(
    FILTERS.filter((name) => asked[name] !== undefined).map((name) => [name, asked[name]]),
  );
}
