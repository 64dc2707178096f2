// Single keys: what they do where, and the list of them.

const part = (id) => document.getElementById(id);
const SECONDS = 1;
const MORE_SECONDS = 5;
const STORED = "clap-sb keys";

export function listenToKeys(list, player) {
  const dialog = part("help");
  const on = part("keys_on");
  on.checked = localStorage.getItem(STORED) !== "off";
  on.addEventListener("change", () => localStorage.setItem(STORED, on.checked ? "on" : "off"));
  part("keys").addEventListener("click", () => dialog.showModal());

  const anywhere = {
    "/": () => {
      part("text").focus();
      part("text").select();
    },
    "?": () => dialog.showModal(),
    ArrowDown: () => list.move(1),
    ArrowUp: () => list.move(-1),
    " ": () => (list.chosen ? list.toggle() : player.playOn()),
    ArrowLeft: (event) => player.seek(event.shiftKey ? -MORE_SECONDS : -SECONDS),
    ArrowRight: (event) => player.seek(event.shiftKey ? MORE_SECONDS : SECONDS),
    s: () => list.similar(),
    f: () => list.favour(),
    c: () => list.copy(),
    w: () => list.save(),
    Enter: () => list.unfold(),
    ",": () => list.moveWindow(-1),
    ".": () => list.moveWindow(1),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const { target, key } = event;
    if (target === part("text") && key === "ArrowDown") {
      event.preventDefault();
      list.chooseFirst({ play: true });
      return;
    }
    const single = key.length === 1 && key !== " ";
    if (!canTake(target, key, single) || (single && !on.checked)) return;
    const action = anywhere[single ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}

// Fields take what is typed, and controls the keys that work them.
function canTake(target, key, single) {
  if (target.matches("textarea, select, input:not([type=checkbox], [type=range])")) return false;
  if (target.closest("#hits") || target === document.body) return true;
  return single || (target.matches("button, a, summary") && key.startsWith("Arrow"));
}
