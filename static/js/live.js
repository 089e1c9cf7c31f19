// Listens to the account's event stream while the page is visible, and asks by itself when the stream is away.
// Says "generation" {id, status, html?} and "balance" {balance} on the document, and "look" {polling?} when a
// page may have missed something: after a gap of the stream, and every few seconds while there is none.

const POLL_MS = 2000;
const RECONNECT_MS = 5000; // then twice as long each time, up to a minute: an account has only so many streams
const RECONNECT_MOST_MS = 60_000;

let source = null;
let poller = null;
let reconnect = null;
let pause = RECONNECT_MS;

// Somewhat more or less: pages that lost the same server are not to come back all at the same moment.
const spread = (ms) => ms * (0.6 + 0.8 * Math.random());
const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

function connect() {
  if (source) return;
  source = new EventSource(document.body.dataset.events);
  source.addEventListener("generation", (event) => say("generation", JSON.parse(event.data)));
  source.addEventListener("balance", (event) => say("balance", JSON.parse(event.data)));
  source.addEventListener("ready", () => {
    stopPolling();
    pause = RECONNECT_MS;
    say("look"); // for what happened before the stream began
  });
  source.addEventListener("error", () => {
    startPolling();
    if (source?.readyState !== EventSource.CLOSED) return; // else the browser connects again by itself
    disconnect();
    startPolling();
    reconnect = setTimeout(connect, spread(pause));
    pause = Math.min(2 * pause, RECONNECT_MOST_MS);
  });
}

function disconnect() {
  clearTimeout(reconnect);
  source?.close();
  source = null;
  stopPolling();
}

function startPolling() {
  poller ??= setInterval(say, spread(POLL_MS), "look", { polling: true });
}

function stopPolling() {
  clearInterval(poller);
  poller = null;
}

// A hidden page lets go of its connection: browsers allow a site six of them over HTTP/1.1, across all tabs.
function follow() {
  if (document.visibilityState === "visible") connect();
  else disconnect();
}

document.addEventListener("visibilitychange", follow);
addEventListener("pagehide", disconnect);
addEventListener("pageshow", follow);
document.addEventListener("DOMContentLoaded", follow); // not sooner: by then every module listens
