/** Columns as kubectl prints them: as wide as their widest cell, three spaces apart. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries())
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
  const lines = rows.map((row) =>
    row
      .map((cell, index) =>
        index === row.length - 1 ? cell : cell.padEnd((widths[index] ?? 0) + 3),
      )
      .join("")
      .trimEnd(),
  );
  return lines.map((text) => `${text}\n`).join("");
}

/** `12s`, `4m`, `3h`, `2d`. */
export function ageText(from: string | undefined, nowMs: number): string {
  if (from === undefined) return "<unknown>";
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(from)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
