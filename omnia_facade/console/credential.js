// The credential: stored in this tab only, sent in headers over HTTP and as a subprotocol over WebSocket.

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

// Calls `changed` when the user enters another credential.
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

// Closes the section that was opened to ask for the credential, once it is accepted.
function admitted() {
  if (asked) toggleSettings(false);
  asked = false;
}
