// What was found in a video: answers, and frames beside their maps. The pictures come once, in one file.
// gradio runs this with `element`, `props` and `watch`; props.value is the JSON of Explainer.explain.
"use strict";
const home = element.querySelector("#result");
let timer = null; // of the frames that play
let turn = 0; // counts results: pictures of an earlier one that come late are dropped

const make = (name, text, attributes) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  return made;
};

// M_o with its letter below, as the paper writes it; others as they are.
const mapName = (name) => {
  const shown = make("span", name.replace(/^(M)_.$/, "$1"));
  if (/^M_.$/.test(name)) shown.append(make("sub", name.slice(2)));
  return shown;
};

const stop = () => {
  clearInterval(timer);
  timer = null;
};

const classes = (told) => {
  const section = make("section", "", { "aria-labelledby": "classes-title" });
  section.append(make("h2", "Most probable classes", { id: "classes-title" }));
  const list = make("ol", "", { class: "classes" });
  for (const { name, probability } of told.classes) {
    const share = `${(100 * probability).toFixed(1)} %`, item = make("li"), bar = make("span", "", { class: "bar" });
    bar.style.setProperty("--share", `${100 * probability}%`);
    bar.setAttribute("aria-hidden", "true");
    item.append(make("span", name, { class: "name" }), make("span", share, { class: "share" }), bar);
    list.append(item);
  }
  if (told.warning) section.append(make("p", told.warning, { class: "notice" }));
  const known = told.known === 1 ? "one class" : `${told.known.toLocaleString("en")} classes`;
  section.append(list, make("p", `Network: ${told.network}. It knows ${known}. ${told.about}`, { class: "note" }));
  return section;
};

const entropies = (told) => {
  const section = make("section", "", { "aria-labelledby": "entropy-title" });
  section.append(make("h2", "How sharp are the maps?", { id: "entropy-title" }));
  const list = make("ul", "", { class: "entropies" });
  for (const { name, about, entropy } of told.maps) {
    const item = make("li"), strong = make("strong");
    strong.append(mapName(name));
    item.append(strong, make("span", `${entropy}${about ? ` · ${about}` : ""}`));
    list.append(item);
  }
  section.append(list, make("p", told.entropy, { class: "note" }));
  return section;
};

const downloads = (told) => {
  const line = make("p", "", { class: "files" });
  line.append("Download: ");
  told.files.forEach(({ name, url }, at) => {
    line.append(at ? ", " : "", make("a", name, { href: url, download: name }));
  });
  return line;
};

// The frame and the chosen map over it, a slider below; `draw` gets its pictures when they are there.
const viewer = (told) => {
  const section = make("section", "", { "aria-labelledby": "viewer-title" }), last = told.frames.length - 1;
  section.append(make("h2", told.video, { id: "viewer-title" }));
  const group = make("fieldset", "", { class: "maps" });
  group.append(make("legend", "Map"));
  const first = Math.max(told.maps.findIndex(({ name }) => name === "M_o"), 0);
  told.maps.forEach(({ name }, at) => {
    const label = make("label"), radio = make("input", "", { type: "radio", name: "map", value: at });
    radio.checked = at === first;
    label.append(radio, mapName(name));
    group.append(label);
  });
  const panels = make("div", "", { class: "panels" });
  const canvases = ["frame", "map"].map((what) => {
    const figure = make("figure"), canvas = make("canvas", "", { role: "img", id: `shown-${what}` });
    figure.append(canvas, make("figcaption"));
    panels.append(figure);
    return canvas;
  });
  const player = make("div", "", { class: "player" });
  const play = make("button", "Play", { type: "button", id: "play" });
  const slider = make("input", "", { type: "range", id: "frame", min: 0, max: last, value: 0, step: 1, "aria-label": "Frame" });
  const number = make("output", "", { id: "number", for: "frame" });
  play.disabled = last === 0;
  player.append(play, slider, number);
  const legend = make("p", "", { class: "legend" }), scale = make("span", "", { class: "scale", "aria-hidden": "true" });
  const range = make("span");
  scale.style.background = `linear-gradient(to right, ${told.legend.join(", ")})`;
  range.append("map: 0 ", scale, " 1");
  legend.append(range, make("span", "dark: outside of what the network sees"));
  section.append(group, panels, player, legend, ...told.said.map((line) => make("p", line, { class: "note" })));

  let pictures = null, drawn = 0;
  const chosen = () => Number(group.querySelector("input:checked").value);
  const draw = async () => {
    const at = Number(slider.value), map = told.maps[chosen()].name, mine = ++drawn;
    const when = `${told.seconds[at].toFixed(2)} s`;
    number.textContent = when;
    slider.setAttribute("aria-valuetext", `${when}, frame ${told.frames[at]} of the video`);
    const captions = panels.querySelectorAll("figcaption");
    captions[0].textContent = `frame ${told.frames[at].toLocaleString("en")}`;
    captions[1].replaceChildren(mapName(map));
    canvases[0].setAttribute("aria-label", `frame ${told.frames[at]} of ${told.video}`);
    canvases[1].setAttribute("aria-label", `${map} over this frame`);
    if (!pictures) return;
    const each = 1 + told.maps.length;
    const both = await Promise.all([0, 1 + chosen()].map((place) => createImageBitmap(pictures[at * each + place])));
    if (mine !== drawn) return both.forEach((bitmap) => bitmap.close());
    both.forEach((bitmap, place) => {
      const canvas = canvases[place];
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        canvas.width = bitmap.width;
        canvas.height = bitmap.height;
      }
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
    });
    panels.dataset.drawn = `${at} ${map}`;
  };
  const pause = () => {
    stop();
    play.textContent = "Play";
  };
  slider.addEventListener("input", () => { pause(); draw(); });
  group.addEventListener("change", draw);
  play.addEventListener("click", () => {
    if (timer !== null) return pause();
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = (Number(slider.value) + 1) % (last + 1);
      draw();
    }, told.milliseconds);
  });
  draw();
  return { section, give: (blobs) => { pictures = blobs; return draw(); } };
};

const show = async () => {
  stop();
  const mine = ++turn;
  if (!props.value) {
    home.replaceChildren(make("p", "Frames, maps and probabilities will stand here.", { class: "empty" }));
    return;
  }
  const told = JSON.parse(props.value);
  if (told.fault) {
    home.replaceChildren(make("p", told.fault, { class: "fault", role: "alert" }));
    return;
  }
  const { section, give } = viewer(told), words = make("div", "", { class: "words" });
  words.append(classes(told), entropies(told));
  home.replaceChildren(section, downloads(told), words);
  try {
    const answer = await fetch(told.pictures);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const all = await answer.blob();
    if (mine !== turn) return;
    let from = 0;
    await give(told.sizes.map((size) => all.slice(from, from += size, "image/jpeg")));
  } catch (error) {
    if (mine === turn) section.append(make("p", `The pictures cannot be shown: ${error.message}.`, { class: "fault", role: "alert" }));
  }
};

watch("value", show);
show();
