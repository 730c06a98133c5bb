// Refresh what changes by itself, and keep a form from being sent twice. The desk works without this file.
"use strict";

const EVERY = 3000; // ms

async function refresh() {
  const parts = document.querySelectorAll("[data-live]");
  if (!parts.length || document.hidden) return;
  const response = await fetch(location.pathname, { headers: { "X-Refresh": "1" } });
  if (response.redirected) { location.reload(); return; } // the session is over
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of parts) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!fresh || fresh.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
    if (part.querySelector("details[open]")) continue; // somebody writes in it
    part.replaceChildren(...fresh.childNodes);
  }
}

if (location.pathname.startsWith("/desk") && document.querySelector("[data-live]")) {
  setInterval(() => { refresh().catch(() => {}); }, EVERY);
}

// Of the whole page: a refresh puts new forms in.
document.addEventListener("submit", (event) => {
  // After the browser has collected the fields.
  setTimeout(() => { for (const button of event.target.querySelectorAll("button")) button.disabled = true; }, 0);
});
