// What `typhon doctor` finds: one line for each thing that it looked at, with what to do where that is not well. Pure.

/** "ok"; "note": worth knowing; "warn": serves, but not well; "fail": does not start, or does not serve. */
export type Level = "ok" | "note" | "warn" | "fail";

export interface Finding {
  readonly level: Level;
  /** What was looked at, such as "python". */
  readonly topic: string;
  readonly fact: string;
  /** What to do; "" = nothing. */
  readonly remedy: string;
}

export function finding(level: Level, topic: string, fact: string, remedy = ""): Finding {
  return { level, topic, fact, remedy };
}

/** The column in which facts begin. */
const INDENT = 21;

/** The report, ending in a line end. */
export function renderFindings(findings: readonly Finding[]): string {
  const pad = " ".repeat(INDENT);
  const lines = findings.flatMap(({ level, topic, fact, remedy }) => [
    `${level.padEnd(4)}  ${topic.padEnd(INDENT - 7)} ${fact}`,
    ...(remedy === "" ? [] : [`${pad}→ ${remedy}`]),
  ]);
  return `${[...lines, "", summaryOf(findings)].join("\n")}\n`;
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (level: Level): number => findings.filter((one) => one.level === level).length;
  const [fails, warns] = [count("fail"), count("warn")];
  if (fails + warns === 0) return "all is well";
  const parts = [
    ...(fails === 0 ? [] : [`${fails} to mend`]),
    ...(warns === 0 ? [] : [`${warns} to look at`]),
  ];
  return parts.join(", ");
}
