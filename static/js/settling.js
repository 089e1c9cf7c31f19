// After a change at Stripe: its word arrives a moment later, so the page looks for it for a while and then shows it.

const LOOKS = 12;
const EVERY_MS = 1500;

const place = document.querySelector("[data-settling]");
const clean = new URL(location.href);
clean.searchParams.delete("settling");

async function look(left) {
  try {
    const response = await fetch(place.dataset.settling);
    if (response.ok && !response.redirected && (await response.json()).state !== place.dataset.state) {
      return location.replace(clean);
    }
  } catch {
    // No network: the next look may have one.
  }
  if (left > 1) setTimeout(look, EVERY_MS, left - 1);
  else history.replaceState(null, "", clean);
}

setTimeout(look, EVERY_MS, LOOKS);
