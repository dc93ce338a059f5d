// Results by class: the confusion matrix of the chosen row, and a table that sorts by its headings.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("class-data").textContent);
  const MOST_LABELS = 30; // classes that are named at the axes; of more only the pointer tells
  const HEIGHT = 520, BESIDE = 110; // of the plot; of its width what is neither names nor cells
  const MOST_PAIRS = 50;
  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", FONT_SIZE = 12, LEAST_FONT_SIZE = 8;
  const MOST_ROOM = 180, ROOM = 0.25; // of a name at an axis: pixels, and share of the plot's width
  const HOVER_ROOM = 360, HOVER_SHARE = 0.7; // of a line under the pointer: pixels, and share of the window's width
  const size = data.names.length;
  const matrix = byId("confusion");

  // Plotly reads markup and entities; `typesetMath: false` keeps it from reading mathematics.
  const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${FONT_SIZE}px ${FONT}`;
  const width = (text) => pen.measureText(text).width;
  // What a reader takes for one letter: with its accents, an emoji with its parts.
  const letters = (text) => window.Intl && Intl.Segmenter
    ? Array.from(new Intl.Segmenter().segment(text), (each) => each.segment) : Array.from(text);

  // A name of at most this width. The middle goes: of many names the beginnings are alike, of many the ends.
  const shortened = (name, room) => {
    if (width(name) <= room) return name;
    const all = letters(name);
    let low = 2, high = all.length - 1, found = "…";
    while (low <= high) {
      const kept = (low + high) >> 1, first = (kept + 1) >> 1;
      const text = `${all.slice(0, first).join("").trimEnd()}…${all.slice(all.length - kept + first).join("").trimStart()}`;
      if (width(text) <= room) [low, found] = [kept + 1, text];
      else high = kept - 1;
    }
    return found;
  };

  // All names, short, none like another: what would be alike gets a number.
  const distinct = (names, room) => {
    const short = names.map((name) => shortened(name, room));
    const taken = new Set(short.filter((text, at) => text === names[at]));
    return short.map((text, at) => {
      if (text === names[at]) return text;
      let own = text;
      if (taken.has(own) || short.indexOf(own) !== short.lastIndexOf(own)) {
        for (let number = 1; own === text || taken.has(own); number++) {
          own = `${shortened(names[at], room - width(` (${number})`))} (${number})`;
        }
      }
      taken.add(own);
      return own;
    });
  };

  // Text in lines of at most this width, broken at spaces; within a word where it has none.
  const wrapped = (text, room) => {
    const lines = [];
    let line = "";
    for (const letter of letters(text)) {
      if (line && width(line + letter) > room) {
        const space = line.lastIndexOf(" ") + 1;
        lines.push(line.slice(0, space || undefined).trimEnd());
        line = (space ? line.slice(space) : "") + letter;
      } else line += letter;
    }
    return [...lines, line];
  };

  const show = () => {
    const own = data.rows[Number(byId("confusion-row").value)];
    const totals = new Array(size).fill(0), pairs = [];
    let right = 0, all = 0;
    for (let at = 0; at < own.counts.length; at += 3) {
      const [label, predicted, count] = own.counts.slice(at, at + 3);
      totals[label] += count;
      all += count;
      if (label === predicted) right += count;
      else pairs.push([label, predicted, count]);
    }
    const shares = totals.map(() => new Array(size).fill(null)), told = totals.map(() => new Array(size).fill(""));
    const room = Math.min(HOVER_ROOM, HOVER_SHARE * document.documentElement.clientWidth);
    const lines = data.names.map((name) => wrapped(name, room)); // once a name: pairs may be thousands
    for (let at = 0; at < own.counts.length; at += 3) {
      const [label, predicted, count] = own.counts.slice(at, at + 3);
      shares[label][predicted] = 100 * count / totals[label];
      const pair = `${data.names[label]}, predicted as ${data.names[predicted]}:`;
      const names = width(pair) <= room ? [pair] : [...lines[label], "predicted as", ...lines[predicted]];
      told[label][predicted] =
        [...names.map(escape), `${count} of ${totals[label]} times, ${shares[label][predicted].toFixed(1)} %`].join("<br>");
    }
    pairs.sort((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1]);
    drawMatrix(shares, told);
    byId("pairs").replaceChildren(...pairs.slice(0, MOST_PAIRS).map(([label, predicted, count]) => {
      const line = document.createElement("tr");
      const share = `${(100 * count / totals[label]).toFixed(1)} %`;
      [data.names[label], data.names[predicted], count, share].forEach((text, at) => {
        const cell = document.createElement(at ? "td" : "th");
        if (!at) cell.scope = "row";
        if (at === 1) cell.className = "text";
        if (at > 1) cell.textContent = text;
        else cell.append(named(text));
        line.append(cell);
      });
      return line;
    }));
    const most = pairs.slice(0, 3).map(([a, b, count]) => `${data.names[a]} as ${data.names[b]} (${count})`).join(", ");
    matrix.setAttribute("aria-label",
      `Confusion matrix of ${own.name}: ${(100 * right / all).toFixed(1)} % are right; ` +
      (most ? `most often wrong: ${most}` : "none is wrong"));
  };

  const drawMatrix = (shares, told) => {
    const few = size <= MOST_LABELS;
    let short = few ? distinct(data.names, Math.min(MOST_ROOM, ROOM * matrix.clientWidth)) : [];
    const free = Math.min(matrix.clientWidth, HEIGHT) - BESIDE - Math.max(0, ...short.map(width));
    const fontSize = Math.min(FONT_SIZE, Math.floor(free / size)); // a line is as high as a cell
    if (fontSize < LEAST_FONT_SIZE) short = [];
    // Names are texts at places, never values of an axis: 2 and 10, or 2020-01-01, would become numbers and dates.
    const axis = { tickmode: "array", tickvals: short.map((_, at) => at), ticktext: short.map(escape),
      tickfont: { size: Math.max(fontSize, LEAST_FONT_SIZE) }, fixedrange: true, showgrid: false, zeroline: false,
      automargin: true, ticks: "", linecolor: "#dde3ea", mirror: true, showline: true };
    const trace = { type: "heatmap", z: shares, text: told, hovertemplate: "%{text}<extra></extra>", hoverongaps: false,
      zmin: 0, zmax: 100, colorscale: [[0, "#eef4fa"], [0.5, "#5b9bd0"], [1, "#08306b"]], xgap: few ? 1 : 0, ygap: few ? 1 : 0,
      colorbar: { title: { text: "%" }, thickness: 12, outlinewidth: 0 } };
    Plotly.react(matrix, [trace], {
      height: HEIGHT, margin: { l: 40, r: 10, t: 10, b: 40 }, dragmode: false,
      hoverlabel: { align: "left", font: { family: FONT, size: FONT_SIZE } },
      font: { family: FONT, size: FONT_SIZE, color: "#1d2733" },
      xaxis: { ...axis, title: { text: "predicted", standoff: 12 } },
      yaxis: { ...axis, title: { text: "class", standoff: 12 }, autorange: "reversed" },
    }, { displayModeBar: false, responsive: true, typesetMath: false });
    whole = new Map(short.map((text, at) => [text, data.names[at]]));
  };

  let whole = new Map(); // the name behind each short one
  const tellWhole = () => {
    for (const tick of matrix.querySelectorAll(".xtick text, .ytick text")) {
      const name = whole.get(tick.textContent);
      if (name === undefined || name === tick.textContent) continue;
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = name;
      tick.append(title);
    }
  };

  const sortBy = (table, column, heading) => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const key = (line) => line.cells[column].textContent;
    const compare = column ? (a, b) => Number(key(a) || -1) - Number(key(b) || -1) : (a, b) => key(a) < key(b) ? -1 : 1;
    const lines = [...table.tBodies[0].rows].sort((a, b) => falling ? compare(b, a) : compare(a, b));
    table.tBodies[0].replaceChildren(...lines);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.firstElementChild.addEventListener("click", () => sortBy(table, column, heading));
    });
  }
  byId("confusion-row").addEventListener("change", show);
  show();
  matrix.on("plotly_afterplot", tellWhole);
  tellWhole();
  let drawn = matrix.clientWidth;
  window.addEventListener("resize", () => {
    if (size > MOST_LABELS || matrix.clientWidth === drawn) return;
    drawn = matrix.clientWidth;
    show(); // names have less room, or more
  });
})();
