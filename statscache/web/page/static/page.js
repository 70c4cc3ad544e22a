"use strict";
// The chart's crosshair, its keys, zooming by a new address, and following the bus. All figures are in the page.
(() => {
  const height = 300;
  const namespace = "http://www.w3.org/2000/svg";
  let data, canvas, point, cross, chosen, place = -1, from = null;

  const found = (id) => document.getElementById(id);

  function draw(name, kind, attributes) {
    const made = document.createElementNS(namespace, name);
    made.setAttribute("class", kind);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    canvas.querySelector(".plot").append(made);
    return made;
  }

  function show(next) {
    place = Math.max(0, Math.min(data.periods.length - 1, next));
    const x = `${(100 * (place + 0.5)) / data.periods.length}%`;
    cross ??= draw("line", "cross", { y1: 0, y2: height });
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    const figures = data.lines.map((line) => `${line.name}: ${line.values[place]}`).join(" · ");
    const why = data.why[place] ? ` (${data.why[place]})` : "";
    point.textContent = `${data.periods[place]}: ${figures}${why}`;
    if (data.archive) {
      const link = document.createElement("a");
      link.href = `${data.archive}start=${data.starts[place]}&end=${data.starts[place + 1] ?? Date.parse(data.stop) / 1000}`;
      link.rel = "noreferrer";
      link.textContent = data.messages;
      point.append(" · ", link);
    }
  }

  function placeAt(event) {
    const box = canvas.querySelector(".drawing").getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return Math.max(0, Math.min(data.periods.length - 1, Math.floor(share * data.periods.length)));
  }

  function mark(one, other) {
    const count = data.periods.length, first = Math.min(one, other), last = Math.max(one, other);
    chosen ??= draw("rect", "chosen", { y: 0, height });
    chosen.setAttribute("x", `${(100 * first) / count}%`);
    chosen.setAttribute("width", `${(100 * (last - first + 1)) / count}%`);
  }

  function zoom(one, other) {
    if ("still" in document.body.dataset) return;
    const address = new URL(location.href), first = Math.min(one, other), last = Math.max(one, other);
    for (const name of ["range", "step"]) address.searchParams.delete(name);
    const iso = (second) => new Date(second * 1000).toISOString().replace(".000", "");
    address.searchParams.set("start", iso(data.starts[first]));
    address.searchParams.set("stop", last + 1 < data.starts.length ? iso(data.starts[last + 1]) : data.stop);
    location.assign(address);
  }

  function onKey(event) {
    const last = data.periods.length - 1, start = place < 0 ? last : place;
    const steps = { ArrowLeft: place < 0 ? last : start - 1, ArrowRight: start + 1, Home: 0, End: last,
      PageUp: start - 10, PageDown: start + 10 };
    if (event.key in steps && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (event.shiftKey && from === null) from = start;
      if (!event.shiftKey) { from = null; chosen?.remove(); chosen = undefined; }
      show(steps[event.key]);
      if (from !== null) mark(from, place);
    } else if (event.key === "Enter" && place >= 0) {
      zoom(from ?? place, place);
    } else if (event.key === "Escape") {
      from = null;
      chosen?.remove();
      chosen = undefined;
    }
  }

  function setUp() {
    canvas = found("chart");
    point = found("point");
    if (!canvas) return;
    data = JSON.parse(found("data").textContent);
    cross = chosen = undefined;
    from = null;
    canvas.addEventListener("keydown", onKey);
    canvas.addEventListener("pointermove", (event) => {
      show(placeAt(event));
      if (from !== null && event.buttons === 1) mark(from, place);
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType !== "touch") from = placeAt(event);
    });
    canvas.addEventListener("pointerup", (event) => {
      const to = placeAt(event);
      if (from !== null && from !== to) zoom(from, to);
      from = null;
    });
    if (place >= 0) show(place);
  }

  async function renew() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Follows": "1" } });
    if (!answer.ok) return;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    const now = found("live");
    if (!next || !now || now.contains(getSelection().anchorNode) && !getSelection().isCollapsed) return;
    const focus = document.activeElement;
    const held = now.contains(focus) ? [...now.querySelectorAll("a, [tabindex], input, select, button, summary")].indexOf(focus) : -1;
    if (held >= 0 && focus.matches("input, select") || from !== null) return;
    next.querySelectorAll("details").forEach((its, number) => {
      its.open = now.querySelectorAll("details")[number]?.open ?? false;
    });
    now.replaceWith(document.adoptNode(next));
    setUp();
    if (held >= 0) found("live").querySelectorAll("a, [tabindex], input, select, button, summary")[held]?.focus({ preventScroll: true });
  }

  function follow() {
    const address = document.body.dataset.live;
    if (!address || !window.EventSource || new URL(location.href).searchParams.has("stop")) return;
    let busy = false, again = false;
    const events = new EventSource(address);
    events.addEventListener("change", async () => {
      if (busy) { again = true; return; }
      do {
        busy = true;
        again = false;
        if (document.visibilityState === "visible") await renew().catch(() => {});
        busy = false;
      } while (again);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) setTimeout(follow, 60000); // too many pages are open
    });
    addEventListener("pagehide", () => events.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  setUp();
  const zone = found("tz");
  if (zone && !new URL(location.href).searchParams.has("tz")) {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (own && own !== zone.value) zone.placeholder = own;
  }
  follow();
})();
