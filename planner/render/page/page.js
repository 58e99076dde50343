(function () {
  "use strict";
  var changes = Array.prototype.slice.call(document.querySelectorAll(".change"));
  var boxes = Array.prototype.slice.call(document.querySelectorAll(".box"));
  var filters = Array.prototype.slice.call(document.querySelectorAll("[data-filter]"));
  var kinds = Array.prototype.slice.call(document.querySelectorAll("input[data-kind]"));
  var search = document.getElementById("search");
  var none = document.getElementById("none");

  function show() {
    var off = {};
    filters.forEach(function (f) { if (!f.checked) { off[f.dataset.filter] = true; } });
    var offKinds = {};
    kinds.forEach(function (f) { if (!f.checked) { offKinds[f.dataset.kind] = true; } });
    var words = search ? search.value.toLowerCase().split(/\s+/) : [];
    var shown = 0;
    changes.forEach(function (c) {
      var address = c.dataset.address.toLowerCase();
      var fits = !off[c.dataset.class] && !offKinds[c.dataset.kind] && words.every(function (w) { return address.indexOf(w) >= 0; });
      c.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    boxes.forEach(function (b) { b.classList.toggle("off", !!off[b.dataset.class]); });
    if (none) { none.hidden = shown > 0; }
  }
  filters.concat(kinds).forEach(function (f) { f.addEventListener("change", show); });
  if (search) { search.addEventListener("input", show); }
  function all(open) { return function () { changes.forEach(function (c) { if (!c.hidden) { c.open = open; } }); }; }
  if (changes.length) {
    document.getElementById("open").addEventListener("click", all(true));
    document.getElementById("close").addEventListener("click", all(false));
  }
  function focus(change) {
    if (!change) { return; }
    change.scrollIntoView({ block: "nearest" });
    change.querySelector("summary").focus();
  }
  function current() { return document.activeElement.closest ? document.activeElement.closest(".change") : null; }
  function walk(by) {
    var shown = changes.filter(function (c) { return !c.hidden; });
    var at = shown.indexOf(current());
    focus(shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by))]);
  }
  var help = document.getElementById("help");
  var keys = {
    "/": function () { if (search) { search.focus(); search.select(); } },
    j: function () { walk(1); },
    k: function () { walk(-1); },
    o: function () { var c = current(); if (c) { c.open = !c.open; } },
    "?": function () { help.showModal(); }
  };
  document.addEventListener("keydown", function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey || help.open || document.activeElement === search || !keys[e.key]) { return; }
    e.preventDefault();
    keys[e.key]();
  });
  if (search) {
    search.addEventListener("keydown", function (e) {
      if (e.key === "Enter") { e.preventDefault(); search.blur(); walk(0); }
    });
    document.getElementById("keys").addEventListener("click", keys["?"]);
  }

  function reveal(id) {
    var c = document.getElementById(id);
    if (!c) { return; }
    if (c.hidden) {
      filters.concat(kinds).forEach(function (f) { f.checked = true; });
      search.value = "";
      show();
    }
    c.open = true;
    focus(c);
  }
  boxes.forEach(function (b) {
    if (!b.dataset.target) { return; }
    b.addEventListener("click", function () { reveal(b.dataset.target); });
    b.addEventListener("keydown", function (e) {
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); reveal(b.dataset.target); }
    });
  });

  var graph = document.getElementById("graph");
  if (!graph) { return; }
  var svg = graph.querySelector("svg");
  var whole = { x: 0, y: 0, w: +svg.dataset.width, h: +svg.dataset.height };
  var view = { x: 0, y: 0, w: whole.w, h: whole.h };
  function look() { svg.setAttribute("viewBox", [view.x, view.y, view.w, view.h].join(" ")); }
  function zoom(by) {
    var w = Math.min(whole.w * 2, Math.max(200, view.w * by)), h = view.h * (w / view.w);
    view = { x: view.x + (view.w - w) / 2, y: view.y + (view.h - h) / 2, w: w, h: h };
    look();
  }
  function move(dx, dy) { view.x += dx * view.w; view.y += dy * view.h; look(); }
  function reset() { view = { x: 0, y: 0, w: whole.w, h: whole.h }; look(); }
  Array.prototype.forEach.call(document.querySelectorAll("[data-zoom]"), function (b) {
    b.addEventListener("click", function () {
      if (b.dataset.zoom === "all") { reset(); } else { zoom(b.dataset.zoom === "in" ? 0.7 : 1.4); }
    });
  });
  graph.addEventListener("wheel", function (e) {
    if (!e.ctrlKey) { return; }
    e.preventDefault();
    zoom(e.deltaY < 0 ? 0.85 : 1.15);
  }, { passive: false });
  graph.addEventListener("keydown", function (e) {
    var keys = { "+": function () { zoom(0.7); }, "-": function () { zoom(1.4); }, "0": reset, ArrowLeft: function () { move(-0.15, 0); },
      ArrowRight: function () { move(0.15, 0); }, ArrowUp: function () { move(0, -0.15); }, ArrowDown: function () { move(0, 0.15); } };
    if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
  });
  var from = null;
  svg.addEventListener("pointerdown", function (e) { from = { x: e.clientX, y: e.clientY, vx: view.x, vy: view.y }; });
  window.addEventListener("pointermove", function (e) {
    if (!from) { return; }
    var scale = view.w / svg.clientWidth;
    view.x = from.vx - (e.clientX - from.x) * scale;
    view.y = from.vy - (e.clientY - from.y) * scale;
    look();
  });
  window.addEventListener("pointerup", function () { from = null; });
})();
