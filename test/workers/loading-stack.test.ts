// What an operator reads of faulthandler's report while an application loads.

import assert from "node:assert/strict";
import { it } from "node:test";

import { describePlace, formatMainStack, readMainStack } from "../../src/workers/loading-stack.ts";

const IMPORT = `  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed
  File "<frozen importlib._bootstrap_external>", line 999 in exec_module`;
const OURS = `  File "/opt/typhon/python/typhon_worker/application/importer.py", line 161 in _import
  File "/opt/typhon/python/typhon_worker/main.py", line 104 in _run_worker
  File "<string>", line 1 in <module>`;
const VENV = "/srv/venv/lib/python3.13/site-packages";

function report(...frames: readonly string[]): string {
  return [
    "Thread 0x00007f01 (most recent call first):",
    '  File "/usr/lib/python3.13/threading.py", line 355 in wait',
    `  File "${VENV}/sdk/sender.py", line 3 in <module>`,
    "",
    "Current thread 0x00007f02 (most recent call first):",
    ...frames,
    OURS,
  ].join("\n");
}

it("names the module that is being imported, the innermost", () => {
  const text = report(
    `  File "${VENV}/torch/__init__.py", line 12 in <module>`,
    IMPORT,
    '  File "/srv/shop/shop/models.py", line 3 in <module>',
    IMPORT,
  );
  assert.equal(describePlace(text, "/srv/shop"), "import of torch, at torch/__init__.py:12");
});

it("names the function that the import waits in", () => {
  const text = report(
    '  File "/usr/lib/python3.13/socket.py", line 864 in create_connection',
    '  File "/srv/shop/shop/db.py", line 7 in <module>',
    IMPORT,
  );
  assert.equal(
    describePlace(text, "/srv/shop"),
    "import of shop.db, at shop/db.py:7, in create_connection (socket.py:864)",
  );
});

it("names a module outside of all known folders by its file", () => {
  const text = report('  File "/elsewhere/wsgi.py", line 1 in <module>');
  assert.equal(describePlace(text, "/srv/shop"), "import of wsgi, at /elsewhere/wsgi.py:1");
});

it("names the function of a factory, and the start of an ASGI application", () => {
  const text = report('  File "/srv/shop/shop/__init__.py", line 9 in create_app');
  assert.equal(describePlace(text, "/srv/shop"), "create_app, at shop/__init__.py:9");
  const lifespan = report(
    '  File "/opt/typhon/python/typhon_worker/asgi/worker.py", line 70 in run_asgi',
  );
  assert.match(describePlace(lifespan, "/srv/shop"), /the startup of its lifespan/);
});

it("is empty without a frame of the application", () => {
  for (const text of ["", "…", report()]) {
    assert.equal(describePlace(text, "/srv/shop"), "");
    assert.equal(formatMainStack(text), "");
  }
});

it("formats the main thread as Python does, the newest last", () => {
  const text = report(
    '  File "/srv/b.py", line 2 in f',
    '  File "/srv/a b.py", line 1 in <module>',
  );
  assert.equal(
    formatMainStack(text),
    '  File "/srv/a b.py", line 1, in <module>\n  File "/srv/b.py", line 2, in f',
  );
  assert.equal(readMainStack(text).length, 2);
});

it("tells at most 30 frames, the newest", () => {
  const frames = Array.from({ length: 90 }, (_, at) => `  File "/srv/a.py", line ${at} in f`);
  const told = formatMainStack(report(...frames)).split("\n");
  assert.equal(told.length, 30);
  assert.equal(told.at(-1), '  File "/srv/a.py", line 0, in f');
});
