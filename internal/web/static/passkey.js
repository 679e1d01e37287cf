// The ceremonies of passkeys: the browser's part of sign-in, invitations and new passkeys.
// A button says in data-passkey which one it begins, and in its other data what goes along.
"use strict";

async function call(path, body, csrf) {
  const headers = { "Content-Type": "application/json" };
  if (csrf) headers["Sallyport-CSRF"] = csrf;
  const resp = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await resp.json();
  if (!resp.ok) throw new Error([answer.error || answer.detail || resp.statusText, answer.hint].filter(Boolean).join(": "));
  return answer;
}

async function ceremony(button) {
  const { passkey: base, invitation, csrf, next } = button.dataset;
  const begun = await call(base + "/begin", { invitation }, csrf);
  const options = begun.options.publicKey;
  const credential = base === "/auth/passkey"
    ? await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })
    : await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  await call(base + "/finish", { invitation, ticket: begun.ticket, answer: credential.toJSON() }, csrf);
  location.assign(next);
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  const said = document.getElementById("said");
  if (!window.PublicKeyCredential || !PublicKeyCredential.parseCreationOptionsFromJSON) {
    said.textContent = "This browser has no passkeys here. Use a current browser, and open this server by its https address.";
    continue;
  }
  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = "";
    try {
      await ceremony(button);
    } catch (err) {
      said.textContent = err.name === "NotAllowedError" ? "Nothing was done: it was cancelled, or there is no passkey for this server here." : err.message;
      button.disabled = false;
    }
  });
}
