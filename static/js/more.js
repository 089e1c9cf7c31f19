// Fetches the next page of images as its link comes near, and hangs them under those that are there.

const wall = document.querySelector("[data-more-into]");
const link = document.querySelector("[data-more]");

const observer = new IntersectionObserver(
  (entries) => {
    if (entries.some((entry) => entry.isIntersecting)) fetchMore();
  },
  { rootMargin: "1200px" },
);

async function fetchMore() {
  observer.disconnect();
  try {
    const response = await fetch(link.href);
    if (!response.ok || response.redirected) return; // the link still works by hand
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    wall.append(...page.querySelectorAll("[data-more-into] > *"));
    const next = page.querySelector("[data-more]");
    if (next) {
      link.href = next.href;
      observer.observe(link);
    } else {
      link.parentElement.remove();
    }
  } catch {
    // No network: the link stays for a click.
  }
}

if (link) observer.observe(link);
