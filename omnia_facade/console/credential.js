// The credential: in this tab's storage at most, in headers over HTTP, as a subprotocol over WebSocket.

const TOKEN = "omnia.token";

const credential = {
  get token() {
    return sessionStorage.getItem(TOKEN) ?? "";
  },
  set token(value) {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  },
  headers(more = {}) {
    return this.token ? { ...more, Authorization: `Bearer ${this.token}` } : more;
  },
  get subprotocols() {
    return this.token ? ["omnia.v1", `omnia.bearer.${this.token}`] : ["omnia.v1"];
  },
};

// Calls `changed` when another credential is to be used.
function beginCredential(changed) {
  const input = byId("token");
  input.value = credential.token;
  byId("settings-toggle").addEventListener("click", () => toggleSettings(byId("settings").hidden));
  byId("credential").addEventListener("submit", (event) => {
    event.preventDefault();
    credential.token = input.value.trim();
    changed();
  });
  byId("forget").addEventListener("click", () => {
    input.value = credential.token = "";
    changed();
  });
}

let asked = false;

function askForCredential(why) {
  asked = true;
  showState("refused", why);
  toggleSettings(true);
  byId("token").focus();
}

// What was opened to ask for the credential is closed when it was good.
function admitted() {
  if (asked) toggleSettings(false);
  asked = false;
}
