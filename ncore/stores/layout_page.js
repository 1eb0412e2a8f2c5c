"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const root = document.querySelector("main");
  const strip = document.querySelector("svg.strip");
  let pinned = null;

  const bytes = (n) => n.toLocaleString("en") + (n === 1 ? " byte" : " bytes");

  function focus(region) {
    const wanted = region === null ? pinned : region;
    root.classList.toggle("focus", wanted !== null);
    document.querySelectorAll(".s.on").forEach((e) => e.classList.remove("on"));
    if (wanted !== null) {
      document.querySelectorAll(".s.r" + wanted).forEach((e) => e.classList.add("on"));
    }
  }

  function show(event, lines) {
    tip.replaceChildren();
    lines.forEach((line, i) => {
      const part = document.createElement(i ? "div" : "b");
      part.textContent = line;
      tip.append(part);
    });
    tip.style.opacity = 1;
    const box = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - box.width - 10);
    const below = event.clientY + 18;
    const top = below + box.height > innerHeight ? event.clientY - box.height - 12 : below;
    tip.style.left = Math.max(6, left) + "px";
    tip.style.top = Math.max(6, top) + "px";
  }

  // The span that holds a byte, by bisection; spans are listed for files with few of them.
  function spanAt(offset) {
    let low = 0, high = data.spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.spans[middle][0] <= offset) low = middle + 1; else high = middle;
    }
    return low ? data.spans[low - 1] : null;
  }

  function describe(event, rect) {
    const run = data.runs[rect.dataset.i];
    if (data.spans.length) {
      const box = rect.getBoundingClientRect();
      const part = Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width));
      const span = spanAt(Math.floor(run[0] + part * (run[1] - run[0])));
      if (span) {
        const region = data.regions[span[2]];
        const lines = [span[3] || region, bytes(span[1] - span[0]) + " from byte " + span[0].toLocaleString("en")];
        if (span[3]) lines.push(region);
        return lines;
      }
    }
    const lines = [data.regions[run[2]], bytes(run[1] - run[0]) + " from byte " + run[0].toLocaleString("en")];
    if (run[3]) lines.push(run[3].toLocaleString("en") + (run[3] === 1 ? " member" : " members"));
    if (run[4]) lines.push(run[4] === run[5] ? run[4] : "from " + run[4] + " to " + run[5]);
    return lines;
  }

  let hit = null;
  strip.addEventListener("pointermove", (event) => {
    const rect = event.target.closest("rect[data-i]");
    if (hit && hit !== rect) hit.classList.remove("hit");
    hit = rect;
    if (!rect) { tip.style.opacity = 0; return; }
    rect.classList.add("hit");
    show(event, describe(event, rect));
  });
  strip.addEventListener("pointerleave", () => {
    tip.style.opacity = 0;
    if (hit) hit.classList.remove("hit");
  });

  document.querySelectorAll("tr[data-r]").forEach((row) => {
    const region = Number(row.dataset.r);
    row.addEventListener("pointerenter", () => focus(region));
    row.addEventListener("pointerleave", () => focus(null));
    row.addEventListener("focus", () => focus(region));
    row.addEventListener("blur", () => focus(null));
    const pin = () => {
      document.querySelectorAll("tr.pinned").forEach((e) => e.classList.remove("pinned"));
      pinned = pinned === region ? null : region;
      row.classList.toggle("pinned", pinned === region);
      focus(null);
    };
    row.addEventListener("click", pin);
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(); }
    });
  });
})();
