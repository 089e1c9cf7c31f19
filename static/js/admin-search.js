// The search that opens with Ctrl+K, where unfold's stops short: it opens from within a field too, such as the one that
// has the focus on the first page, and Enter opens the only hit, also when that is still on its way.
// A classic script in the head: what it does has to be there before unfold's own answers the same key.
{
  const field = () => document.getElementById("search-input-command");
  const hits = () => document.querySelectorAll("#command-results-list > li > a");
  let shown = ""; // for which words the hits are there
  let isWanted = false; // Enter was pressed before they were

  const open = () => {
    if (hits().length === 1) location.assign(hits()[0].href);
  };

  window.addEventListener(
    "keydown",
    (event) => {
      const search = field();
      if (!search) return;
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
        // Everywhere, so that unfold's does not open it a second time. Open already, it is only given the focus.
        event.preventDefault();
        event.stopImmediatePropagation();
        if (search.checkVisibility()) search.focus();
        else window.dispatchEvent(new CustomEvent("opencommand"));
      } else if (event.target === search && event.key === "Enter") {
        if (document.querySelector("#command-results-list .active, #command-history .active")) return;
        event.preventDefault();
        event.stopImmediatePropagation(); // unfold's fails where nothing is chosen
        isWanted = search.value.trim() !== shown;
        if (!isWanted) open();
      } else if (event.target === search) {
        isWanted = false;
      }
    },
    { capture: true },
  );

  window.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "command-results") return;
    shown = new URL(event.detail.pathInfo.finalRequestPath, location.href).searchParams.get("s")?.trim() ?? "";
    if (isWanted && shown === field().value.trim()) {
      isWanted = false;
      open();
    }
  });
}
