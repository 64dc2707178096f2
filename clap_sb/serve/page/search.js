// What is listed for what was asked: a search, favourites, or some sounds to begin with.

import { filtersOf } from "./address.js";
import { ask, askData, ServerGone } from "./ask.js";
import { counted } from "./wording.js";

const MOST_AT_ONCE = 100;

export function isSearch(asked) {
  return Boolean(asked.text || asked.like !== undefined || asked.example || asked.file);
}

// Gives the hits from the first on, at least `count` of them, and what there is to tell.
export async function find(asked, count) {
  if (asked.show === "favourites" || !isSearch(asked)) return findListed(asked);
  let found = null;
  const hits = [];
  do {
    found = await findFrom({ ...asked, ...exampleOf(found) }, hits.length, count - hits.length);
    hits.push(...found.hits);
  } while (found.more && hits.length < count);
  return { ...found, hits };
}

// Gives those that follow.
export function findFrom(asked, first, count) {
  const { file, name, show, selected, ...words } = asked;
  const given = { ...words, first, k: Math.min(count, MOST_AT_ONCE) };
  const send = () => askData("/api/search", { ...given, example: "", name: file.name }, file);
  if (!file) return askData("/api/search", given);
  if (!words.example) return send();
  // a server that was started again has forgotten it
  return askData("/api/search", given).catch((error) => {
    if (error instanceof ServerGone) throw error;
    return send();
  });
}

async function findListed(asked) {
  if (asked.show === "favourites") {
    const answer = await ask("/api/chosen", {}, JSON.stringify(asked.windows));
    return { ...await answer.json(), more: false };
  }
  return { ...await askData("/api/some", filtersOf(asked)), more: false };
}

function exampleOf(found) {
  return found?.example ? { example: found.example } : {};
}

// What was looked for, in words.
export function titleOf(asked, found) {
  if (asked.show === "favourites") return "Favourites";
  if (!isSearch(asked)) return "Some of its sounds";
  const example = asked.file?.name ?? (asked.example && "your example");
  const names = [asked.text && `“${asked.text}”`, example && `“${example}”`];
  if (asked.like !== undefined) names.push(`Similar to “${found?.like ?? "that sound"}”`);
  const without = asked.without ? ` without “${asked.without}”` : "";
  return names.filter(Boolean).join(" with ") + without;
}

export function statusOf(asked, found, all) {
  const title = titleOf(asked, found);
  if (asked.show === "favourites") {
    return found.hits.length ? `${title}: ${counted(found.hits.length, "sound")}` : "No favourites yet: press F on a sound.";
  }
  const unread = found.unread
    ? ` Rates and channels of ${counted(found.unread, "file")} are not read yet.` : "";
  if (!isSearch(asked)) {
    if (found.among === all) return title;
    return found.hits.length
      ? `${found.hits.length.toLocaleString("en")} of ${counted(found.among, "sound")} with these filters.${unread}`
      : `No sound is left by these filters.${unread}`;
  }
  if (!found.hits.length) return `Nothing found for ${title} with these filters.${unread}`;
  const among = found.among < all
    ? `${found.among.toLocaleString("en")} of ${counted(all, "sound")}` : counted(all, "sound");
  return `${title}: the nearest of ${among}.${unread}`;
}
