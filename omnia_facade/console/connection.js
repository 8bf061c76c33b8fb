// One WebSocket at a time. A lost one is reopened with exponential back-off.

const PAUSES = [0.5, 1, 2, 4, 8, 15];

class Connection {
  #socket = null;
  #tries = 0;
  #timer = 0;

  // `hears` has the callbacks state(kind, text), frame(frame), lost() and wanted(): the session to resume.
  constructor(hears) {
    this.hears = hears;
    addEventListener("online", () => this.#timer && this.open());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.#forget();
    const address = new URL("ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const wanted = this.hears.wanted();
    if (wanted) address.searchParams.set("session_id", wanted);
    this.hears.state("connecting", "Connecting");
    try {
      this.#listen(new WebSocket(address, credential.subprotocols));
    } catch {
      askForCredential("The token contains invalid characters.");
    }
  }

  send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #listen(socket) {
    let opened = false;
    this.#socket = socket;
    socket.onopen = () => {
      opened = true;
      this.#tries = 0;
      this.hears.state("open", "Connected");
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.hears.frame(JSON.parse(data));
    };
    socket.onclose = () => {
      this.#socket = null;
      this.hears.lost();
      if (opened) this.#later("Connection lost");
      else this.#explain();
    };
  }

  // Browsers hide why an upgrade was rejected; a plain request for the same path returns the reason.
  async #explain() {
    let why = "Cannot connect";
    try {
      await ask("ws");
    } catch (refused) {
      if (this.#socket || this.#timer) return;
      if (refused.status === 401) {
        askForCredential(`Needs a token: ${refused.message}`);
        return;
      }
      if (refused.status && refused.status !== 426) why = refused.message;
    }
    if (!this.#socket && !this.#timer) this.#later(why);
  }

  #later(why) {
    const pause = PAUSES[Math.min(this.#tries, PAUSES.length - 1)];
    this.#tries += 1;
    this.hears.state("connecting", `${why}; trying again`);
    this.#timer = setTimeout(() => this.open(), pause * 1000 * (0.75 + Math.random() / 2));
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.hears.lost();
  }
}
