import { type IdleRun, kbPerConnection } from "./idle.ts";
import type { ProxyName } from "./proxies.ts";
import { table } from "./report-table.ts";
import type { IdleScenario } from "./scenarios.ts";
import { median } from "./statistics.ts";

/** Kilobytes a connection, one row for each proxy. */
export function idleSection(
  runs: readonly IdleRun[],
  { scenarios, proxies }: { scenarios: readonly IdleScenario[]; proxies: readonly ProxyName[] },
): string {
  const columns = scenarios.filter(({ name }) => runs.some(({ scenario }) => scenario === name));
  if (columns.length === 0) return "";
  const rows = proxies.flatMap((proxy) => {
    const cells = columns.map(({ name }) => {
      const mine = runs.filter((run) => run.proxy === proxy && run.scenario === name);
      if (mine.length === 0) return "–";
      const grown = median(mine.map(kbPerConnection));
      const whole = median(mine.map(({ afterKb }) => afterKb / 1024));
      return `${grown.toFixed(1)} (${whole.toFixed(0)})`;
    });
    return cells.every((cell) => cell === "–") ? [] : [[proxy, ...cells]];
  });
  const connections = columns[0]?.connections.toLocaleString("en-US");
  return `## Memory of idle connections

${connections} connections that were each answered once and stay open: what resident memory grew by, in KB a connection; in parentheses all of the proxy's, in MB.

${table(["proxy", ...columns.map(({ title }) => title)], rows)}`;
}
