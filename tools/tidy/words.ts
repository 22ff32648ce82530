/** Calls and words that have a better place. */
import { codeOnly, isTest, lineAt, type Tree, type Violation } from "./source.ts";

interface Ban {
  readonly pattern: RegExp;
  readonly message: string;
}

// src/lib is where the replacements live.
const calls: readonly Ban[] = [
  { pattern: /\bDate\.now\(/g, message: "Date.now(): take a clock (#lib/clock.ts)" },
  { pattern: /\bnew Date\(\)/g, message: "new Date(): take a clock (#lib/clock.ts)" },
  { pattern: /\bperformance\.now\(/g, message: "performance.now(): take a clock (#lib/clock.ts)" },
  { pattern: /\bprocess\.hrtime\b/g, message: "process.hrtime: take a clock (#lib/clock.ts)" },
  { pattern: /\bMath\.random\(/g, message: "Math.random(): take a random (#lib/random.ts)" },
  { pattern: /\bconsole\./g, message: "console: take a log (#lib/log.ts)" },
];

const waiting: Ban = {
  pattern: /\b(?:async|await)\b/g,
  message: "no async or await on the data path: park the filter, or take a callback",
};
const dataPath = /^src\/(?:http|net|proxy\/filters)\//;

// Spelt so that this file does not find itself.
const unfinished: Ban = {
  pattern: /\b(?:FIX|TO)(?:ME|DO)\b|\bX{3}\b/g,
  message: "finish it, or open an issue",
};
const machine: Ban = {
  pattern: /(?<![\w.~-])\/(?:work|root|home\/\w+)\//g,
  message: "a path of one machine",
};

export function wordViolations(tree: Tree): readonly Violation[] {
  return [...tree].flatMap(([path, text]) => {
    const violations = [...found(path, text, unfinished), ...found(path, text, machine)];
    if (path.startsWith("src/") && path.endsWith(".ts") && !isTest(path)) {
      const code = codeOnly(text);
      const bans = path.startsWith("src/lib/") ? [] : calls;
      violations.push(...bans.flatMap((ban) => found(path, code, ban)));
      if (dataPath.test(path)) {
        violations.push(...found(path, code, waiting));
      }
    }
    return violations;
  });
}

function found(path: string, text: string, { pattern, message }: Ban): readonly Violation[] {
  return [...text.matchAll(pattern)].map(({ index }) => ({
    path,
    line: lineAt(text, index),
    message,
  }));
}
