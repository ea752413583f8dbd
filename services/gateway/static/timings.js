// Where a request's time went, as a waterfall. Everything is in seconds, from the API's own timings.

const STEPS = [
  ["network", "var(--t6)"], ["upload read", "var(--t1)"], ["in the queue", "var(--t2)"], ["at the model", "var(--t3)"],
  ["decode", "var(--t4)", 1], ["infer", "var(--t4)", 1], ["postprocess", "var(--t4)", 1], ["handed on", "var(--t5)"],
  ["answer made", "var(--t1)"],
];

// Return [name, start, length] for each step; what no hop claims is "handed on", and outside of it "network".
export function waterfall(t, elapsed) {
  const network = Math.max(0, elapsed - t.tt_turnaround), read = network / 2;
  const queued = read + t.image_read, served = queued + t.queue_wait;
  const handed = Math.max(0, t.detect_with_json - t.queue_wait - t.service), prepared = queued + t.detect_with_json;
  return [
    ["network", 0, network], ["upload read", read, t.image_read], ["in the queue", queued, t.queue_wait],
    ["at the model", served, t.service], ["decode", served, t.decode], ["infer", served + t.decode, t.infer],
    ["postprocess", served + t.decode + t.infer, t.postprocess], ["handed on", served + t.service, handed],
    ["answer made", prepared, t.res_preparation],
  ];
}

export function show(place, timings, elapsed) {
  place.replaceChildren();
  if (!timings) return;
  const whole = Math.max(elapsed, timings.tt_turnaround);
  waterfall(timings, elapsed).forEach(([name, start, length], at) => row(place, name, start, length, whole, STEPS[at]));
  row(place, "total", 0, whole, whole, ["total", "var(--soft)"]);
}

function row(place, name, start, length, whole, [, color, within]) {
  const label = document.createElement("span"), track = document.createElement("span"), ms = document.createElement("span");
  label.textContent = name;
  label.className = name === "total" ? "sum" : within ? "in" : "";
  track.className = "track";
  ms.className = name === "total" ? "ms sum" : "ms";
  ms.textContent = `${(1000 * length).toFixed(length < 0.01 ? 1 : 0)} ms`;
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.style.left = `${Math.min(99, 100 * start / whole)}%`;
  bar.style.width = `${Math.max(0, Math.min(100, 100 * length / whole))}%`;
  bar.style.background = color;
  track.append(bar);
  place.append(label, track, ms);
}
