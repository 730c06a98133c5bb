// The phone in the browser. Texts of people become text nodes and nothing else.
"use strict";

const SOON = 250; // ms between looks while an answer is due
const LATER = 1500;
const ATTENTIVE = 20000; // ms after writing during which an answer is due

const at = (id) => document.getElementById(id);
const medium = at("medium"), person = at("person"), ours = at("ours"), lines = at("lines");
let shown = "";
let wroteAt = 0;
let turn = 0;

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function clock(moment) {
  return new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function day(moment) {
  return new Date(moment).toLocaleString([], { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

function address() {
  return { medium: medium.value, person: person.value.trim(), ours: medium.value === "telegram" ? "" : ours.value };
}

function complain(text) {
  at("fault").textContent = text || "";
  at("fault").hidden = !text;
}

function bubble(line) {
  const item = made("li", line.who === "person" ? "line mine" : "line");
  item.dataset.line = line.id;
  const text = made("bdi", "bubble", line.text || "(contact)");
  item.append(text);
  if (line.buttons.length) {
    const choices = made("div", "choices");
    for (const button of line.buttons) {
      const press = made("button", "", button.label);
      press.type = "button";
      press.addEventListener("click", () => say({ text: button.label, button: button.token }));
      choices.append(press);
    }
    item.append(choices);
  }
  item.append(made("span", "when", (line.who === "staff" ? "a person, " : "") + clock(line.at)));
  return item;
}

function show(answer) {
  const state = JSON.stringify(answer);
  if (state === shown) return;
  shown = state;
  // What stands there stays there, so that a screen reader tells the new lines only.
  answer.lines.forEach((line, place) => {
    const there = lines.children[place];
    if (!there || there.dataset.line !== line.id) lines.insertBefore(bubble(line), there || null);
  });
  lines.scrollTop = lines.scrollHeight;
  const list = at("got-list");
  // Codes come by SMS from the bot's own number, whichever conversation asked for them.
  const got = [...answer.texts, ...answer.got];
  list.replaceChildren(...got.map((message) => {
    const item = made("li");
    item.append(made("bdi", "sender", message.sender), made("span", "soft", day(message.at)));
    if (message.text) item.append(made("bdi", "code", message.text));
    return item;
  }));
  at("got").hidden = !got.length;
}

async function look(mine) {
  if (!document.hidden && person.value.trim()) {
    try {
      const response = await fetch("/phone/messages?" + new URLSearchParams(address()));
      const answer = await response.json();
      if (mine !== turn) return;
      if (response.ok) { show(answer); complain(""); } else complain(answer.error);
    } catch { if (mine === turn) complain("The bot's web process does not answer."); }
  }
  if (mine === turn) setTimeout(() => look(mine), Date.now() - wroteAt < ATTENTIVE ? SOON : LATER);
}

function begin() {
  turn += 1;
  shown = "";
  lines.replaceChildren();
  at("got").hidden = true;
  complain("");
  const isTelegram = medium.value === "telegram";
  at("to").hidden = isTelegram;
  at("contact").hidden = !isTelegram;
  at("peer").textContent = isTelegram ? "@whosent_bot" : ours.value;
  at("me").textContent = person.value.trim() ? "as " + person.value.trim() : "";
  for (const card of document.querySelectorAll(".card")) {
    const isIt = isTelegram ? card.dataset.user === person.value.trim() : card.dataset.person === person.value.trim();
    card.setAttribute("aria-pressed", String(isIt));
  }
  look(turn);
}

async function say(what) {
  wroteAt = Date.now();
  try {
    const response = await fetch("/phone/messages", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...address(), ...what }),
    });
    if (!response.ok) { complain((await response.json()).error || "That was not accepted."); return false; }
  } catch { complain("The bot's web process does not answer."); return false; }
  turn += 1;
  look(turn);
  return true;
}

function numberIn(text) {
  const found = /\+48732\d{6}/.exec(text || "");
  return found && Array.from(ours.options).some((option) => option.value === found[0]) ? found[0] : null;
}

for (const card of document.querySelectorAll(".card")) {
  card.addEventListener("click", () => {
    if (card.dataset.user) {
      medium.value = "telegram";
      person.value = card.dataset.user;
    } else {
      if (medium.value === "telegram") medium.value = "sms";
      person.value = card.dataset.person;
      ours.value = numberIn(card.textContent) || ours.options[ours.options.length - 1].value;
    }
    begin();
    at("text").focus();
  });
}
for (const field of [medium, ours]) field.addEventListener("change", begin);
person.addEventListener("change", begin);

at("write").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (!text.trim()) return;
  at("text").value = "";
  if (!await say({ text })) at("text").value = text;
});
at("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  at("write").requestSubmit();
});
for (const button of document.querySelectorAll("[data-own]")) {
  button.addEventListener("click", () => {
    say({ contact: { number: at("contact-number").value, is_own: button.dataset.own === "yes" } });
  });
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) { turn += 1; look(turn); } });

const first = document.querySelector(".card[data-person]");
if (first) first.click(); else begin();
