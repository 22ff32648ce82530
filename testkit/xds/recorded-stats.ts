import type { XdsStatsScope } from "#xds/subscription-stats.ts";

/** Stats by name: counters and gauges as numbers, text readouts as texts, of histograms the last value. */
export class RecordedStats implements XdsStatsScope {
  readonly values: Map<string, number | string> = new Map();

  counter(name: string): { inc(): void } {
    return { inc: () => this.values.set(name, Number(this.values.get(name) ?? 0) + 1) };
  }

  gauge(name: string): { set(value: number): void } {
    return { set: (value) => this.values.set(name, value) };
  }

  histogram(name: string): { record(value: number): void } {
    return { record: (value) => this.values.set(name, value) };
  }

  text(name: string): { set(value: string): void } {
    return { set: (value) => this.values.set(name, value) };
  }
}
