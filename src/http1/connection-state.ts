// Where one client's connection stands, from its first byte to its last.
//
//            ┌────────────── answered, may persist ───────────────┐
//            ▼                                                     │
//   new ─▶ idle ─bytes─▶ head ─whole─▶ body ─whole─▶ busy ─answer─▶ flushing
//            │             │             │             │           │
//            └─ timeout ───┴── refused, timeout, FIN ──┼── close ──┴──▶ lingering ──▶ closed
//                                                      └── 101 ──▶ upgraded ────────────▲
//
// body: the request is on its way in, whether or not its handler takes it. busy: whole, not yet
// answered; what comes now is read ahead, bounded. flushing: answered, the client has not taken enough
// of it for a next one. lingering: our last byte is sent, the client's are dropped for a while.
// upgraded: the socket is another protocol's, only its end is heard.

export type ConnectionState =
  | "idle"
  | "head"
  | "body"
  | "busy"
  | "flushing"
  | "lingering"
  | "upgraded"
  | "closed";
