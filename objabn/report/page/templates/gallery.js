// The gallery: one slider moves the frames and all rows' maps of a test video.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const data = JSON.parse(byId("gallery-data").textContent), marks = JSON.parse(byId("marks").textContent);
  const side = data.pixels;
  const colours = bytes(data.colours);
  const MAP_SHARE = 0.55; // of a map's colour over the grey frame, as in the pictures of reports/
  const PLAY_MS = 250;

  const order = byId("order"), video = byId("video"), frame = byId("frame"), play = byId("play");
  let tiles = []; // what is drawn: canvas and paint(pixels, grey, frame)
  let number = null; // the caption that says which frame of the video is on show
  let greys = null; // the frames of the video on show, one grey value a pixel
  let shown = 0; // counts the videos shown: a strip that comes late is dropped
  let timer = null;

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  // M_o with its letter below, as the paper writes it; others as they are.
  const mapName = (name) => {
    const shown = element("b", name.replace(/^(M)_.$/, "$1"));
    if (/^M_.$/.test(name)) shown.append(element("sub", name.slice(2)));
    return shown;
  };

  // Where a pixel lies between the cells of a grid: the lower cell, the upper one and the upper one's share.
  const taps = (cells) => Array.from({ length: side }, (_, at) => {
    const place = Math.min(Math.max((at + 0.5) * cells / side - 0.5, 0), cells - 1);
    const low = Math.floor(place);
    return [low, Math.min(low + 1, cells - 1), place - low];
  });

  const paintFrame = (pixels, grey) => {
    for (let at = 0; at < side * side; at++) pixels[4 * at] = pixels[4 * at + 1] = pixels[4 * at + 2] = grey[at];
  };

  // Values between cells first, then colours: a mixture of colours would be none of the scale.
  const mapPainter = ({ height, width, data: text }) => {
    const cells = bytes(text), down = taps(height), across = taps(width);
    return (pixels, grey, at) => {
      const own = cells.subarray(at * height * width, (at + 1) * height * width);
      let to = 0;
      for (let y = 0; y < side; y++) {
        const [top, bottom, dy] = down[y];
        for (let x = 0; x < side; x++, to++) {
          const [left, right, dx] = across[x];
          const above = own[top * width + left] * (1 - dx) + own[top * width + right] * dx;
          const below = own[bottom * width + left] * (1 - dx) + own[bottom * width + right] * dx;
          const colour = 3 * Math.round(above * (1 - dy) + below * dy);
          const base = (1 - MAP_SHARE) * grey[to];
          for (let channel = 0; channel < 3; channel++) {
            pixels[4 * to + channel] = base + MAP_SHARE * colours[colour + channel];
          }
        }
      }
    };
  };

  // Masks: what they cover keeps its light, the rest is dark; a frame of which nothing is known is half dark.
  const maskPainter = ({ height, width, data: text, known }) => {
    const cells = bytes(text);
    return (pixels, grey, at) => {
      for (let to = 0; to < side * side; to++) {
        const y = Math.floor(Math.floor(to / side) * height / side), x = Math.floor((to % side) * width / side);
        const light = known && !known[at] ? 0.5 : cells[(at * height + y) * width + x] ? 1 : 0.25;
        pixels[4 * to] = pixels[4 * to + 1] = pixels[4 * to + 2] = light * grey[to];
      }
    };
  };

  const addTile = (parent, paint, label, name, ...lines) => {
    const tile = element("figure", "", "tile"), canvas = element("canvas");
    canvas.width = canvas.height = side;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    const caption = element("figcaption");
    caption.append(mapName(name));
    for (const line of lines) caption.append(element("br"), element("span", line));
    tile.append(canvas, caption);
    parent.append(tile);
    tiles.push({ canvas, paint });
    parent.parentElement.classList.toggle("wide", parent.childElementCount > 1);
    return caption;
  };

  const addCard = (title, prediction, className) => {
    const card = element("div", "", `card ${className || ""}`), heading = element("h3", "");
    heading.append(element("span", title, "title"));
    if (title in marks) {
      const [colour, shape, open] = marks[title];
      card.classList.add("marked", shape);
      card.classList.toggle("open", open);
      card.style.setProperty("--row", colour);
    }
    if (prediction) heading.append(prediction);
    const inside = element("div", "", "tiles");
    card.append(heading, inside);
    card.setAttribute("role", "group");
    card.setAttribute("aria-label", title);
    byId("cards").append(card);
    return inside;
  };

  const build = (own) => {
    tiles = [];
    byId("cards").replaceChildren();
    const seen = addCard(`class ${own.label}`, "", "seen");
    number = addTile(seen, paintFrame, `frame of ${own.id}, class ${own.label}`, "frame", " ").lastElementChild;
    if (own.masks) addTile(seen, maskPainter(own.masks), "training mask: what it covers is light", "training mask");
    if (own.truth) {
      const without = own.truth.known.filter((each) => !each).length;
      const lines = without ? [`none of ${without} of ${own.truth.known.length} frames`] : [];
      addTile(seen, maskPainter(own.truth), "truth: what it covers is light", "truth", ...lines);
    }
    own.rows.forEach((row, at) => {
      const name = data.rows[at], verdict = row.right ? "right" : "wrong";
      const prediction = element("span", `${row.right ? "✓" : "✗"} `, `predicted ${verdict}`);
      prediction.append(named(row.predicted));
      prediction.title = `predicted ${row.predicted}: ${verdict}`;
      const inside = addCard(name, prediction);
      for (const map of row.maps) {
        const bits = map.entropy === null ? "flat" : `${map.entropy.toFixed(2)} bits`;
        const iou = map.iou === null ? [] : [`IoU ${map.iou.toFixed(2)}`];
        const said = [`${name}, ${map.name}: predicted ${row.predicted} (${verdict})`, bits, ...iou].join(", ");
        addTile(inside, mapPainter(map), said, map.name, [bits, ...iou].join(", "));
      }
    });
  };

  const current = () => data.videos[Number(video.value)];

  const draw = () => {
    const own = current(), at = Number(frame.value) - 1;
    byId("number").textContent = `${at + 1} of ${own.numbers.length}`;
    number.textContent = `no. ${own.numbers[at]} of the video`;
    frame.setAttribute("aria-valuetext", `frame ${at + 1} of ${own.numbers.length}, ${number.textContent}`);
    if (!greys) return;
    for (const { canvas, paint } of tiles) {
      const context = canvas.getContext("2d"), image = context.createImageData(side, side);
      for (let alpha = 3; alpha < image.data.length; alpha += 4) image.data[alpha] = 255;
      paint(image.data, greys[at], at);
      context.putImageData(image, 0, 0);
    }
  };

  const showVideo = async () => {
    const own = current(), turn = ++shown, place = video.selectedIndex;
    greys = null;
    build(own);
    frame.max = own.numbers.length;
    video.title = own.id; // the list may be narrower
    const wrong = own.rows.filter((row) => !row.right).length;
    byId("position").textContent =
      `${place + 1} of ${video.length} · wrong in ${wrong} of ${own.rows.length} rows`;
    byId("previous").disabled = place === 0;
    byId("next").disabled = place === video.length - 1;
    draw();
    const strip = new Image();
    strip.src = own.strip;
    await strip.decode();
    if (turn !== shown) return;
    const canvas = element("canvas");
    canvas.width = side;
    canvas.height = side * own.numbers.length;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(strip, 0, 0);
    greys = own.numbers.map((_, at) => {
      const pixels = context.getImageData(0, at * side, side, side).data;
      return Uint8Array.from({ length: side * side }, (__, each) => pixels[4 * each]);
    });
    draw();
    byId("cards").dataset.drawn = own.id;
  };

  const showOrder = () => {
    const own = data.orders[Number(order.value)];
    byId("asked").textContent = `${own.words} IoU: with ${data.target}.`;
    video.replaceChildren(...own.videos.map((at, rank) => {
      const choice = element("option", `${rank + 1}. ${data.videos[at].id}`);
      choice.value = at;
      return choice;
    }));
    showVideo();
  };

  const step = (by) => {
    video.selectedIndex += by;
    showVideo();
  };

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };

  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    play.textContent = "Pause";
    timer = setInterval(() => {
      frame.value = Number(frame.value) % Number(frame.max) + 1;
      draw();
    }, PLAY_MS);
  });
  frame.addEventListener("input", () => { stop(); draw(); });
  order.addEventListener("change", showOrder);
  video.addEventListener("change", showVideo);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));

  data.orders.forEach((each, at) => {
    const choice = element("option", each.name);
    choice.value = at;
    order.append(choice);
  });
  const stops = Array.from({ length: 17 }, (_, at) => colours.subarray(3 * Math.min(16 * at, 255), 3 * Math.min(16 * at, 255) + 3));
  byId("scale").style.background = `linear-gradient(to right, ${stops.map((each) => `rgb(${each.join(",")})`).join(", ")})`;
  showOrder();
})();
