// The stacks of a worker: from Python where it answers, else by a signal. Timers are given.

import assert from "node:assert/strict";
import { beforeEach, it } from "node:test";

import { StackReport } from "../../src/workers/stack-report.ts";

let asked: number;
let signals: number[];
let report: StackReport;
let texts: string[];
const onText = (text: string): void => void texts.push(text);

beforeEach(() => {
  asked = 0;
  signals = [];
  texts = [];
  report = new StackReport(
    () => (asked += 1),
    (signal) => void signals.push(signal),
  );
});

it("is what the worker says; questions meanwhile share the report", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(onText);
  report.ask(onText);
  assert.equal(asked, 1);
  report.tell("thread 1 …");
  assert.deepEqual(texts, ["thread 1 …", "thread 1 …"]);
  t.mock.timers.tick(1000);
  assert.deepEqual(signals, [], "no signal afterwards");
  report.ask(onText);
  assert.equal(asked, 2);
});

it("is what faulthandler writes at a signal, where the worker is silent for 100 ms", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.addLine("of an earlier report");
  report.ask(onText);
  t.mock.timers.tick(99);
  assert.deepEqual(signals, []);
  t.mock.timers.tick(1);
  assert.deepEqual(signals, [40]);
  report.addLine("Thread 1:");
  report.tell("too late: the lines have begun");
  report.addLine("  File x");
  t.mock.timers.tick(250);
  assert.deepEqual(texts, ["Thread 1:\n  File x"]);
});

it("is empty where nothing comes", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(onText);
  t.mock.timers.tick(100);
  t.mock.timers.tick(250);
  assert.deepEqual(texts, [""]);
});

it("ends with its worker", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(onText);
  t.mock.timers.tick(100);
  report.addLine("Thread 1:");
  report.close();
  report.close();
  assert.deepEqual(texts, ["Thread 1:"]);
});

it("has at most 1,000 lines", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  report.ask(onText);
  t.mock.timers.tick(100);
  for (let line = 0; line < 1100; line += 1) report.addLine(String(line));
  report.close();
  assert.equal(texts[0]?.split("\n").length, 1000);
});
