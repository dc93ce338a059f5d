// Long names: as `labels.named` sets them, for what the other scripts write.
"use strict";
const named = (() => {
  const LETTERS = 24, TAIL = 14;
  const element = (text) => Object.assign(document.createElement("span"), { textContent: text });
  const letters = (text) => window.Intl && Intl.Segmenter
    ? Array.from(new Intl.Segmenter().segment(text), (each) => each.segment) : Array.from(text);
  return (text) => {
    const own = element("");
    own.className = "name";
    const all = text.length > LETTERS ? letters(text) : [];
    if (all.length <= LETTERS) {
      own.textContent = text;
      return own;
    }
    let at = all.length - TAIL;
    const space = all.indexOf(" ", at);
    if (space >= 0 && space < all.length - TAIL / 2) at = space + 1;
    own.className = "name long";
    own.dir = "auto";
    own.title = text;
    own.append(element(all.slice(0, at).join("")), element(all.slice(at).join("")));
    return own;
  };
})();
