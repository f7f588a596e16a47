// What runs in a page of nmt/page.py: paging through decks, and sifting entries. Without it both
// are plain lists, and nothing else is amiss. Text is only ever read here, never made into markup.
"use strict";

function made(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function pageThrough(deck) {
  const cards = [...deck.children];
  if (cards.length < 2) return;
  const choice = made("select", { ariaLabel: "Which one" });
  cards.forEach((card, number) => {
    const title = card.querySelector(".title").textContent.slice(0, 60);
    choice.append(made("option", { value: number, textContent: `${number + 1}. ${title}` }));
  });
  const back = made("button", { type: "button", textContent: "‹ Previous" });
  const on = made("button", { type: "button", textContent: "Next ›" });
  const show = (number) => {
    const at = (number + cards.length) % cards.length;
    cards.forEach((card, other) => card.classList.toggle("away", other !== at));
    choice.value = at;
  };
  const turn = (step) => show(Number(choice.value) + step);
  back.addEventListener("click", () => turn(-1));
  on.addEventListener("click", () => turn(1));
  choice.addEventListener("change", () => turn(0));
  const controls = made("div", { className: "controls" });
  controls.append(back, choice, on);
  deck.before(controls);
  show(0);
}

function sift(sieve) {
  const entries = [...sieve.querySelectorAll("article")];
  const texts = entries.map((entry) => entry.textContent.normalize("NFC").toLowerCase());
  const field = made("input", { type: "search", placeholder: "Find …", ariaLabel: "Find" });
  const choice = made("select", { ariaLabel: "Which ones" });
  choice.append(made("option", { value: "", textContent: "all" }));
  for (const [mark, name] of JSON.parse(sieve.dataset.marks))
    choice.append(made("option", { value: mark, textContent: name }));
  const count = made("output", {});
  const apply = () => {
    const wanted = field.value.normalize("NFC").toLowerCase();
    let shown = 0;
    entries.forEach((entry, number) => {
      const marked = !choice.value || entry.dataset.marks.split(" ").includes(choice.value);
      const stays = marked && texts[number].includes(wanted);
      entry.classList.toggle("gone", !stays);
      shown += stays;
    });
    count.textContent = `${shown.toLocaleString("en")} of ${entries.length.toLocaleString("en")}`;
  };
  field.addEventListener("input", apply);
  choice.addEventListener("change", apply);
  const controls = made("div", { className: "controls" });
  controls.append(field, choice, count);
  sieve.prepend(controls);
  apply();
}

document.querySelectorAll(".deck").forEach(pageThrough);
document.querySelectorAll(".sieve").forEach(sift);
