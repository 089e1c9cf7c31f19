// Keeps pages from whoever they were not made for. Browsers keep a page whole for Back and Forward, or its text, and ask
// nobody when they bring it back: after a log-out, or when somebody else has logged in, it is blanked and loaded anew.
//
// A classic script in the head, so that nothing of the page is drawn before it has run. The cookie `viewer` holds the
// mark of who is logged in (reveweb/login/viewer.py), data-viewer that of who the page was made for.
{
  const { viewer, here } = document.currentScript.dataset;
  const root = document.documentElement;
  const isTheirs = () => document.cookie.split("; ").includes(`viewer=${viewer}`);
  const isBack = () => performance.getEntriesByType("navigation")[0]?.type === "back_forward";

  const cover = (on) => {
    root.style.visibility = on ? "hidden" : "";
  };

  function leave() {
    cover(true);
    location.reload();
  }

  // The session may have ended where this browser has not heard of it: its time was up, or it was ended elsewhere.
  async function ask() {
    try {
      await fetch(here, { method: "HEAD", cache: "no-store" });
    } catch {
      return; // no network: what the cookie says is all there is
    }
    if (!isTheirs()) leave();
  }

  const isWritten = () =>
    [...document.querySelectorAll("textarea, input:not([type]), input[type=text]")].some(
      (field) => field.value !== field.defaultValue,
    );

  if (isBack()) {
    if (isTheirs()) ask();
    else leave();
  }

  addEventListener("pagehide", () => cover(true)); // as it is kept, so it comes back
  addEventListener("pageshow", (event) => {
    if (event.persisted && !isTheirs()) return leave();
    cover(false);
    if (event.persisted) ask();
  });

  // Logged out in another tab. What somebody has begun to write stays: sending it leads over the log-in page.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || isTheirs()) return;
    const isSomebodyElse = /(?:^|; )viewer=(?!over\.)/.test(document.cookie);
    if (isSomebodyElse || !isWritten()) leave();
  });
}
