// What is asked of every server: the applications in cases/, the request, and the answer that has to
// come back before anything is measured. `asgi` is the same page for uvicorn.

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
  /** The body that a right answer has. */
  readonly expectedBody: string;
  /** Goals of the project: CPU a request as a share of Granian's, and of gunicorn's best. */
  readonly goalOfGranian: number;
  readonly goalOfGunicorn: number;
}

const HELLO = "Hello, World!";

/** In the order in which they are measured and shown. */
export const CASES: readonly Case[] = [
  {
    name: "raw-hello",
    title: "WSGI hello, 13 bytes",
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goalOfGranian: 1,
    goalOfGunicorn: 0.25,
  },
  {
    name: "raw-10k",
    title: "WSGI, body of 10,240 bytes",
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path: "/10k",
    postBytes: 0,
    expectedBody: "0123456789abcdef".repeat(640),
    goalOfGranian: 1,
    goalOfGunicorn: 0.25,
  },
  {
    name: "raw-post",
    title: "WSGI, 1,024 bytes posted",
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path: "/length",
    postBytes: 1024,
    expectedBody: "1024",
    goalOfGranian: 1,
    goalOfGunicorn: 0.25,
  },
  {
    name: "flask",
    title: "Flask hello",
    wsgi: "flask_hello:app",
    asgi: "flask_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goalOfGranian: 1,
    goalOfGunicorn: 0.45,
  },
  {
    name: "django",
    title: "Django hello, default middleware",
    wsgi: "django_hello:app",
    asgi: "django_asgi:app",
    path: "/",
    postBytes: 0,
    expectedBody: HELLO,
    goalOfGranian: 1,
    goalOfGunicorn: 0.45,
  },
];
