// The pages that are measured: an application in cases/, a request, and the response that must come before
// anything is measured; one list for each suite under load. The goals of the project for a page stand
// beside it. `asgi` of a WSGI page is the same page for uvicorn.

/** One page of one application. */
export interface Case {
  readonly name: string;
  readonly title: string;
  /** module:callable in benchmarks/cases. */
  readonly wsgi: string;
  readonly asgi: string;
  readonly path: string;
  /** Bytes of body to post; 0 = GET. */
  readonly postBytes: number;
  /** JSON to post instead of so many bytes. */
  readonly postJson?: string;
  /** The body of a right response. */
  readonly expectedBody: string;
  /** Whether the page is asked for over TLS; default: no. */
  readonly isSecure?: boolean;
  readonly goals: readonly Goal[];
}

/** Typhon's CPU a request is to be at most this share of that of the best server of a family. */
export interface Goal {
  readonly family: "granian" | "gunicorn" | "nginx" | "uvicorn";
  readonly share: number;
}

/** A page that sends WebSocket messages back. The plain request only shows that the server has started. */
export interface WebSocketCase extends Case {
  readonly messageBytes: number;
}

const HELLO = "Hello, World!";
const PAGE = "0123456789abcdef".repeat(640);
const ITEM = '{"name":"Portal gun","price":42.5,"tags":["blue","orange"]}';
const ITEM_RESPONSE = '{"name":"Portal gun","total":85.0,"tags":["blue","orange"]}';

const RAW_GOALS: readonly Goal[] = [
  { family: "granian", share: 1 },
  { family: "gunicorn", share: 0.25 },
];
const FRAMEWORK_GOALS: readonly Goal[] = [
  { family: "granian", share: 1 },
  { family: "gunicorn", share: 0.45 },
];
const RAW_ASGI_GOALS: readonly Goal[] = [
  { family: "uvicorn", share: 1 },
  { family: "granian", share: 1.2 },
];
const FASTAPI_GOALS: readonly Goal[] = [
  { family: "uvicorn", share: 0.85 },
  { family: "granian", share: 1 },
];

/** WSGI; in the order in which they are measured and shown. */
export const CASES: readonly Case[] = [
  {
    name: "raw-hello",
    title: "WSGI hello, 13 bytes",
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goals: RAW_GOALS,
  },
  {
    name: "raw-10k",
    title: "WSGI, body of 10,240 bytes",
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path: "/10k",
    postBytes: 0,
    expectedBody: PAGE,
    goals: RAW_GOALS,
  },
  {
    name: "raw-post",
    title: "WSGI, 1,024 bytes posted",
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path: "/length",
    postBytes: 1024,
    expectedBody: "1024",
    goals: RAW_GOALS,
  },
  {
    name: "flask",
    title: "Flask hello",
    wsgi: "flask_hello:app",
    asgi: "flask_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goals: FRAMEWORK_GOALS,
  },
  {
    name: "django",
    title: "Django hello, default middleware",
    wsgi: "django_hello:app",
    asgi: "django_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goals: FRAMEWORK_GOALS,
  },
];

/** ASGI, with a list of servers of its own (asgi-servers.ts). */
export const ASGI_CASES: readonly Case[] = [
  {
    name: "raw-asgi-hello",
    title: "ASGI hello, 13 bytes",
    wsgi: "",
    asgi: "raw_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goals: RAW_ASGI_GOALS,
  },
  {
    name: "asgi-10k",
    title: "ASGI, body of 10,240 bytes",
    wsgi: "",
    asgi: "raw_asgi:app",
    path: "/10k",
    postBytes: 0,
    expectedBody: PAGE,
    goals: RAW_ASGI_GOALS,
  },
  {
    name: "asgi-post",
    title: "ASGI, 1,024 bytes posted",
    wsgi: "",
    asgi: "raw_asgi:app",
    path: "/length",
    postBytes: 1024,
    expectedBody: "1024",
    goals: RAW_ASGI_GOALS,
  },
  {
    name: "fastapi-hello",
    title: "FastAPI hello, JSON",
    wsgi: "",
    asgi: "fastapi_pages:app",
    path: "/",
    postBytes: 0,
    expectedBody: '{"message":"Hello World"}',
    goals: FASTAPI_GOALS,
  },
  {
    name: "fastapi-json",
    title: "FastAPI, JSON posted and checked",
    wsgi: "",
    asgi: "fastapi_pages:app",
    path: "/items",
    postBytes: 0,
    postJson: ITEM,
    expectedBody: ITEM_RESPONSE,
    goals: FASTAPI_GOALS,
  },
  {
    name: "asgi-upload",
    title: "ASGI, 1 MB posted",
    wsgi: "",
    asgi: "raw_asgi:app",
    path: "/length",
    postBytes: 1_048_576,
    expectedBody: "1048576",
    goals: RAW_ASGI_GOALS,
  },
  {
    name: "asgi-stream",
    title: "ASGI, 16 chunks of 1,024 bytes",
    wsgi: "",
    asgi: "raw_asgi:app",
    path: "/stream",
    postBytes: 0,
    expectedBody: PAGE.slice(0, 1024).repeat(16),
    goals: RAW_ASGI_GOALS,
  },
];

function echo(name: string, size: string, messageBytes: number): WebSocketCase {
  return {
    name,
    title: `WebSocket echo, ${size}`,
    wsgi: "",
    asgi: "web_socket:app",
    path: "/",
    postBytes: 0,
    // Of the plain request; load/web-sockets.ts checks the echoes.
    expectedBody: HELLO,
    messageBytes,
    goals: [],
  };
}

/** Binary messages; servers as for ASGI. */
export const WEBSOCKET_CASES: readonly WebSocketCase[] = [
  echo("websocket-16", "16 bytes", 16),
  echo("websocket-1k", "1,024 bytes", 1024),
  echo("websocket-64k", "65,536 bytes", 65_536),
];

/** Not among CASES, so that a run beside the peers takes no longer. */
const RAW_UPLOAD: Case = {
  name: "raw-upload",
  title: "WSGI, 1 MB posted",
  wsgi: "raw:app",
  asgi: "raw_asgi:app",
  path: "/length",
  postBytes: 1_048_576,
  expectedBody: "1048576",
  goals: [],
};

const COMPARED = new Set([
  "raw-hello",
  "raw-10k",
  "flask",
  "raw-asgi-hello",
  "fastapi-hello",
  "asgi-upload",
]);

/** Pages of a comparison of two checkouts of Typhon: one for each way through the server. */
export const COMPARED_PAGES: readonly Case[] = [
  ...[...CASES, ...ASGI_CASES].filter(({ name }) => COMPARED.has(name)),
  RAW_UPLOAD,
];
