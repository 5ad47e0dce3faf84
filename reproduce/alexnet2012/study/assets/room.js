// What a page does beyond standing there: search, keys, and the shorter side of a long pair that slides along.
"use strict";
(() => {
  const root = document.body.dataset.root;

  // What sticks below the header, and anchors, go by its height.
  const header = document.querySelector(".top");
  new ResizeObserver(() => {
    const height = getComputedStyle(header).position === "sticky" ? header.offsetHeight : 0;
    document.documentElement.style.setProperty("--top", `${height}px`);
  }).observe(header);
  header.querySelector(".search").hidden = false;

  // --- search over symbols ------------------------------------------------------------------------
  const input = document.getElementById("search");
  const list = document.getElementById("found");
  const most = 40;
  let index = null;
  let chosen = -1;

  function load() {
    if (index || document.getElementById("index")) return;
    const script = document.createElement("script");
    script.id = "index";
    script.src = root + "assets/symbols.js";
    script.onload = () => { index = window.symbols; show(); };
    document.head.append(script);
  }

  // Exact names first, then beginnings, then parts of names, then places.
  function rank(entry, words) {
    const name = entry[0].toLowerCase();
    const all = name + " " + entry[1].toLowerCase();
    if (!words.every((word) => all.includes(word))) return -1;
    const first = words[0];
    if (name === first || name.split(/::|\./).pop() === first) return 0;
    if (name.startsWith(first)) return 1;
    return name.includes(first) ? 2 : 3;
  }

  function find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length || !index) return [];
    const hits = [];
    for (const entry of index) {
      const score = rank(entry, words);
      if (score >= 0) hits.push([score, entry]);
    }
    return hits.sort((a, b) => a[0] - b[0] || a[1][0].length - b[1][0].length).slice(0, most).map((hit) => hit[1]);
  }

  function show() {
    const text = input.value.trim();
    const hits = find(text);
    list.replaceChildren(...hits.map((entry, i) => {
      const item = document.createElement("li");
      item.id = "found-" + i;
      item.role = "option";
      item.dataset.href = root + entry[2];
      item.append(entry[0]);
      const place = document.createElement("span");
      place.append(entry[1]);
      item.append(place);
      item.addEventListener("mousedown", (event) => event.preventDefault()); // the list stays open
      item.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey) open(item.dataset.href);
        else location.href = item.dataset.href;
      });
      return item;
    }));
    if (index && text && !hits.length) {
      const none = document.createElement("li");
      none.role = "option";
      none.ariaDisabled = "true";
      none.append("Nothing is called so");
      list.append(none);
    }
    list.hidden = !list.children.length;
    input.ariaExpanded = String(!list.hidden);
    choose(hits.length ? 0 : -1);
  }

  function choose(i) {
    chosen = i;
    [...list.children].forEach((item, j) => { item.ariaSelected = String(j === i); });
    if (i < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", "found-" + i);
      list.children[i].scrollIntoView({ block: "nearest" });
    }
  }

  function close() { list.hidden = true; input.ariaExpanded = "false"; }

  input.addEventListener("focus", load);
  input.addEventListener("input", () => { load(); show(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const count = list.querySelectorAll("[data-href]").length;
    if (event.key === "ArrowDown" && count) choose((chosen + 1) % count);
    else if (event.key === "ArrowUp" && count) choose((chosen + count - 1) % count);
    else if (event.key === "Enter" && chosen >= 0) location.href = list.children[chosen].dataset.href;
    else if (event.key === "Escape") { input.value = ""; show(); input.blur(); }
    else return;
    event.preventDefault();
  });

  // --- keys ---------------------------------------------------------------------------------------
  function step(by) {
    const pairs = [...document.querySelectorAll(".pair, .run, .claim")];
    if (!pairs.length) return;
    const line = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    const tops = pairs.map((pair) => pair.getBoundingClientRect().top - line);
    const target = by > 0 ? tops.findIndex((top) => top > 4) : tops.findLastIndex((top) => top < -4);
    if (target >= 0) pairs[target].scrollIntoView({ behavior: "instant" }); // the next key measures from there
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    const turn = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (event.key === "/") { input.focus(); event.preventDefault(); }
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (turn && !event.target.closest(".scroll, .formula")) document.querySelector(`.turn [rel=${turn}]`)?.click();
  });

  // --- both sides of a pair end together ----------------------------------------------------------
  const rows = [...document.querySelectorAll(".sides")];
  const wide = matchMedia("(min-width: 52.01rem)");

  // A row taller than the window is scrolled through from its top to its bottom: as far as that has gone, the
  // shorter side has slid down.
  function slide() {
    const head = document.querySelector(".heads")?.getBoundingClientRect();
    const top = head ? Math.max(head.bottom, 0) : 0;
    const seen = innerHeight - top;
    for (const row of rows) {
      const box = row.getBoundingClientRect();
      if (box.bottom < -innerHeight || box.top > 2 * innerHeight) continue;
      const through = box.height - seen;
      const share = through > 0 ? Math.min(Math.max((top - box.top) / through, 0), 1) : 0;
      for (const inner of row.querySelectorAll(".slide")) {
        const free = wide.matches ? box.height - inner.offsetHeight : 0;
        inner.style.transform = free > 1 && share > 0 ? `translateY(${(share * free).toFixed(1)}px)` : "";
      }
    }
  }

  if (rows.length) {
    let waiting = false;
    const later = () => {
      if (!waiting) requestAnimationFrame(() => { waiting = false; slide(); });
      waiting = true;
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    slide();
  }
})();
