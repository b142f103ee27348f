// Where it listens, and whom it believes.

import { readBindAddress, readHost, readPort } from "../bind-address.ts";
import { inGroup } from "../option.ts";
import { listOf, readNetwork } from "../values.ts";

const option = inGroup("Address");

export const ADDRESS = {
  bind: option({
    name: "bind",
    short: "b",
    placeholder: "ADDRESS",
    isRepeatable: true,
    fallbackWords: "port 80, else 127.0.0.1:8000",
    help: "HOST:PORT, [::1]:PORT, :PORT or unix:PATH; may be repeated",
    doc: "An address to listen on: `HOST:PORT`, `[::1]:PORT` (IPv6 in brackets), `:PORT` (all IPv4 addresses) or `unix:PATH`. May be given several times. Port 0 takes any free port. Excludes `--host` and `--port`. Without any address: `0.0.0.0:$PORT` if the variable `PORT` is set, else port 80 on all addresses where it may be bound, else 127.0.0.1:8000.",
    read: readBindAddress,
  }),
  host: option({
    name: "host",
    placeholder: "HOST",
    fallbackWords: "127.0.0.1",
    help: "the address alone, where --bind is not used",
    doc: "The host name or address to listen on, where `--bind` is not used. With `--port` but without `--host` it is 127.0.0.1; with a port from the variable `PORT` it is 0.0.0.0.",
    read: readHost,
  }),
  port: option({
    name: "port",
    short: "p",
    placeholder: "PORT",
    fallbackWords: "$PORT, else 8000",
    help: "the port alone, where --bind is not used",
    doc: "The port to listen on, where `--bind` is not used. With `--host` but without `--port` it is the variable `PORT`, else 8000. A `TYPHON_PORT` that begins with `tcp://` or `udp://` is passed over: Kubernetes sets such a variable by itself for a service named typhon.",
    read: readPort,
  }),
  forwardedAllowIps: option({
    name: "forwarded-allow-ips",
    placeholder: "CIDR,…",
    fallback: "127.0.0.1,::1",
    otherVariable: "FORWARDED_ALLOW_IPS",
    help: "proxies whose X-Forwarded-… and Forwarded are believed",
    doc: "Addresses and CIDR ranges, between commas, of the proxies whose `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded` and `X-Request-ID` are believed, read from right to left; from all others these fields are removed. `*` believes everybody, and is needed for proxies that come through a Unix socket. An empty value believes nobody.",
    read: listOf(readNetwork),
  }),
} as const;
