// Numbers as people read them.

export function clock(seconds, tenths = false) {
  const rounded = tenths ? Math.round(seconds * 10) / 10 : Math.floor(seconds);
  const hours = Math.floor(rounded / 3600);
  const minutes = Math.floor(rounded / 60) % 60;
  const rest = (rounded % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  return hours
    ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}`
    : `${minutes}:${rest}`;
}

export function span(hit) {
  return hit.end - hit.start >= hit.duration
    ? clock(hit.duration, true)
    : `${clock(hit.start, true)} to ${clock(hit.end, true)} of ${clock(hit.duration)}`;
}

// A cosine, with a minus as wide as a plus.
export function cosine(value, digits = 2) {
  return value.toFixed(digits).replace("-", "−");
}

export function channels(count) {
  return { 1: "mono", 2: "stereo" }[count] ?? `${count} channels`;
}

export function kilohertz(rate) {
  return `${rate / 1000} kHz`;
}

export function counted(count, thing) {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}
