"use strict";
// The page's own program. The data is in two JSON elements before it: the
// requests as arrays, and the names that those count into.
(() => {
  document.documentElement.classList.add("scripted");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const names = read("names");
  const requests = read("data").map((r, index) => ({
    index, method: r[0], host: names.hosts[r[1]], path: r[2], outcome: names.outcomes[r[3]], reason: names.reasons[r[4]], cause: names.causes[r[5]],
    status: r[6], bytes: r[7], network: r[8], digest: r[9], type: names.types[r[10]], start: r[11], wait: r[12], ms: r[13],
  }));
  if (requests.length === 0) return;
  for (const r of requests) r.url = r.host + r.path;
  const $ = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const end = Math.max(1, names.ms);
  const last = requests.reduce((most, r) => Math.max(most, r.start + r.ms), end);

  const size = (n) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let i = 0;
    while (n >= 999.5 && i < units.length - 1) { n /= 1000; i++; }
    return (i > 0 && n < 9.95 ? n.toFixed(1) : n.toFixed(0)) + " " + units[i];
  };
  const time = (ms) => ms >= 1000 ? (ms / 1000).toFixed(1) + " s" : ms + " ms";
  const element = (tag, text, className) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  };
  const said = (r) => `${r.outcome}, ${r.method} ${r.url}, ${size(r.bytes)} in ${time(r.ms)}${r.reason ? ", " + r.reason : ""}`;

  // The table: what is shown is a filter, an order and a page.
  const pageSize = 100;
  const shown = { word: "", outcomes: new Set(), host: "", type: null, cause: null, by: "start", down: false, page: 0 };
  const columns = [
    { key: "outcome", name: "outcome", width: "8.5rem" }, { key: "url", name: "request" }, { key: "status", name: "status", n: true, width: "4.5rem" },
    { key: "type", name: "type", width: "9rem" }, { key: "bytes", name: "size", n: true, width: "5.5rem" }, { key: "ms", name: "time", n: true, width: "5.5rem" },
    { key: "start", name: "when", width: "12rem" },
  ];
  let matching = [];

  const matches = (r) => (shown.outcomes.size === 0 || shown.outcomes.has(r.outcome)) && (shown.host === "" || r.host.endsWith("//" + shown.host)) &&
    (shown.type === null || r.type === shown.type) && (shown.cause === null || r.cause === shown.cause) &&
    (shown.word === "" || `${r.method} ${r.url} ${r.reason} ${r.type} ${r.status} ${r.digest}`.toLowerCase().includes(shown.word));

  const select = () => {
    matching = requests.filter(matches);
    const by = shown.by, sign = shown.down ? -1 : 1;
    matching.sort((a, b) => {
      const x = a[by], y = b[by];
      return (x < y ? -sign : x > y ? sign : 0) || a.start - b.start || a.index - b.index;
    });
    const pages = Math.max(1, Math.ceil(matching.length / pageSize));
    shown.page = Math.min(shown.page, pages - 1);
    const only = [shown.host && "of " + shown.host, shown.type !== null && "of type " + (shown.type || "unknown"), shown.cause !== null && "with that reason"].filter(Boolean).join(" ");
    $("count").textContent = `${number.format(matching.length)} of ${number.format(requests.length)} requests ${only}`.trim();
    $("page").textContent = `page ${number.format(shown.page + 1)} of ${number.format(pages)}`;
    $("previous").disabled = shown.page === 0;
    $("next").disabled = shown.page === pages - 1;
    for (const th of $("columns").children) {
      if (th.dataset.key === by) th.setAttribute("aria-sort", shown.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    $("rows").replaceChildren(...matching.slice(shown.page * pageSize, (shown.page + 1) * pageSize).map(row));
  };

  const row = (r) => {
    const tr = element("tr");
    tr.dataset.index = r.index;
    const badge = element("span", undefined, "badge");
    badge.append(element("span", undefined, "key o-" + r.outcome), r.outcome);
    const outcome = element("td");
    outcome.append(badge);
    const url = element("td", undefined, "url");
    url.append(r.method === "GET" ? "" : r.method + " ", r.url, element("span", r.reason, "small"));
    if (r.digest) url.title = "sha256 " + r.digest;
    const when = element("td");
    const track = element("span", undefined, "track");
    track.title = `began after ${time(r.start)}, took ${time(r.ms)}`;
    const wait = Math.min(r.wait, r.ms);
    track.append(bar(r, r.start, wait, "wait"), bar(r, r.start + wait, r.ms - wait, ""));
    when.append(track, element("span", "after " + time(r.start), "unseen"));
    tr.append(outcome, url, element("td", r.status || "–", "n"), element("td", r.type || "–"), element("td", size(r.bytes), "n"), element("td", time(r.ms), "n"), when);
    return tr;
  };
  const bar = (r, from, ms, className) => {
    const b = element("span", undefined, `${className} o-${r.outcome}`);
    b.style.left = Math.min(99, 100 * from / last) + "%";
    b.style.width = className && ms === 0 ? "0" : 100 * ms / last + "%";
    if (className && ms === 0) b.style.minWidth = "0";
    return b;
  };

  for (const c of columns) {
    const th = element("th", undefined, c.n ? "n" : "");
    th.scope = "col";
    th.dataset.key = c.key;
    if (c.width) th.style.width = c.width;
    const button = element("button", c.name);
    button.type = "button";
    button.addEventListener("click", () => {
      if (shown.by === c.key) shown.down = !shown.down;
      else { shown.by = c.key; shown.down = c.key === "bytes" || c.key === "ms"; }
      shown.page = 0;
      select();
    });
    th.append(button);
    $("columns").append(th);
  }
  for (const o of names.outcomes) {
    const label = element("label"), box = element("input");
    box.type = "checkbox";
    box.value = o;
    box.addEventListener("change", () => {
      if (box.checked) shown.outcomes.add(o); else shown.outcomes.delete(o);
      shown.page = 0;
      select();
    });
    label.append(box, " ", element("span", undefined, "key o-" + o), o);
    $("outcomes").append(label);
  }
  const tick = () => {
    for (const box of $("outcomes").querySelectorAll("input")) box.checked = shown.outcomes.has(box.value);
    $("search").value = shown.word;
  };
  const reset = () => Object.assign(shown, { word: "", outcomes: new Set(), host: "", type: null, cause: null, page: 0 });
  const goTo = (change) => {
    reset();
    Object.assign(shown, change);
    tick();
    select();
    $("requests").focus();
    $("requests").scrollIntoView();
  };
  let typing;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { shown.word = $("search").value.trim().toLowerCase(); shown.page = 0; select(); }, 120);
  });
  document.querySelector("form").addEventListener("submit", (e) => e.preventDefault());
  $("clear").addEventListener("click", () => { reset(); tick(); select(); });
  $("previous").addEventListener("click", () => { shown.page--; select(); });
  $("next").addEventListener("click", () => { shown.page++; select(); });
  for (const b of document.querySelectorAll("[data-host]")) b.addEventListener("click", () => goTo({ host: b.dataset.host }));
  for (const b of document.querySelectorAll("[data-cause]")) {
    b.addEventListener("click", () => goTo({ cause: b.dataset.cause, outcomes: new Set([b.dataset.outcome]) }));
  }

  // Types, the largest first.
  const types = new Map();
  for (const r of requests) {
    const t = types.get(r.type) || { type: r.type, requests: 0, cache: 0, network: 0, outcomes: new Map() };
    t.requests++;
    t.network += r.network;
    t.cache += Math.max(0, r.bytes - r.network);
    t.outcomes.set(r.outcome, (t.outcomes.get(r.outcome) || 0) + 1);
    types.set(r.type, t);
  }
  const list = [...types.values()].sort((a, b) => b.cache + b.network - a.cache - a.network || b.requests - a.requests).slice(0, 12);
  const most = Math.max(1, ...list.map((t) => t.cache + t.network));
  for (const t of list) {
    const tr = element("tr"), head = element("th"), button = element("button", t.type || "unknown", "plain");
    head.scope = "row";
    button.type = "button";
    button.addEventListener("click", () => goTo({ type: t.type }));
    const track = element("div", undefined, "bar"), fill = element("span", undefined, "fill");
    track.setAttribute("aria-hidden", "true");
    fill.style.width = 100 * (t.cache + t.network) / most + "%";
    for (const o of names.outcomes) {
      if (!t.outcomes.has(o)) continue;
      const part = element("span", undefined, "o-" + o);
      part.style.flexGrow = t.outcomes.get(o);
      fill.append(part);
    }
    track.append(fill);
    head.append(button, track);
    tr.append(head, element("td", number.format(t.requests), "n"), element("td", size(t.cache), "n"), element("td", size(t.network), "n"));
    $("types").tBodies[0].append(tr);
  }

  // The waterfall: each request in the first row that is free when it begins.
  const inTime = [...requests].sort((a, b) => a.start - b.start || a.index - b.index);
  const mostRows = 80;
  const free = [];
  for (const r of inTime) {
    let at = free.findIndex((until) => until <= r.start);
    if (at < 0 && free.length < mostRows) at = free.push(0) - 1;
    if (at < 0) at = free.indexOf(Math.min(...free)); // more than there are rows: over each other
    free[at] = Math.max(free[at], r.start + Math.max(r.ms, last / 2000));
    r.row = at;
  }
  const canvas = $("time"), context = canvas.getContext("2d"), axis = 22;
  const rowHeight = Math.max(4, Math.min(14, Math.floor(420 / free.length)));
  canvas.setAttribute("aria-label", `${number.format(requests.length)} requests within ${time(last)}, at most ${free.length === mostRows ? "more than " : ""}${free.length} at once`);
  let chosen = -1;
  const draw = () => {
    const width = canvas.parentElement.clientWidth, height = free.length * rowHeight + axis, scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = height + "px";
    context.scale(scale, scale);
    const style = getComputedStyle(document.documentElement), colour = {};
    for (const o of names.outcomes) colour[o] = style.getPropertyValue("--" + o);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 36e5].find((s) => last / s <= width / 90) || last;
    for (let at = 0; at <= last; at += step) {
      const x = width * at / last;
      context.fillStyle = style.getPropertyValue("--line");
      context.fillRect(x, 0, 1, height - axis);
      context.fillStyle = style.getPropertyValue("--soft");
      if (x < width - 40) context.fillText(time(at), x + 3, height - axis + 6);
    }
    for (const r of inTime) {
      const x = width * r.start / last, y = r.row * rowHeight, wait = width * Math.min(r.wait, r.ms) / last;
      context.fillStyle = colour[r.outcome];
      context.globalAlpha = 0.4;
      context.fillRect(x, y, wait, rowHeight - 1);
      context.globalAlpha = 1;
      context.fillRect(x + wait, y, Math.max(1.5, width * r.ms / last - wait), rowHeight - 1);
    }
    if (chosen >= 0) {
      const r = inTime[chosen];
      context.strokeStyle = style.getPropertyValue("--ink");
      context.lineWidth = 2;
      context.strokeRect(width * r.start / last - 1, r.row * rowHeight - 1, Math.max(3, width * r.ms / last) + 2, rowHeight + 1);
    }
  };
  const near = (e) => {
    const box = canvas.getBoundingClientRect(), at = (e.clientX - box.left) / box.width * last, line = Math.floor((e.clientY - box.top) / rowHeight);
    const slack = 3 / box.width * last;
    return inTime.findLastIndex((r) => r.row === line && r.start - slack <= at && at <= r.start + r.ms + slack);
  };
  const choose = (i) => {
    chosen = i;
    $("time-said").textContent = i < 0 ? "\u00a0" : said(inTime[i]);
    draw();
  };
  canvas.addEventListener("mousemove", (e) => {
    const i = near(e), tip = $("tip");
    tip.hidden = i < 0;
    canvas.style.cursor = i < 0 ? "default" : "pointer";
    if (i < 0) return;
    tip.textContent = said(inTime[i]);
    tip.style.left = Math.min(e.clientX + 12, window.innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = e.clientY + 14 + "px";
  });
  canvas.addEventListener("mouseleave", () => { $("tip").hidden = true; });
  const find = (i) => { if (i >= 0) goTo({ word: inTime[i].url.toLowerCase() }); };
  canvas.addEventListener("click", (e) => find(near(e)));
  canvas.addEventListener("keydown", (e) => {
    const to = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: inTime.length - 1 }[e.key];
    if (to !== undefined) { e.preventDefault(); choose(Math.max(0, Math.min(inTime.length - 1, to))); }
    if (e.key === "Enter") find(chosen);
    if (e.key === "Escape") choose(-1);
  });
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  select();
  draw();
})();
