// Keeps every shown balance true: whoever learns it says so with a "balance" event.

const grouped = new Intl.NumberFormat("en");

document.addEventListener("balance", ({ detail: { balance } }) => {
  const pill = document.getElementById("balance");
  if (pill) {
    pill.dataset.balance = balance;
    pill.querySelector("[data-balance-word]").textContent = balance === 1 ? "credit" : "credits";
  }
  for (const number of document.querySelectorAll("[data-balance-number]")) {
    number.textContent = grouped.format(balance);
  }
});
