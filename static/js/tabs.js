// Code in several languages: one choice for all of it, on this page and the next.

const samples = [...document.querySelectorAll("[data-samples]")];

// The choice is a cookie, so that the server sends the next page with that language open and nothing jumps.
const remember = (language) => (document.cookie = `code_language=${language}; path=/; max-age=31536000; samesite=lax`);
const remembered = () => document.cookie.match(/(?:^|; )code_language=(\w+)/)?.[1];

function show(language) {
  for (const sample of samples) {
    const radio = sample.querySelector(`input[value="${language}"]`);
    if (radio) radio.checked = true;
  }
}

for (const sample of samples) {
  sample.addEventListener("change", (event) => {
    const before = sample.getBoundingClientRect().top;
    show(event.target.value);
    scrollBy(0, sample.getBoundingClientRect().top - before); // the samples above may have changed height
    remember(event.target.value);
  });
}
// A page that comes back from the browser's memory was drawn before the last choice.
addEventListener("pageshow", () => remembered() && show(remembered()));
