// The credential: kept in this tab only, sent in headers over HTTP and as a subprotocol over WebSocket.

const TOKEN = "omnia.token";

export const credential = {
  get token(): string {
    return sessionStorage.getItem(TOKEN) ?? "";
  },
  set token(value: string) {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  },
  headers(): Record<string, string> {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  },
  get subprotocols(): string[] {
    return this.token ? ["omnia.v1", `omnia.bearer.${this.token}`] : ["omnia.v1"];
  },
};
