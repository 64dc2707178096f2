// Questions to the server, and what went wrong with them.

export class ServerGone extends Error {
  constructor() {
    super("The server does not answer. Start `clap-sb serve` again, then try again.");
  }
}

// What has no value is not asked for.
export function query(words) {
  const given = Object.entries(words).filter(
    ([, value]) => value !== null && value !== undefined && value !== "" && value !== false,
  );
  return new URLSearchParams(given).toString();
}

export async function ask(path, words = {}, body = null) {
  let answer;
  try {
    answer = await fetch(`${path}?${query(words)}`, { method: body ? "POST" : "GET", body });
  } catch {
    throw new ServerGone();
  }
  if (!answer.ok) {
    const { error } = await answer.json().catch(() => ({ error: answer.statusText }));
    throw new Error(error);
  }
  return answer;
}

export async function askData(...request) {
  return (await ask(...request)).json();
}
