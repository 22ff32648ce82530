import { median } from "../statistics.ts";

export interface Row {
  readonly contender: string;
  readonly work: string;
  /** Of each round, in which nothing is done on purpose. */
  readonly waitsMs: number;
  /** Of each round, of each proxy. */
  readonly tookMs: readonly (readonly number[])[];
  readonly cpuSeconds: readonly number[];
  readonly bytes: readonly number[];
  /** Of the whole run. */
  readonly memory: { readonly residentKb: number; readonly peakKb: number };
}

export interface ReportSize {
  readonly proxies: number;
  readonly services: number;
  readonly endpoints: number;
  readonly rounds: number;
}

export function table(rows: readonly Row[], size: ReportSize, date: string): string {
  const { proxies, services, endpoints, rounds } = size;
  const lines = rows.map((row) => {
    const { contender, work, tookMs, cpuSeconds, bytes, waitsMs } = row;
    const at = (share: number) =>
      `${median(tookMs.map((one) => quantile(one, share))).toFixed(0)} ms`;
    const cells = [
      work,
      contender,
      at(0.5),
      at(0.99),
      at(1),
      waitsMs === 0 ? "" : `${waitsMs} ms`,
      median(cpuSeconds).toFixed(2),
      kilobytes(median(bytes)),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const order = rows.map(({ work }) => work);
  lines.sort((a, b) => order.indexOf(workOf(a)) - order.indexOf(workOf(b)));
  const memory = [...new Map(rows.map((row) => [row.contender, row.memory]))].map(
    ([name, { residentKb, peakKb }]) =>
      `- ${name}: ${(residentKb / 1024).toFixed(0)} MiB at the end, ${(peakKb / 1024).toFixed(0)} MiB at most`,
  );
  return `# Control planes: ${proxies} proxies, ${services} services of ${endpoints} endpoints

${date}; delta ADS, simulated proxies in one process, everything on one machine; medians of ${rounds} changes of each kind. Times are from the change to a proxy's last acknowledgement, the debounce included.

| what | control plane | p50 | p99 | last | debounce | CPU s | bytes a proxy |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
${lines.join("\n")}

Memory:

${memory.join("\n")}
`;
}

const workOf = (line: string): string => line.split(" | ", 1)[0]?.slice(2) ?? "";

/** The smallest value that so large a share of them does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

function kilobytes(bytes: number): string {
  return bytes < 10_000 ? `${bytes.toFixed(0)} B` : `${(bytes / 1000).toFixed(0)} kB`;
}
