// Crosshair, figures under the pointer and zoom for the plots over time. The report is complete without it.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const plots = [...document.querySelectorAll("[data-plot]")];
  const whole = [data.begin, data.end];
  const length = data.end - data.begin;
  let view = whole;

  const make = (parent, name) => {
    const element = document.createElement("div");
    element.className = name;
    element.hidden = true;
    parent.append(element);
    return element;
  };
  const parts = plots.map((plot) => ({
    plot, svg: plot.querySelector("svg"), axis: plot.querySelector(".x"),
    placed: [...plot.querySelectorAll("[data-a]")].filter((element) => !element.closest(".x")),
    cross: make(plot, "cross"), select: make(plot, "select"), tip: make(plot, "tip"),
  }));

  const share = (time) => (time - view[0]) / (view[1] - view[0]);
  const percent = (value) => (100 * value).toFixed(3) + "%";

  function draw() {
    const [a, b] = view;
    for (const part of parts) {
      if (part.svg) part.svg.setAttribute("viewBox", `${1000 * (a - data.begin) / length} 0 ${1000 * (b - a) / length} 100`);
      for (const element of part.placed) place(element);
      part.axis.replaceChildren(...ticks(a, b).map((time) => {
        const label = document.createElement("span");
        label.textContent = +time.toFixed(3) + " s";
        label.style.left = percent(share(time));
        return label;
      }));
    }
  }

  function place(element) {
    const from = share(+element.dataset.a);
    if (element.dataset.b === undefined) {
      element.hidden = from < 0 || from > 1;
      element.style.left = percent(from);
      return;
    }
    const to = share(+element.dataset.b);
    element.hidden = to < 0 || from > 1;
    element.style.left = percent(Math.max(from, 0));
    element.style.width = percent(Math.min(to, 1) - Math.max(from, 0));
  }

  function ticks(a, b) {
    const least = (b - a) / (innerWidth < 640 ? 4 : 7);
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
    const times = [];
    for (let i = Math.ceil(a / step); i * step <= b + 1e-9; i++) times.push(i * step);
    return times;
  }

  function timeAt(plot, event) {
    const box = plot.getBoundingClientRect();
    const place = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    return view[0] + place * (view[1] - view[0]);
  }

  function show(time, pointed) {
    const index = data.start.findLastIndex((start) => start <= time);
    if (index < 0) return;
    for (const part of parts) {
      part.cross.hidden = false;
      part.cross.style.left = percent(share(time));
      part.tip.hidden = part.plot !== pointed;
      if (part.tip.hidden) continue;
      part.tip.replaceChildren(...lines(time, index));
      const place = share(time);
      part.tip.style.left = place < 0.55 ? `calc(${percent(place)} + 12px)` : "";
      part.tip.style.right = place < 0.55 ? "" : `calc(${percent(1 - place)} + 12px)`;
    }
  }

  function lines(time, index) {
    const line = (name, text) => {
      const element = document.createElement(name);
      element.textContent = text;
      return element;
    };
    const faults = data.faults.filter(([from, to]) => from <= time && time <= to).map(([, , text]) => line("i", text));
    const unanswered = data.unanswered[index];
    return [
      line("b", `${time.toFixed(2)} s`),
      line("div", `${data.completed[index]}/s ok of ${data.asked[index]}/s asked`),
      line("div", `p50 ${data.p50[index]}, p99 ${data.p99[index]}, max ${data.max[index]}`),
      ...(unanswered ? [line("div", `${unanswered} got no answer`)] : []),
      ...faults,
    ];
  }

  function hide() {
    for (const part of parts) part.cross.hidden = part.tip.hidden = part.select.hidden = true;
  }

  for (const part of parts) {
    let from = null;
    const { plot, select } = part;
    plot.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) from = timeAt(plot, event);
    });
    plot.addEventListener("pointermove", (event) => {
      const time = timeAt(plot, event);
      show(time, plot);
      select.hidden = from === null;
      if (from === null) return;
      event.preventDefault();
      select.style.left = percent(share(Math.min(from, time)));
      select.style.width = percent(Math.abs(share(time) - share(from)));
    });
    plot.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const range = [from, timeAt(plot, event)].sort((x, y) => x - y);
      from = null;
      select.hidden = true;
      if (share(range[1]) - share(range[0]) > 0.01) zoom(range);
    });
    plot.addEventListener("pointerleave", () => { from = null; hide(); });
    plot.addEventListener("dblclick", () => zoom(whole));
  }

  const hint = document.createElement("span");
  const zoom = (range) => {
    view = range;
    draw();
    hint.textContent = view[1] - view[0] < length ? " Double-click a plot to see everything again." : " Drag over a plot to zoom.";
  };
  addEventListener("resize", draw);
  hint.className = "mouse";
  document.querySelector("#time .hint")?.append(hint);
  zoom(view);
})();
