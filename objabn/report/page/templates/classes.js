// Results by class: the confusion matrix of the chosen row, and a table that sorts by its headings.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("class-data").textContent);
  const MOST_LABELS = 30; // classes that are named at the axes; of more only the pointer tells
  const MOST_PAIRS = 50;
  const size = data.names.length;
  const escaped = data.names.map((name) => name.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"));

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
    for (let at = 0; at < own.counts.length; at += 3) {
      const [label, predicted, count] = own.counts.slice(at, at + 3);
      shares[label][predicted] = 100 * count / totals[label];
      told[label][predicted] = `${escaped[label]}, predicted as ${escaped[predicted]}:<br>` +
        `${count} of ${totals[label]} times, ${shares[label][predicted].toFixed(1)} %`;
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
        cell.textContent = text;
        line.append(cell);
      });
      return line;
    }));
    const most = pairs.slice(0, 3).map(([a, b, count]) => `${data.names[a]} as ${data.names[b]} (${count})`).join(", ");
    byId("confusion").setAttribute("aria-label",
      `Confusion matrix of ${own.name}: ${(100 * right / all).toFixed(1)} % are right; ` +
      (most ? `most often wrong: ${most}` : "none is wrong"));
  };

  const drawMatrix = (shares, told) => {
    const few = size <= MOST_LABELS;
    const axis = { tickmode: "array", tickvals: few ? escaped.map((_, at) => at) : [], ticktext: few ? escaped : [],
      showgrid: false, zeroline: false, automargin: true, ticks: "", linecolor: "#dde3ea", mirror: true, showline: true };
    const trace = { type: "heatmap", z: shares, text: told, hovertemplate: "%{text}<extra></extra>", hoverongaps: false,
      zmin: 0, zmax: 100, colorscale: [[0, "#eef4fa"], [0.5, "#5b9bd0"], [1, "#08306b"]], xgap: few ? 1 : 0, ygap: few ? 1 : 0,
      colorbar: { title: { text: "%" }, thickness: 12, outlinewidth: 0 } };
    Plotly.react("confusion", [trace], {
      height: 520, margin: { l: 40, r: 10, t: 10, b: 40 }, dragmode: false,
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12, color: "#1d2733" },
      xaxis: { ...axis, title: { text: "predicted", standoff: 12 } },
      yaxis: { ...axis, title: { text: "class", standoff: 12 }, autorange: "reversed" },
    }, { displayModeBar: false, responsive: true });
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
})();
