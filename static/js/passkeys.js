// Forms with data-passkey make a passkey ("create") or use one ("get") and then send it in their field `credential`.
// What the browser is asked stands in data-options, or is fetched from data-options-url when the button is pressed.
// A form with data-passkey-autofill also lets the browser offer passkeys in the email box, where it can.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

const WORDS = {
  NotAllowedError: "That was cancelled or took too long. Try again.",
  InvalidStateError: "This device has a passkey for your account already.",
  ConstraintError: "This device can’t make a passkey that works alone. Untick the box above, or use another device.",
  SecurityError: "Passkeys don’t work at this address. They need HTTPS and a domain name.",
};

async function make(options, isPasswordless) {
  const publicKey = options.publicKey;
  const selection = { ...publicKey.authenticatorSelection };
  selection.residentKey = isPasswordless ? "required" : "discouraged";
  selection.requireResidentKey = isPasswordless;
  if (isPasswordless) selection.userVerification = "required";
  const made = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      authenticatorSelection: selection,
      challenge: bytes(publicKey.challenge),
      user: { ...publicKey.user, id: bytes(publicKey.user.id) },
      excludeCredentials: known(publicKey.excludeCredentials),
    },
  });
  return {
    ...plain(made),
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
}

async function use(options, how = {}) {
  const publicKey = options.publicKey;
  const used = await navigator.credentials.get({
    ...how,
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      allowCredentials: known(publicKey.allowCredentials),
    },
  });
  const { clientDataJSON, authenticatorData, signature, userHandle } = used.response;
  return {
    ...plain(used),
    response: {
      clientDataJSON: text(clientDataJSON),
      authenticatorData: text(authenticatorData),
      signature: text(signature),
      userHandle: userHandle && text(userHandle),
    },
  };
}

const known = (credentials) => (credentials ?? []).map((one) => ({ ...one, id: bytes(one.id) }));
const plain = (credential) => ({
  id: credential.id,
  rawId: text(credential.rawId),
  type: credential.type,
  authenticatorAttachment: credential.authenticatorAttachment,
  clientExtensionResults: credential.getClientExtensionResults(),
});

async function optionsOf(form) {
  if (form.dataset.options) {
    const data = JSON.parse(form.dataset.options);
    return data.creation_options ?? data.request_options;
  }
  const response = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(response.status === 429 ? "Too many attempts. Wait a minute." : "");
  return (await response.json()).request_options;
}

async function ask(form) {
  const options = await optionsOf(form);
  const isNew = form.dataset.passkey === "create";
  send(form, isNew ? await make(options, form.elements.passwordless.checked) : await use(options));
}

function send(form, credential) {
  form.elements.credential.value = JSON.stringify(credential);
  form.submit();
}

// The offer waits as long as the page is open. A browser answers one question at a time: the button's ends it.
let offered = new AbortController();

async function offer(form) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offered = new AbortController();
  const { signal } = offered;
  try {
    send(form, await use(await optionsOf(form), { mediation: "conditional", signal }));
  } catch {
    // Ended by the button, or there is nothing to offer: the button and the password are still there.
  }
}

// Browsers tie passkeys to a domain name; `localhost` is one, an IP address is none.
const isNamed = !/^[\d.]+$|^\[/.test(location.hostname);
const isSupported = Boolean(isNamed && window.PublicKeyCredential && navigator.credentials);
for (const notice of document.querySelectorAll("[data-passkey-unsupported]")) notice.hidden = isSupported;
if (!isSupported) for (const form of document.querySelectorAll("[data-passkey]")) form.remove();

for (const form of document.querySelectorAll("[data-passkey]")) {
  const problem = form.querySelector("[data-passkey-error]");
  let busy = false;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    problem.textContent = "";
    offered.abort();
    const words = form.querySelector("[type=submit]").lastChild;
    const usual = words.textContent;
    words.textContent = "Waiting for your device…";
    try {
      await ask(form);
    } catch (error) {
      problem.textContent = WORDS[error.name] || error.message || "That did not work. Reload the page and try again.";
      if ("passkeyAutofill" in form.dataset) offer(form);
    }
    words.textContent = usual;
    busy = false;
  });
  if ("passkeyAutofill" in form.dataset) offer(form);
}
