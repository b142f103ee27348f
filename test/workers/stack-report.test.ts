// The stacks of a worker: from Python where it answers, else by a signal. Timers are given.

import assert from "node:assert/strict";
import { beforeEach, it } from "node:test";

import { StackReport } from "../../src/workers/stack-report.ts";

let asked: number[];
let signals: number[];
let report: StackReport;
let texts: string[];
const onText = (text: string): void => void texts.push(text);

beforeEach(() => {
  asked = [];
  signals = [];
  texts = [];
  report = new StackReport(
    (id) => void asked.push(id),
    (signal) => void signals.push(signal),
  );
});

it("is what the worker says, for each late request its own", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(7, onText);
  report.ask(8, onText);
  assert.deepEqual(asked, [7, 8]);
  report.tell(8, "request 8 …");
  report.tell(8, "of nobody");
  report.tell(7, "request 7 …");
  assert.deepEqual(texts, ["request 8 …", "request 7 …"]);
  t.mock.timers.tick(1000);
  assert.deepEqual(signals, [], "no signal afterwards");
  report.ask(7, onText);
  assert.deepEqual(asked, [7, 8, 7]);
});

it("of those that are not told is faulthandler's one report", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const id of [7, 8, 9]) report.ask(id, onText);
  t.mock.timers.tick(60);
  report.tell(7, "request 7");
  t.mock.timers.tick(99);
  assert.deepEqual(signals, [], "the worker still answers");
  t.mock.timers.tick(1);
  report.ask(10, onText);
  report.addLine("Thread 1:");
  t.mock.timers.tick(250);
  assert.deepEqual(signals, [40]);
  assert.deepEqual(asked, [7, 8, 9]);
  assert.deepEqual(texts, ["request 7", "Thread 1:", "Thread 1:", "Thread 1:"]);
});

it("is what faulthandler writes at a signal, where the worker is silent for 100 ms", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.addLine("of an earlier report");
  report.ask(7, onText);
  t.mock.timers.tick(99);
  assert.deepEqual(signals, []);
  t.mock.timers.tick(1);
  assert.deepEqual(signals, [40]);
  report.addLine("Thread 1:");
  report.tell(7, "too late: the lines have begun");
  report.addLine("  File x");
  t.mock.timers.tick(250);
  assert.deepEqual(texts, ["Thread 1:\n  File x"]);
});

it("is empty where nothing comes", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(7, onText);
  t.mock.timers.tick(100);
  t.mock.timers.tick(250);
  assert.deepEqual(texts, [""]);
});

it("of a worker that loads is faulthandler's at once: nobody would answer", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.askBySignal(onText);
  report.askBySignal(onText);
  assert.deepEqual([asked, signals], [[], [40]]);
  report.addLine("Current thread:");
  t.mock.timers.tick(249);
  report.addLine("  File x");
  t.mock.timers.tick(250);
  assert.deepEqual(texts, ["Current thread:\n  File x", "Current thread:\n  File x"]);
});

it("ends with its worker", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(7, onText);
  t.mock.timers.tick(100);
  report.addLine("Thread 1:");
  report.close();
  report.close();
  assert.deepEqual(texts, ["Thread 1:"]);
});

it("has at most 1,000 lines", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(7, onText);
  t.mock.timers.tick(100);
  for (let line = 0; line < 1100; line += 1) report.addLine(String(line));
  report.close();
  assert.equal(texts[0]?.split("\n").length, 1000);
});
