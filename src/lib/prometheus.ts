/** Numbers about a process, in Prometheus' text format. */

export type Labels = Readonly<Record<string, string>>;

/** Label sets of one metric; what comes after is counted under none of them. */
const seriesMax = 2000;

const noLabels: Labels = {};

/** Values by label set, with a limit. */
class Series<V> {
  readonly #values = new Map<string, V>();
  readonly #make: () => V;

  constructor(make: () => V) {
    this.#make = make;
  }

  at(labels: Labels): V {
    const key = labelText(labels);
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const full = this.#values.size >= seriesMax;
    const made = this.#make();
    if (!full) this.#values.set(key, made);
    return made;
  }

  entries(): Iterable<[string, V]> {
    return this.#values.entries();
  }

  clear(): void {
    this.#values.clear();
  }
}

interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  lines(): readonly string[];
}

export class Counter implements Metric {
  readonly type = "counter";
  readonly name: string;
  readonly help: string;
  readonly #series = new Series<{ value: number }>(() => ({ value: 0 }));

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  add(by = 1, labels: Labels = noLabels): void {
    this.#series.at(labels).value += by;
  }

  value(labels: Labels = noLabels): number {
    return this.#series.at(labels).value;
  }

  lines(): readonly string[] {
    return [...this.#series.entries()].map(([key, { value }]) => line(this.name, key, value));
  }
}

export class Gauge implements Metric {
  readonly type = "gauge";
  readonly name: string;
  readonly help: string;
  readonly #series = new Series<{ value: number }>(() => ({ value: 0 }));
  readonly #refresh: ((gauge: Gauge) => void) | undefined;

  /** `refresh` sets it whenever somebody looks. */
  constructor(name: string, help: string, refresh?: (gauge: Gauge) => void) {
    this.name = name;
    this.help = help;
    this.#refresh = refresh;
  }

  set(value: number, labels: Labels = noLabels): void {
    this.#series.at(labels).value = value;
  }

  /** Forget every label set. */
  clear(): void {
    this.#series.clear();
  }

  lines(): readonly string[] {
    this.#refresh?.(this);
    return [...this.#series.entries()].map(([key, { value }]) => line(this.name, key, value));
  }
}

interface Buckets {
  readonly counts: number[];
  sum: number;
  count: number;
}

export class Histogram implements Metric {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series: Series<Buckets>;

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.#series = new Series(() => ({ counts: bounds.map(() => 0), sum: 0, count: 0 }));
  }

  observe(value: number, labels: Labels = noLabels): void {
    const buckets = this.#series.at(labels);
    buckets.sum += value;
    buckets.count++;
    const index = this.#bounds.findIndex((bound) => value <= bound);
    if (index >= 0) buckets.counts[index] = (buckets.counts[index] ?? 0) + 1;
  }

  lines(): readonly string[] {
    return [...this.#series.entries()].flatMap(([key, { counts, sum, count }]) => {
      let below = 0;
      const buckets = this.#bounds.map((bound, index) => {
        below += counts[index] ?? 0;
        return line(`${this.name}_bucket`, withLabel(key, `le="${bound}"`), below);
      });
      return [
        ...buckets,
        line(`${this.name}_bucket`, withLabel(key, 'le="+Inf"'), count),
        line(`${this.name}_sum`, key, sum),
        line(`${this.name}_count`, key, count),
      ];
    });
  }
}

/** Every metric of a process, each name once. */
export class MetricsRegistry {
  readonly #metrics: Metric[] = [];

  counter(name: string, help: string): Counter {
    return this.#add(new Counter(name, help));
  }

  gauge(name: string, help: string, refresh?: (gauge: Gauge) => void): Gauge {
    return this.#add(new Gauge(name, help, refresh));
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#add(new Histogram(name, help, bounds));
  }

  #add<M extends Metric>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }

  text(): string {
    let text = "";
    for (const metric of this.#metrics) {
      text += `# HELP ${metric.name} ${metric.help}\n# TYPE ${metric.name} ${metric.type}\n`;
      for (const written of metric.lines()) text += `${written}\n`;
    }
    return text;
  }
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function withLabel(key: string, label: string): string {
  return key === "" ? label : `${key},${label}`;
}

function line(name: string, key: string, value: number): string {
  return key === "" ? `${name} ${value}` : `${name}{${key}} ${value}`;
}
